// The share of failures, and of slow calls, among the last calls. A bit a call and kind; constant time; no clock.
import { checkInteger, rejectOption } from "./options.ts";
import { type RatioOptions, type Thresholds, checkThresholds } from "./trip-thresholds.ts";
import type { Trip, TripCounts, TripResult } from "./trip.ts";

export interface CountWindowOptions extends RatioOptions {
  /** How many of the last calls are looked at. An integer from 1 to 1000000. @default 100 */
  readonly calls?: number;
  /** Never opens on fewer calls. An integer from 1 to `calls`. @default 10, or `calls` if that is less */
  readonly minCalls?: number;
}

/**
 * Opens on the share of failures, or of slow calls, among the last calls.
 *
 * @throws {InvalidOptionError} for options out of bounds.
 */
export function countWindow(options: CountWindowOptions = {}): Trip {
  const { calls = 100, minCalls = Math.min(10, calls), slowMs } = options;
  checkInteger("countWindow.calls", calls, 1, 1_000_000);
  const thresholds = checkThresholds("countWindow", options, minCalls);
  if (minCalls > calls) rejectOption("countWindow.minCalls", `at most \`calls\` (${calls})`, minCalls);
  return new CountWindow(calls, thresholds, slowMs);
}

class CountWindow implements Trip {
  readonly slowMs: number | undefined;
  lastSample = -1;
  private readonly calls: number;
  private readonly thresholds: Thresholds;
  private readonly failed: Uint32Array;
  private readonly slowed: Uint32Array | null;
  private next = 0;
  private count = 0;
  private failures = 0;
  private slow = 0;
  private bad = 0;

  constructor(calls: number, thresholds: Thresholds, slowMs: number | undefined) {
    const words = (calls + 31) >>> 5;
    this.calls = calls;
    this.thresholds = thresholds;
    this.slowMs = slowMs;
    this.failed = new Uint32Array(words);
    this.slowed = slowMs === undefined ? null : new Uint32Array(words);
  }

  record(result: TripResult): boolean {
    const { failed, slowed, next } = this;
    if (slowed === null && this.failures === 0 && result === "success") {
      // One more success among successes: which slot it takes is all the same.
      if (this.count < this.calls) this.count++;
      return false;
    }
    const word = next >>> 5;
    const mask = 1 << (next & 31);
    const failedBits = failed[word] as number;
    const hadFailed = (failedBits & mask) !== 0;
    const hasFailed = result === "failure" || result === "overload";
    if (hasFailed !== hadFailed) {
      failed[word] = failedBits ^ mask;
      this.failures += hasFailed ? 1 : -1;
    }
    if (slowed === null) this.bad = this.failures;
    else this.recordSlow(slowed, word, mask, hadFailed, result);
    if (this.count < this.calls) this.count++;
    this.next = next + 1 === this.calls ? 0 : next + 1;
    return this.thresholds.reached(this.count, this.failures, this.slow, this.bad);
  }

  /** The slot is given to a new call: its bit of slowness, and the calls that are bad either way. */
  private recordSlow(slowed: Uint32Array, word: number, mask: number, hadFailed: boolean, result: TripResult): void {
    const bits = slowed[word] as number;
    const wasSlow = (bits & mask) !== 0;
    const isSlow = result === "slow";
    if (isSlow !== wasSlow) {
      slowed[word] = bits ^ mask;
      this.slow += isSlow ? 1 : -1;
    }
    this.bad += (result === "success" ? 0 : 1) - (hadFailed || wasSlow ? 1 : 0);
    this.lastSample++;
  }

  failSlow(sample: number): boolean {
    // Its slot belongs to another call by now.
    if (this.lastSample - sample >= this.calls) return false;
    const slot = (this.next - 1 - (this.lastSample - sample) + 2 * this.calls) % this.calls;
    const word = slot >>> 5;
    this.failed[word] = (this.failed[word] as number) | (1 << (slot & 31));
    this.failures++;
    return this.thresholds.reached(this.count, this.failures, this.slow, this.bad);
  }

  counts(): TripCounts {
    return { calls: this.count, failures: this.failures, slow: this.slow };
  }

  reset(): void {
    this.failed.fill(0);
    this.slowed?.fill(0);
    this.next = this.count = this.failures = this.slow = this.bad = 0;
  }

  describe(): string {
    return `${this.thresholds.describe()} of the last ${this.calls} calls`;
  }
}
