// Sends a failed call down again after a back-off. A permit is never held meanwhile, the wait ends at once on abort, and
// a delay that would pass the deadline is not waited for.
import { type Backoff, exponentialBackoff } from "./backoff.ts";
import type { Call } from "./call.ts";
import { type Clock, type ClockTimer, maxDelayMs, systemClock } from "./clock.ts";
import { isHeadgateError } from "./errors.ts";
import { checkFunction, checkInteger } from "./options.ts";
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
  /** @default systemClock */
  readonly clock?: Clock;
  /** @default systemRandom */
  readonly random?: Random;
}

export type Retry = Policy & {
  readonly kind: "retry";
  readonly maxAttempts: number;
};

/** What the policy remembers of one call. */
interface Tries {
  count: number;
  timer: ClockTimer | null;
}

class RetryPolicy implements Policy {
  readonly kind = "retry";
  readonly reruns = true;
  readonly failuresOnly = true;
  readonly maxAttempts: number;
  private readonly backoff: Backoff;
  private readonly shouldRetry: (attempt: FailedAttempt) => boolean;
  private readonly clock: Clock;
  private readonly random: Random;

  constructor(options: Required<RetryOptions>) {
    this.maxAttempts = options.maxAttempts;
    this.backoff = options.backoff;
    this.shouldRetry = options.shouldRetry;
    this.clock = options.clock;
    this.random = options.random;
  }

  leave(call: Call, at: number): "pass" | "park" | "again" {
    if (call.outcome === "success" || call.cutting) return "pass";
    return this.afterFailure(call, at);
  }

  interrupt(call: Call, at: number): void {
    (call.recall(at) as Tries).timer?.cancel();
  }

  private afterFailure(call: Call, at: number): "pass" | "park" | "again" {
    const tries = (call.recall(at) as Tries | undefined) ?? { count: 0, timer: null };
    tries.count++;
    call.keep(at, tries);
    if (!this.mayRetry(call, tries.count)) return "pass";
    if (tries.count >= this.maxAttempts) {
      if (this.maxAttempts > 1)
        call.emit?.({
          type: "retry.exhausted",
          pipeline: call.pipeline.name,
          attempts: tries.count,
          result: call.result,
        });
      return "pass";
    }
    const delayMs = this.delay(call, tries.count);
    if (delayMs > 0 && delayMs >= call.remainingMs()) return "pass";
    call.emit?.({
      type: "retry.scheduled",
      pipeline: call.pipeline.name,
      attempt: call.attempt + 1,
      delayMs,
      result: call.result,
    });
    if (!call.threw) call.discard(call.result);
    if (delayMs <= 0) return "again";
    this.wait(call, at, tries, delayMs);
    return "park";
  }

  private mayRetry(call: Call, attempt: number): boolean {
    const { outcome, threw, result } = call;
    if (outcome === "success") return false;
    if (outcome === "ignored" && !(reopensInMs(call) < call.remainingMs())) return false;
    return this.shouldRetry({ result, threw, outcome, attempt });
  }

  private delay(call: Call, retry: number): number {
    const delayMs = Math.min(this.backoff(retry, this.random), maxDelayMs);
    return call.outcome === "ignored" ? Math.max(delayMs, reopensInMs(call)) : delayMs;
  }

  // Apart, so that a call that does not wait does not allocate the closure's context.
  private wait(call: Call, at: number, tries: Tries, delayMs: number): void {
    tries.timer = this.clock.after(delayMs, () => {
      tries.timer = null;
      call.again(at);
    });
  }
}

/** When an open circuit inside will let a call through; never for anything else, and never without a deadline. */
function reopensInMs(call: Call): number {
  const { result } = call;
  const open = isHeadgateError(result) && result.code === "ERR_CIRCUIT_OPEN" && call.timer !== null;
  return open ? (result as unknown as { retryAfterMs: number }).retryAfterMs : Number.POSITIVE_INFINITY;
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
    clock = systemClock,
    random = systemRandom,
  } = options;
  checkInteger("retry.maxAttempts", maxAttempts, 1);
  checkFunction("retry.backoff", backoff);
  checkFunction("retry.shouldRetry", shouldRetry);
  return new RetryPolicy({ maxAttempts, backoff, shouldRetry, clock, random });
}
