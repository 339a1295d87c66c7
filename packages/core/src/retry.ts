// Sends a failed call down again after a back-off. A permit is never held meanwhile, the wait ends at once on abort, a
// delay that would pass the deadline is not waited for, and a budget is asked before the wait, not after it.
import { type Backoff, exponentialBackoff } from "./backoff.ts";
import type { Call } from "./call.ts";
import { type Clock, type ClockTimer, maxDelayMs, systemClock } from "./clock.ts";
import { isHeadgateError } from "./errors.ts";
import { checkFunction, checkInteger, checkNumber, rejectOption } from "./options.ts";
import type { Outcome, Policy } from "./policy.ts";
import { type Random, systemRandom } from "./random.ts";

/** What `shouldRetry` is told about the attempt that did not succeed. */
export interface FailedAttempt {
  /** The error that was thrown, or the value that `isFailure` or `isOverload` recognised. */
  readonly result: unknown;
  /** Whether `result` was thrown. */
  readonly threw: boolean;
  readonly outcome: Exclude<Outcome, "success">;
  /** How many attempts there were, this one included. */
  readonly attempt: number;
}

/** What retries may cost in all: shared by the calls, and by the pipelines, that burden one dependency. */
export interface RetryBudget {
  /** Takes what one retry of this call costs; false when that is not there, and the retry does not happen. */
  tryAcquire(call: Call): boolean;
}

export interface RetryOptions {
  /** Calls in all, the first included. An integer of at least 1. @default 3 */
  readonly maxAttempts?: number;
  /** @default exponentialBackoff(): 100 ms doubling to 10 s, full jitter */
  readonly backoff?: Backoff;
  /**
   * Asked after an attempt that may be retried. By default every `failure` and `dropped` attempt is, and a refusal of
   * one of our own policies is not, except that of a circuit that will be half-open before the deadline.
   * @default () => true
   */
  readonly shouldRetry?: (attempt: FailedAttempt) => boolean;
  /**
   * The longest that the dependency's own wish (`retryAfterMs`) is waited for: a retry waits for the longer of the back-off
   * and the wish, the wish cut to this. 0 disregards it. At least 0, at most 2^31 - 1. @default 30000
   */
  readonly maxRetryAfterMs?: number;
  /**
   * How much of the time until the nearest deadline an attempt needs to be worth it. With less left after the delay
   * the call ends now, with the last result. At least 0, at most 2^31 - 1. @default 1
   */
  readonly minAttemptMs?: number;
  /** Asked before each back-off. When it refuses, the call ends with the last result. @default none */
  readonly budget?: RetryBudget | undefined;
  /** @default systemClock */
  readonly clock?: Clock;
  /** @default systemRandom */
  readonly random?: Random;
}

export type Retry = Policy & {
  readonly kind: "retry";
  readonly maxAttempts: number;
  /** Retries so far: attempts beyond the first of each call. */
  readonly retries: number;
  /** Calls that ended because every attempt was used. */
  readonly exhausted: number;
  /** Calls that ended because the deadline was too near for another attempt. */
  readonly outOfTime: number;
  /** Calls that ended because the budget refused. */
  readonly budgetDenied: number;
};

/** What the policy remembers of one call. */
interface Tries {
  count: number;
  /** What the back-off gave last. */
  delayMs: number;
  timer: ClockTimer | null;
}

class RetryPolicy implements Policy {
  readonly kind = "retry";
  readonly repeats = true;
  readonly failuresOnly = true;
  readonly maxAttempts: number;
  private readonly backoff: Backoff;
  private readonly shouldRetry: (attempt: FailedAttempt) => boolean;
  private readonly maxRetryAfterMs: number;
  private readonly minAttemptMs: number;
  private readonly budget: RetryBudget | undefined;
  private readonly clock: Clock;
  private readonly random: Random;

  retries = 0;
  exhausted = 0;
  outOfTime = 0;
  budgetDenied = 0;

  constructor(options: Required<RetryOptions>) {
    this.maxAttempts = options.maxAttempts;
    this.backoff = options.backoff;
    this.shouldRetry = options.shouldRetry;
    this.maxRetryAfterMs = options.maxRetryAfterMs;
    this.minAttemptMs = options.minAttemptMs;
    this.budget = options.budget;
    this.clock = options.clock;
    this.random = options.random;
  }

  leave(call: Call, at: number): "pass" | "park" | "again" {
    if (call.cutting) return "pass";
    return this.afterFailure(call, at);
  }

  interrupt(call: Call, at: number): void {
    (call.recall(at) as Tries).timer?.cancel();
  }

  describe(): string {
    return `${this.maxAttempts} attempts`;
  }

  private afterFailure(call: Call, at: number): "pass" | "park" | "again" {
    let tries = call.recall(at) as Tries | undefined;
    if (tries === undefined) {
      tries = { count: 0, delayMs: 0, timer: null };
      call.keep(at, tries);
    }
    tries.count++;
    if (!this.mayRetry(call, tries.count)) return "pass";
    if (tries.count >= this.maxAttempts) return this.exhaust(call, tries.count);
    const delayMs = this.delay(call, tries);
    // Less than a host timer can tell is not worth reading the clock for: the deadline itself will end the call.
    const neededMs = delayMs + this.minAttemptMs;
    if (neededMs > 1 && neededMs >= call.remainingMs()) {
      this.outOfTime++;
      return "pass";
    }
    if (this.budget !== undefined && !this.affords(this.budget, call, tries.count)) return "pass";
    this.retries++;
    call.emit?.({
      type: "retry.scheduled",
      pipeline: call.pipeline.name,
      attempt: call.attempt + 1,
      delayMs,
      result: call.result,
    });
    if (call.history === null) call.history = [call.result];
    else call.history.push(call.result);
    if (!call.threw) call.discard(call.result);
    if (delayMs <= 0) return "again";
    this.wait(call, at, tries, delayMs);
    return "park";
  }

  private exhaust(call: Call, attempts: number): "pass" {
    if (this.maxAttempts === 1) return "pass";
    this.exhausted++;
    call.emit?.({ type: "retry.exhausted", pipeline: call.pipeline.name, attempts, result: call.result });
    return "pass";
  }

  private affords(budget: RetryBudget, call: Call, attempts: number): boolean {
    if (budget.tryAcquire(call)) return true;
    this.budgetDenied++;
    call.emit?.({ type: "retry.budget-denied", pipeline: call.pipeline.name, attempts, result: call.result });
    return false;
  }

  private mayRetry(call: Call, attempt: number): boolean {
    const { outcome } = call;
    if (outcome === "success") return false;
    if (outcome === "ignored" && !(reopensInMs(call) < call.remainingMs())) return false;
    return this.shouldRetry({ result: call.result, threw: call.threw, outcome, attempt });
  }

  private delay(call: Call, tries: Tries): number {
    tries.delayMs = Math.min(this.backoff(tries.count, this.random, tries.delayMs), maxDelayMs);
    if (call.outcome === "ignored") return Math.max(tries.delayMs, reopensInMs(call));
    const hintMs = call.retryAfterMs();
    return hintMs === undefined ? tries.delayMs : Math.max(tries.delayMs, Math.min(hintMs, this.maxRetryAfterMs));
  }

  // Apart, so that a call that does not wait does not allocate the closure's context.
  private wait(call: Call, at: number, tries: Tries, delayMs: number): void {
    tries.timer = this.clock.after(delayMs, () => {
      tries.timer = null;
      call.again(at);
    });
  }
}

/**
 * When what refused the call inside will let one through: a policy of this pipeline that knows, or an open circuit of a
 * pipeline that the operation uses. Never for anything else, and never without a deadline.
 */
function reopensInMs(call: Call): number {
  if (call.nearestDeadline() === Number.POSITIVE_INFINITY) return Number.POSITIVE_INFINITY;
  if (call.refusedForMs !== null) return call.refusedForMs;
  const { result } = call;
  if (!isHeadgateError(result) || result.code !== "ERR_CIRCUIT_OPEN") return Number.POSITIVE_INFINITY;
  return (result as unknown as { retryAfterMs: number }).retryAfterMs;
}

/**
 * Sends a call that did not succeed down again, up to `maxAttempts` times in all. The caller is given the last result.
 * An operation that must not run twice has no place under it.
 *
 * @throws {InvalidOptionError} for options out of bounds.
 */
export function retry(options: RetryOptions = {}): Retry {
  const {
    maxAttempts = 3,
    backoff = exponentialBackoff(),
    shouldRetry = () => true,
    maxRetryAfterMs = 30_000,
    minAttemptMs = 1,
    budget,
    clock = systemClock,
    random = systemRandom,
  } = options;
  checkInteger("retry.maxAttempts", maxAttempts, 1);
  checkFunction("retry.backoff", backoff);
  checkFunction("retry.shouldRetry", shouldRetry);
  checkNumber("retry.maxRetryAfterMs", maxRetryAfterMs, 0, maxDelayMs);
  checkNumber("retry.minAttemptMs", minAttemptMs, 0, maxDelayMs);
  if (budget !== undefined && typeof budget?.tryAcquire !== "function")
    rejectOption("retry.budget", "an object with a function `tryAcquire`", budget);
  return new RetryPolicy({
    maxAttempts,
    backoff,
    shouldRetry,
    maxRetryAfterMs,
    minAttemptMs,
    budget,
    clock,
    random,
  });
}
