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

/** What is counted, and told, of each reason to give up. */
const endings = {
  attempts: { count: "exhausted", type: "retry.exhausted" },
  deadline: { count: "outOfTime", type: undefined },
  budget: { count: "budgetDenied", type: "retry.budget-denied" },
  "push-back": { count: "pushedBack", type: "retry.pushed-back" },
} as const;

class RetryPolicy implements Policy {
  readonly kind = "retry";
  readonly orderRules = retryOrder;
  readonly repeats = true;
  /** A budget that counts calls is told of the end of each. */
  readonly failuresOnly: boolean;
  readonly enter?: (call: Call) => "pass";
  readonly maxAttempts: number;
  readonly budget: RetryBudget | undefined;
  readonly #backoff: Backoff;
  readonly #shouldRetry: (attempt: FailedAttempt) => boolean;
  readonly #maxRetryAfterMs: number;
  readonly #minAttemptMs: number;
  readonly #clock: Clock;
  readonly #random: Random;

  retries = 0;
  exhausted = 0;
  outOfTime = 0;
  budgetDenied = 0;
  pushedBack = 0;

  constructor(options: RetryOptions) {
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
    this.maxAttempts = maxAttempts;
    this.budget = budget;
    this.#backoff = backoff;
    this.#shouldRetry = shouldRetry;
    this.#maxRetryAfterMs = maxRetryAfterMs;
    this.#minAttemptMs = minAttemptMs;
    this.#clock = clock;
    this.#random = random;
    this.failuresOnly = budget?.callStarted === undefined;
    if (!this.failuresOnly) {
      this.enter = (call) => {
        budget?.callStarted?.(call);
        return "pass";
      };
    }
  }

  leave(call: Call, at: number): "pass" | "park" | "again" {
    if (this.budget === undefined) return call.cutting ? "pass" : this.#afterFailure(call, at);
    return this.#leaveBudget(call, at, this.budget);
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

  /** What was taken for the attempt that comes up here goes back, and the end of the call is told. */
  #leaveBudget(call: Call, at: number, budget: RetryBudget): "pass" | "park" | "again" {
    if (call.attempt > 1) {
      const tries = call.recall(at) as Tries | undefined;
      tries?.permit?.release();
      if (tries !== undefined) tries.permit = null;
    }
    let step: "pass" | "park" | "again" = "pass";
    try {
      if (!call.cutting && call.outcome !== "success") step = this.#afterFailure(call, at);
    } finally {
      if (step === "pass") budget.callEnded?.();
    }
    return step;
  }

  #afterFailure(call: Call, at: number): "pass" | "park" | "again" {
    let tries = call.recall(at) as Tries | undefined;
    if (tries === undefined) {
      tries = { count: 0, delayMs: 0, timer: null, permit: null, gaveUp: undefined };
      call.keep(at, tries);
    }
    tries.count++;
    if (!this.#mayRetry(call, tries.count)) return "pass";
    if (call.pushedBack) return this.#giveUp(call, tries, "push-back");
    if (tries.count >= this.maxAttempts) return this.#giveUp(call, tries, "attempts");
    const delayMs = this.#delay(call, tries);
    // Less than a host timer can tell is not worth reading the clock for: the deadline itself will end the call.
    const neededMs = delayMs + this.#minAttemptMs;
    if (neededMs > 1 && neededMs >= call.remainingMs()) return this.#giveUp(call, tries, "deadline");
    if (this.budget !== undefined && !this.#affords(this.budget, call, tries))
      return this.#giveUp(call, tries, "budget");
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
    this.#wait(call, at, tries, delayMs);
    return "park";
  }

  #giveUp(call: Call, tries: Tries, why: GaveUp): "pass" {
    if (this.maxAttempts === 1) return "pass";
    tries.gaveUp = why;
    const { count, type } = endings[why];
    this[count]++;
    if (type !== undefined)
      call.emit?.({ type, pipeline: call.pipeline.name, attempts: tries.count, result: call.result });
    return "pass";
  }

  #affords(budget: RetryBudget, call: Call, tries: Tries): boolean {
    const taken = budget.tryAcquire(call);
    if (typeof taken === "object") tries.permit = taken;
    return taken !== false;
  }

  #mayRetry(call: Call, attempt: number): boolean {
    const { outcome } = call;
    if (outcome === "success") return false;
    if (outcome === "ignored" && !(reopensInMs(call) < call.remainingMs())) return false;
    return this.#shouldRetry({ result: call.result, threw: call.threw, outcome, attempt });
  }

  #delay(call: Call, tries: Tries): number {
    tries.delayMs = Math.min(this.#backoff(tries.count, this.#random, tries.delayMs), maxDelayMs);
    if (call.outcome === "ignored") return Math.max(tries.delayMs, reopensInMs(call));
    const hintMs = call.retryAfterMs();
    return hintMs === undefined ? tries.delayMs : Math.max(tries.delayMs, Math.min(hintMs, this.#maxRetryAfterMs));
  }

  // Apart, so that a call that does not wait does not allocate the closure's context.
  #wait(call: Call, at: number, tries: Tries, delayMs: number): void {
    tries.timer = this.#clock.after(delayMs, () => {
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
  return new RetryPolicy(options);
}
