// Sends a failed call down again after a back-off. A permit is never held meanwhile, the wait ends at once on abort, a
// delay that would pass the deadline is not waited for, and a budget is asked before the wait, not after it.
import { type Backoff, exponentialBackoff } from "./backoff.ts";
import type { Call } from "./call.ts";
import { type Clock, type ClockTimer, maxDelayMs, systemClock } from "./clock.ts";
import { isHeadgateError } from "./errors.ts";
import { checkFunction, checkInteger, checkNumber } from "./options.ts";
import { retryOrder } from "./order-rules.ts";
import type { GaveUp, Outcome, Policy } from "./policy.ts";
import { type Random, systemRandom } from "./random.ts";
import { checkBudget, type RetryBudget, type RetryPermit } from "./retry-budget.ts";

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
  /** Where retries are paid from. */
  readonly budget: RetryBudget | undefined;
  /** Retries so far: attempts beyond the first of each call. */
  readonly retries: number;
  /** Calls that ended because every attempt was used. */
  readonly exhausted: number;
  /** Calls that ended because the deadline was too near for another attempt. */
  readonly outOfTime: number;
  /** Calls that ended because the budget refused. */
  readonly budgetDenied: number;
  /** Calls that ended because the dependency asked that they are not sent again. */
  readonly pushedBack: number;
};

/** What the policy remembers of one call. */
interface Tries {
  count: number;
  /** What the back-off gave last. */
  delayMs: number;
  timer: ClockTimer | null;
  /** What the retry under way has taken from the budget. */
  permit: RetryPermit | null;
  gaveUp: GaveUp | undefined;
}

class RetryPolicy implements Policy {
  readonly kind = "retry";
  readonly orderRules = retryOrder;
  readonly repeats = true;
  /** A budget that counts calls is told of the end of each. */
  readonly failuresOnly: boolean;
  readonly enter?: (call: Call) => "pass";
  readonly maxAttempts: number;
  private readonly backoff: Backoff;
  private readonly shouldRetry: (attempt: FailedAttempt) => boolean;
  private readonly maxRetryAfterMs: number;
  private readonly minAttemptMs: number;
  readonly budget: RetryBudget | undefined;
  private readonly clock: Clock;
  private readonly random: Random;

  retries = 0;
  exhausted = 0;
  outOfTime = 0;
  budgetDenied = 0;
  pushedBack = 0;

  constructor(options: Required<RetryOptions>) {
    this.maxAttempts = options.maxAttempts;
    this.backoff = options.backoff;
    this.shouldRetry = options.shouldRetry;
    this.maxRetryAfterMs = options.maxRetryAfterMs;
    this.minAttemptMs = options.minAttemptMs;
    this.budget = options.budget;
    this.clock = options.clock;
    this.random = options.random;
    this.failuresOnly = this.budget?.callStarted === undefined;
    if (!this.failuresOnly) this.enter = (call) => this.begin(call);
  }

  leave(call: Call, at: number): "pass" | "park" | "again" {
    if (this.budget === undefined) return call.cutting ? "pass" : this.afterFailure(call, at);
    return this.leaveBudget(call, at, this.budget);
  }

  interrupt(call: Call, at: number): void {
    const { timer, permit } = call.recall(at) as Tries;
    timer?.cancel();
    permit?.release();
    this.budget?.callEnded?.();
  }

  gaveUp(call: Call, at: number): GaveUp | undefined {
    return (call.recall(at) as Tries | undefined)?.gaveUp;
  }

  describe(): string {
    return `${this.maxAttempts} attempts`;
  }

  private begin(call: Call): "pass" {
    this.budget?.callStarted?.(call);
    return "pass";
  }

  /** What was taken for the attempt that comes up here goes back, and the end of the call is told. */
  private leaveBudget(call: Call, at: number, budget: RetryBudget): "pass" | "park" | "again" {
    if (call.attempt > 1) {
      const tries = call.recall(at) as Tries | undefined;
      tries?.permit?.release();
      if (tries !== undefined) tries.permit = null;
    }
    let step: "pass" | "park" | "again" = "pass";
    try {
      if (!call.cutting && call.outcome !== "success") step = this.afterFailure(call, at);
    } finally {
      if (step === "pass") budget.callEnded?.();
    }
    return step;
  }

  private afterFailure(call: Call, at: number): "pass" | "park" | "again" {
    let tries = call.recall(at) as Tries | undefined;
    if (tries === undefined) {
      tries = { count: 0, delayMs: 0, timer: null, permit: null, gaveUp: undefined };
      call.keep(at, tries);
    }
    tries.count++;
    if (!this.mayRetry(call, tries.count)) return "pass";
    if (call.pushedBack) return this.giveUp(call, tries, "push-back");
    if (tries.count >= this.maxAttempts) return this.giveUp(call, tries, "attempts");
    const delayMs = this.delay(call, tries);
    // Less than a host timer can tell is not worth reading the clock for: the deadline itself will end the call.
    const neededMs = delayMs + this.minAttemptMs;
    if (neededMs > 1 && neededMs >= call.remainingMs()) return this.giveUp(call, tries, "deadline");
    if (this.budget !== undefined && !this.affords(this.budget, call, tries)) return this.giveUp(call, tries, "budget");
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

  private giveUp(call: Call, tries: Tries, why: GaveUp): "pass" {
    if (this.maxAttempts === 1) return "pass";
    tries.gaveUp = why;
    if (why === "deadline") this.outOfTime++;
    else if (why === "attempts") {
      this.exhausted++;
      this.tell("retry.exhausted", call, tries.count);
    } else if (why === "budget") {
      this.budgetDenied++;
      this.tell("retry.budget-denied", call, tries.count);
    } else {
      this.pushedBack++;
      this.tell("retry.pushed-back", call, tries.count);
    }
    return "pass";
  }

  private tell(
    type: "retry.exhausted" | "retry.budget-denied" | "retry.pushed-back",
    call: Call,
    attempts: number,
  ): void {
    call.emit?.({ type, pipeline: call.pipeline.name, attempts, result: call.result });
  }

  private affords(budget: RetryBudget, call: Call, tries: Tries): boolean {
    const taken = budget.tryAcquire(call);
    if (typeof taken === "object") tries.permit = taken;
    return taken !== false;
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
  checkBudget("retry.budget", budget);
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
