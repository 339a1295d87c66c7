// The share of failures, and of slow calls, of the last seconds: counts in buckets of time. Constant time a call, spread
// over the buckets that have passed since the last one.
import { maxDelayMs } from "./clock.ts";
import { checkInteger, checkNumber } from "./options.ts";
import { type RatioOptions, type Thresholds, checkThresholds } from "./trip-thresholds.ts";
import type { Trip, TripCounts, TripResult } from "./trip.ts";

export interface TimeWindowOptions extends RatioOptions {
  /** How far back calls are looked at, in milliseconds. Above 0. @default 30000 */
  readonly windowMs?: number;
  /** The window moves on in so many steps. An integer from 1 to 1000. @default 10 */
  readonly buckets?: number;
  /** Never opens on fewer calls. An integer of at least 1. @default 10 */
  readonly minCalls?: number;
}

/**
 * Opens on the share of failures, or of slow calls, in the last `windowMs`. Ratios are exact: a moving average would let
 * a burst of failures weigh less than it is (after linkerd2-proxy's success-rate breaker).
 *
 * @throws {InvalidOptionError} for options out of bounds.
 */
export function timeWindow(options: TimeWindowOptions = {}): Trip {
  const { windowMs = 30_000, buckets = 10, minCalls = 10, slowMs } = options;
  checkNumber("timeWindow.windowMs", windowMs, 0, maxDelayMs, true);
  checkInteger("timeWindow.buckets", buckets, 1, 1000);
  return new TimeWindow(windowMs, buckets, checkThresholds("timeWindow", options, minCalls), slowMs);
}

// The counts of one bucket stand side by side.
const callsAt = 0;
const failuresAt = 1;
const slowAt = 2;
const badAt = 3;
const width = 4;

class TimeWindow implements Trip {
  readonly timed = true;
  readonly slowMs: number | undefined;
  private readonly windowMs: number;
  private readonly buckets: number;
  private readonly bucketMs: number;
  private readonly thresholds: Thresholds;
  private readonly counted: Uint32Array;
  /** The bucket of now, numbered from the clock's origin: boundaries stay where they are, whenever calls come. */
  private bucket = Number.NEGATIVE_INFINITY;
  /** Where its counts stand. */
  private slot = 0;
  private calls = 0;
  private failures = 0;
  private slow = 0;
  private bad = 0;

  constructor(windowMs: number, buckets: number, thresholds: Thresholds, slowMs: number | undefined) {
    this.windowMs = windowMs;
    this.buckets = buckets;
    this.bucketMs = windowMs / buckets;
    this.thresholds = thresholds;
    this.slowMs = slowMs;
    this.counted = new Uint32Array(buckets * width);
  }

  /** Samples of one bucket need not be told apart. */
  get lastSample(): number {
    return this.bucket;
  }

  record(result: TripResult, nowMs: number): boolean {
    this.advance(nowMs);
    const base = this.slot * width;
    this.calls++;
    this.counted[base + callsAt]!++;
    if (result === "success") return this.reached();
    this.bad++;
    this.counted[base + badAt]!++;
    if (result === "slow") {
      this.slow++;
      this.counted[base + slowAt]!++;
    } else {
      this.failures++;
      this.counted[base + failuresAt]!++;
    }
    return this.reached();
  }

  failSlow(sample: number, nowMs: number): boolean {
    this.advance(nowMs);
    const age = this.bucket - sample;
    if (age < this.buckets) {
      const slot = (this.slot - age + this.buckets) % this.buckets;
      this.failures++;
      this.counted[slot * width + failuresAt]!++;
    }
    return this.reached();
  }

  counts(nowMs: number): TripCounts {
    this.advance(nowMs);
    return { calls: this.calls, failures: this.failures, slow: this.slow };
  }

  reset(): void {
    this.counted.fill(0);
    this.calls = this.failures = this.slow = this.bad = 0;
  }

  describe(): string {
    return `${this.thresholds.describe()} in ${this.windowMs} ms`;
  }

  private reached(): boolean {
    return this.thresholds.reached(this.calls, this.failures, this.slow, this.bad);
  }

  /** Drops the buckets that have left the window. A clock that stands still or goes back moves nothing. */
  private advance(nowMs: number): void {
    const bucket = Math.floor(nowMs / this.bucketMs);
    const passed = bucket - this.bucket;
    if (!(passed > 0)) return;
    this.bucket = bucket;
    if (passed >= this.buckets) {
      this.reset();
      return;
    }
    for (let i = 0; i < passed; i++) {
      this.slot = this.slot + 1 === this.buckets ? 0 : this.slot + 1;
      this.dropBucket(this.slot * width);
    }
  }

  private dropBucket(base: number): void {
    const { counted } = this;
    this.calls -= counted[base + callsAt] as number;
    this.failures -= counted[base + failuresAt] as number;
    this.slow -= counted[base + slowAt] as number;
    this.bad -= counted[base + badAt] as number;
    counted.fill(0, base, base + width);
  }
}
