// Answers a call that did not succeed with something else. The handlers are tried in order, and when none has an answer the
// caller is given the failure itself: what matters is why the call failed, not why its replacement did.
import { OwnSignal } from "./attempt.ts";
import type { Call } from "./call.ts";
import { isRefusal } from "./errors.ts";
import { checkFunction, rejectOption } from "./options.ts";
import { fallbackOrder } from "./order-rules.ts";
import type { Outcome, Policy } from "./policy.ts";
import { isThenable } from "./promise-parts.ts";
import { timersAreShared } from "#timers";

/** What `shouldFallback` and the handlers are told about the call that did not succeed. */
export interface FailedCall {
  /** The error that was thrown, or the value that `isFailure` or `isOverload` recognised. */
  readonly result: unknown;
  /** Whether `result` was thrown. */
  readonly threw: boolean;
  readonly outcome: Exclude<Outcome, "success">;
  /** How often the call was sent down, the first time included. */
  readonly attempts: number;
  /** Errors and failed values of the handlers before this one, in order. */
  readonly handlerResults: readonly unknown[];
  /** Aborts when the call is ended while the handler runs. Made when first read. */
  readonly signal: AbortSignal;
  /** The nearest deadline as a time on the pipeline's clock; `Infinity` without one. Pass it on to another `execute`. */
  readonly deadline: number;
}

/** Returns, or resolves to, the value that the caller is given; throws when it has none. */
export type FallbackHandler = (failed: FailedCall) => unknown;

export interface FallbackOptions {
  /** Tried in order until one has an answer. At least one. */
  readonly handlers: readonly FallbackHandler[];
  /**
   * Asked once about a call that did not succeed. By default every `failure` and `dropped` call and every refusal of one of
   * our own policies is answered. It is not asked about a call that its caller has aborted.
   * @default ({ outcome, result }) => outcome !== "ignored" || isRefusal(result)
   */
  readonly shouldFallback?: (failed: FailedCall) => boolean;
}

export type Fallback = Policy & {
  readonly kind: "fallback";
  /** Calls that were answered by a handler. */
  readonly used: number;
  /** Calls for which no handler had an answer. */
  readonly exhausted: number;
};

/** One failed call on its way through the handlers. */
class Failure implements FailedCall {
  readonly result: unknown;
  readonly threw: boolean;
  readonly outcome: Exclude<Outcome, "success">;
  readonly attempts: number;
  readonly handlerResults: unknown[] = [];
  readonly call: Call;
  private readonly refusedForMs: number | null;
  /** The call was ended from further out. */
  gone = false;
  private reason: unknown = undefined;
  private ownSignal: OwnSignal | null = null;

  constructor(call: Call) {
    this.call = call;
    this.result = call.result;
    this.threw = call.threw;
    this.outcome = call.outcome as Exclude<Outcome, "success">;
    this.attempts = call.attempt;
    this.refusedForMs = call.refusedForMs;
  }

  get signal(): AbortSignal {
    if (this.ownSignal === null) {
      this.ownSignal = new OwnSignal(timersAreShared && this.call.timer !== null);
      if (this.gone) this.ownSignal.abort(this.reason, false);
    }
    return this.ownSignal.signal;
  }

  get deadline(): number {
    return this.call.nearestDeadline();
  }

  /** The call was ended with what it carries now. */
  abort(): void {
    this.gone = true;
    this.reason = this.call.result;
    // The caller's own abort comes in the context of the caller; anything else by a timer that may be another call's.
    this.ownSignal?.abort(this.reason, this.call.options.signal?.aborted !== true);
  }

  /** The failure itself is what the call carries up. */
  restore(): void {
    this.call.conclude(this.outcome, this.threw, this.result);
    this.call.refusedForMs = this.refusedForMs;
  }
}

class FallbackPolicy implements Policy {
  readonly kind = "fallback";
  readonly orderRules = fallbackOrder;
  readonly reruns = true;
  readonly failuresOnly = true;
  private readonly handlers: readonly FallbackHandler[];
  private readonly shouldFallback: (failed: FailedCall) => boolean;
  used = 0;
  exhausted = 0;

  constructor(handlers: readonly FallbackHandler[], shouldFallback: (failed: FailedCall) => boolean) {
    this.handlers = handlers;
    this.shouldFallback = shouldFallback;
  }

  describe(): string {
    return `${this.handlers.length} ${this.handlers.length === 1 ? "handler" : "handlers"}`;
  }

  leave(call: Call, at: number): "pass" | "park" {
    // A signal that has aborted ends the call in a moment, where it has not yet.
    if (call.outcome === "success" || call.cutting || call.options.signal?.aborted) return "pass";
    const failed = new Failure(call);
    if (!this.shouldFallback(failed)) return "pass";
    call.keep(at, failed);
    return this.tryFrom(0, failed, at) ? "pass" : "park";
  }

  interrupt(call: Call, at: number): void {
    (call.recall(at) as Failure).abort();
  }

  /** Tries the handlers from `index` on. False when one of them goes on asynchronously. */
  private tryFrom(index: number, failed: Failure, at: number): boolean {
    for (; index < this.handlers.length; index++) {
      let returned: unknown;
      try {
        returned = (this.handlers[index] as FallbackHandler)(failed);
      } catch (error) {
        if (this.settle(index, failed, true, error)) return true;
        continue;
      }
      if (isThenable(returned)) {
        this.waitFor(returned, index, failed, at);
        return false;
      }
      if (this.settle(index, failed, false, returned)) return true;
    }
    this.exhausted++;
    failed.restore();
    return true;
  }

  // Apart, so that only handlers that are waited for allocate the closures' context.
  private waitFor(returned: PromiseLike<unknown>, index: number, failed: Failure, at: number): void {
    Promise.resolve(returned).then(
      (value) => this.goOn(index, failed, at, false, value),
      (error) => this.goOn(index, failed, at, true, error),
    );
  }

  private goOn(index: number, failed: Failure, at: number, threw: boolean, result: unknown): void {
    const { call } = failed;
    if (failed.gone) {
      if (!threw) call.discard(result);
      return;
    }
    if (!this.settle(index, failed, threw, result) && !this.tryFrom(index + 1, failed, at)) return;
    if (!failed.gone) call.finish(at);
  }

  /** What a handler returned or threw. True when it answers the call, or when nobody asks any more. */
  private settle(handler: number, failed: Failure, threw: boolean, result: unknown): boolean {
    const { call } = failed;
    if (failed.gone) {
      // The handler itself has ended the call.
      if (!threw) call.discard(result);
      return true;
    }
    if (!threw) call.judge(false, result);
    const { name } = call.pipeline;
    if (!threw && call.outcome === "success") {
      this.used++;
      if (!failed.threw && failed.result !== result) call.discard(failed.result);
      call.emit?.({ type: "fallback.used", pipeline: name, handler, result: failed.result });
      return true;
    }
    if (!threw && result !== failed.result) call.discard(result);
    // `judge` makes an error of what `isFailure` throws.
    const handlerResult = threw ? result : call.result;
    failed.restore();
    failed.handlerResults.push(handlerResult);
    call.emit?.({ type: "fallback.failed", pipeline: name, handler, result: failed.result, handlerResult });
    return false;
  }
}

/**
 * Answers a call that did not succeed with what the first handler that succeeds returns. What a handler returns is judged
 * like the operation's own result: a value that `isFailure` recognises is no answer. When no handler has an answer, the
 * caller is given the failure of the call itself, the same object; the handlers' own are told by `fallback.failed`.
 *
 * A handler may take as long as the timeouts further out let the call take.
 *
 * @throws {InvalidOptionError} for options out of bounds.
 */
export function fallback(options: FallbackOptions): Fallback {
  const { handlers, shouldFallback = ({ outcome, result }) => outcome !== "ignored" || isRefusal(result) } = options;
  if (!Array.isArray(handlers) || handlers.length === 0)
    rejectOption("fallback.handlers", "an array of at least one function", handlers);
  handlers.forEach((handler, i) => checkFunction(`fallback.handlers[${i}]`, handler));
  checkFunction("fallback.shouldFallback", shouldFallback);
  return new FallbackPolicy([...handlers], shouldFallback);
}
