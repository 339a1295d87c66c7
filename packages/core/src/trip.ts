// When a circuit breaker opens: small state machines over the results of calls, without a clock.
import { checkInteger, checkNumber, rejectOption } from "./options.ts";

/** Decides from the results of calls when a circuit opens. Belongs to one breaker. */
export interface Trip {
  /** Takes a result in; true when the circuit is to open. */
  record(failed: boolean): boolean;
  /** Forgets everything: the circuit has changed its state. */
  reset(): void;
}

export interface ConsecutiveFailuresOptions {
  /** Opens at this many failures in a row. An integer of at least 1. @default 5 */
  readonly maxFailures?: number;
}

/** Opens after failures in a row; one success starts the count anew. */
export function consecutiveFailures(options: ConsecutiveFailuresOptions = {}): Trip {
  const { maxFailures = 5 } = options;
  checkInteger("consecutiveFailures.maxFailures", maxFailures, 1);
  let failures = 0;
  return {
    record(failed) {
      failures = failed ? failures + 1 : 0;
      return failures >= maxFailures;
    },
    reset() {
      failures = 0;
    },
  };
}

export interface CountWindowOptions {
  /** How many of the last calls are looked at. An integer from 1 to 1000000. @default 100 */
  readonly calls?: number;
  /** Opens when this share of them failed. Above 0, at most 1. @default 0.5 */
  readonly failureRatio?: number;
  /** Never opens on fewer calls. An integer from 1 to `calls`. @default 10, or `calls` if that is less */
  readonly minCalls?: number;
}

/** Opens on the share of failures among the last calls. One bit a call; constant time. */
export function countWindow(options: CountWindowOptions = {}): Trip {
  const { calls = 100, failureRatio = 0.5, minCalls = Math.min(10, calls) } = options;
  checkInteger("countWindow.calls", calls, 1, 1_000_000);
  checkNumber("countWindow.failureRatio", failureRatio, 0, 1, true);
  checkInteger("countWindow.minCalls", minCalls, 1);
  if (minCalls > calls) rejectOption("countWindow.minCalls", `at most \`calls\` (${calls})`, minCalls);
  return new CountWindow(calls, failureRatio, minCalls);
}

class CountWindow implements Trip {
  private readonly calls: number;
  private readonly failureRatio: number;
  private readonly minCalls: number;
  private readonly bits: Uint32Array;
  private next = 0;
  private count = 0;
  private failures = 0;

  constructor(calls: number, failureRatio: number, minCalls: number) {
    this.calls = calls;
    this.failureRatio = failureRatio;
    this.minCalls = minCalls;
    this.bits = new Uint32Array((calls + 31) >>> 5);
  }

  record(failed: boolean): boolean {
    const word = this.next >>> 5;
    const mask = 1 << (this.next & 31);
    const bits = this.bits[word] as number;
    if (this.count < this.calls) this.count++;
    else if (bits & mask) this.failures--;
    if (failed) {
      this.bits[word] = bits | mask;
      this.failures++;
    } else if (bits & mask) this.bits[word] = bits & ~mask;
    this.next = this.next + 1 === this.calls ? 0 : this.next + 1;
    return this.count >= this.minCalls && this.failures >= this.failureRatio * this.count;
  }

  reset(): void {
    this.bits.fill(0);
    this.next = this.count = this.failures = 0;
  }
}
