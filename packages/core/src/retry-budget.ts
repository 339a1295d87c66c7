// What retries and hedges may cost in all, so that they cannot multiply the load of a dependency that has trouble already:
// a share of the calls of the last seconds, and a share of those in flight.
import type { Call } from "./call.ts";
import { type Clock, maxDelayMs, systemClock } from "./clock.ts";
import { checkInteger, checkNumber, rejectOption } from "./options.ts";

/** What a retry or a hedge has taken from a budget. */
export interface RetryPermit {
  /** The retry or hedge has ended. Called once. */
  release(): void;
}

/** What retries and hedges may cost in all: shared by the calls, and by the pipelines, that burden one dependency. */
export interface RetryBudget {
  /**
   * Takes what one retry or hedge of this call costs: a permit that is released when it has ended, or true where nothing
   * has to be given back. False when that is not there, and the retry or hedge does not happen.
   */
  tryAcquire(call: Call): boolean | RetryPermit;
  /** A call begins. Told by the outermost policy of its pipeline that draws on this budget. */
  callStarted?(call: Call): void;
  /** A call has ended that began. Goes with `callStarted`: a budget has both or neither. */
  callEnded?(): void;
}

export interface RetryBudgetOptions {
  /**
   * Retries and hedges for each call: of those that came in the window, and of those in flight. At least 0, at most 1.
   * @default 0.2
   */
  readonly ratio?: number;
  /** How far back calls and retries are counted, in milliseconds. Above 0, at most 2^31 - 1. @default 10000 */
  readonly windowMs?: number;
  /** Retries and hedges that the window allows in each second however few calls there are. At least 0. @default 10 */
  readonly minPerSecond?: number;
  /** Retries and hedges that may be in flight however few calls are. An integer of at least 0. @default 3 */
  readonly minConcurrent?: number;
  /** @default systemClock */
  readonly clock?: Clock;
}

/** The budget that `retryBudget` makes, and what it has counted. */
export interface CountedRetryBudget extends RetryBudget {
  /** Calls that have begun and not ended. On Workers those whose request was killed are among them. */
  readonly callsInFlight: number;
  /** Retries, back-off included, and hedges that have begun in the window and not ended. */
  readonly retriesInFlight: number;
  /** Retries and hedges that were refused because the window was used up. */
  readonly deniedByWindow: number;
  /** Retries and hedges that were refused because too many were in flight. */
  readonly deniedByConcurrency: number;
}

/** @throws {InvalidOptionError} for what is no budget; none at all is fine. */
export function checkBudget(place: string, budget: unknown): void {
  if (budget === undefined || typeof (budget as RetryBudget | null)?.tryAcquire === "function") return;
  rejectOption(place, "an object with a function `tryAcquire`", budget);
}

/** The window moves on in so many steps, as in Finagle and tower. */
const buckets = 10;

// The counts of one bucket stand side by side.
const callsAt = 0;
const retriesAt = 1;
const inFlightAt = 2;
const width = 3;

/** Sums of ratios that are no binary fractions may miss a whole number by so little. */
const rounding = 1e-9;

class Budget implements CountedRetryBudget {
  private readonly ratio: number;
  private readonly minInWindow: number;
  private readonly minConcurrent: number;
  private readonly bucketMs: number;
  private readonly clock: Clock;
  private readonly counted = new Uint32Array(buckets * width);
  /** The bucket of now, numbered from the clock's origin. */
  private bucket = Number.NEGATIVE_INFINITY;
  /** Where its counts stand. */
  private slot = 0;
  private calls = 0;
  private retries = 0;
  private retrying = 0;
  callsInFlight = 0;
  deniedByWindow = 0;
  deniedByConcurrency = 0;

  constructor({ ratio, windowMs, minPerSecond, minConcurrent, clock }: Required<RetryBudgetOptions>) {
    this.ratio = ratio;
    this.minInWindow = (minPerSecond * windowMs) / 1000;
    this.minConcurrent = minConcurrent;
    this.bucketMs = windowMs / buckets;
    this.clock = clock;
  }

  get retriesInFlight(): number {
    this.advance(this.clock.now());
    return this.retrying;
  }

  callStarted(call: Call): void {
    this.advance(call.readClock(this.clock));
    this.calls++;
    this.callsInFlight++;
    this.counted[this.slot * width + callsAt]!++;
  }

  callEnded(): void {
    this.callsInFlight--;
  }

  tryAcquire(call: Call): false | RetryPermit {
    this.advance(call.readClock(this.clock));
    const { ratio, calls } = this;
    if (this.retries + 1 > ratio * calls + this.minInWindow + rounding) {
      this.deniedByWindow++;
      return false;
    }
    // Who began before the window does not count: on Workers a call whose request was killed never ends.
    const inFlight = Math.min(this.callsInFlight, calls);
    if (this.retrying + 1 > Math.max(this.minConcurrent, ratio * inFlight + rounding)) {
      this.deniedByConcurrency++;
      return false;
    }
    const base = this.slot * width;
    this.retries++;
    this.retrying++;
    this.counted[base + retriesAt]!++;
    this.counted[base + inFlightAt]!++;
    return new Permit(this, this.bucket);
  }

  /** A retry has ended that began in this bucket. One that began before the window is not counted any more. */
  retryEnded(bucket: number): void {
    const age = this.bucket - bucket;
    if (age >= buckets) return;
    this.retrying--;
    this.counted[((this.slot - age + buckets) % buckets) * width + inFlightAt]!--;
  }

  /** Drops the buckets that have left the window. A clock that stands still or goes back moves nothing. */
  private advance(nowMs: number): void {
    const bucket = Math.floor(nowMs / this.bucketMs);
    const passed = bucket - this.bucket;
    if (!(passed > 0)) return;
    this.bucket = bucket;
    for (let i = Math.min(passed, buckets); i > 0; i--) this.dropOldest();
  }

  private dropOldest(): void {
    this.slot = this.slot + 1 === buckets ? 0 : this.slot + 1;
    const { counted } = this;
    const base = this.slot * width;
    this.calls -= counted[base + callsAt] as number;
    this.retries -= counted[base + retriesAt] as number;
    this.retrying -= counted[base + inFlightAt] as number;
    counted.fill(0, base, base + width);
  }
}

class Permit implements RetryPermit {
  private readonly budget: Budget;
  private readonly bucket: number;

  constructor(budget: Budget, bucket: number) {
    this.budget = budget;
    this.bucket = bucket;
  }

  release(): void {
    this.budget.retryEnded(this.bucket);
  }
}

/**
 * A budget for retries and hedges: in the last `windowMs` there may be `ratio` of them for each call, beside `minPerSecond`;
 * and in flight `ratio` of the calls in flight, or `minConcurrent` where that is more. Both must allow it.
 *
 * Make one for each dependency, and give it to every retry and hedge in front of that. Makes no timer.
 *
 * The window is that of Finagle's `RetryBudget` with exact counts in place of tokens, the limit in flight that of Envoy's
 * `retry_budget`.
 *
 * @throws {InvalidOptionError} for options out of bounds.
 */
export function retryBudget(options: RetryBudgetOptions = {}): CountedRetryBudget {
  const { ratio = 0.2, windowMs = 10_000, minPerSecond = 10, minConcurrent = 3, clock = systemClock } = options;
  checkNumber("retryBudget.ratio", ratio, 0, 1);
  checkNumber("retryBudget.windowMs", windowMs, 0, maxDelayMs, true);
  checkNumber("retryBudget.minPerSecond", minPerSecond, 0, Number.MAX_SAFE_INTEGER);
  checkInteger("retryBudget.minConcurrent", minConcurrent, 0);
  return new Budget({ ratio, windowMs, minPerSecond, minConcurrent, clock });
}
