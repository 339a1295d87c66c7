// One run of the operation, and what the operation is given of it. It outlives its call when the call ends first: then it
// is abandoned work, whose signal has aborted and whose permit comes back when it has really ended.
import type { Call } from "./call.ts";
import { timersAreShared } from "#timers";

/** What an operation is given: one object per attempt. */
export interface OperationContext {
  /** Aborts when this attempt is no longer wanted; its reason tells why. Made when first read. */
  readonly signal: AbortSignal;
  /** Which attempt this is: 1 for the first. */
  readonly attempt: number;
  /** What remains until the nearest deadline in milliseconds; `Infinity` without one, never below 0. */
  readonly remainingMs: number;
  /** The nearest deadline as a time on the pipeline's clock; `Infinity` without one. Pass it on to an inner `execute`. */
  readonly deadline: number;
  /**
   * Keeps the permit of this attempt after the operation has returned, until the function that it returns is called:
   * for a response whose body is still streaming. Calling that function again does nothing.
   */
  readonly hold: () => () => void;
}

/** The signal of one attempt, or of other code of the caller's that a call runs. */
export class OwnSignal {
  readonly #controller = new AbortController();
  #reason: unknown = undefined;
  #abortInContext: (() => void) | null = null;

  /**
   * A timer that calls share fires in the asynchronous context of the call that armed it. Listeners must see their
   * own, so that such an abort is dispatched from a reaction that is made here, where the operation reads the signal.
   */
  constructor(keepContext: boolean) {
    if (!keepContext) return;
    void new Promise<void>((resolve) => {
      this.#abortInContext = resolve;
    }).then(() => this.#controller.abort(this.#reason));
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  abort(reason: unknown, byTimer: boolean): void {
    this.#reason = reason;
    if (byTimer && this.#abortInContext !== null) this.#abortInContext();
    else this.#controller.abort(reason);
  }
}

export class Attempt implements OperationContext {
  readonly call: Call;
  readonly attempt: number;
  private abandonedFor: { readonly reason: unknown } | null = null;
  private ownSignal: OwnSignal | null = null;
  /** What keeps the permit: the run itself, and whoever holds it. */
  private holds = 1;
  private endHooks: (() => void)[] | null = null;

  constructor(call: Call, attempt: number) {
    this.call = call;
    this.attempt = attempt;
  }

  get signal(): AbortSignal {
    const parent = this.call.options.signal;
    if (this.ownSignal === null) {
      if (parent && !this.call.cuts) return parent;
      this.ownSignal = new OwnSignal(timersAreShared && this.call.timer !== null);
      if (this.abandonedFor !== null) this.ownSignal.abort(this.abandonedFor.reason, false);
    }
    return this.ownSignal.signal;
  }

  get remainingMs(): number {
    return this.abandoned ? 0 : this.call.remainingMs();
  }

  get deadline(): number {
    return this.call.nearestDeadline();
  }

  get abandoned(): boolean {
    return this.abandonedFor !== null;
  }

  /** A getter, so that operations may take it out of the context. */
  get hold(): () => () => void {
    return () => this.keep();
  }

  private keep(): () => void {
    let held = true;
    this.holds++;
    return () => {
      if (!held) return;
      held = false;
      this.holds--;
      this.endIfOver();
    };
  }

  /** The operation has settled. */
  runEnded(): void {
    this.holds--;
  }

  /** True once the operation has settled and nothing holds its permit any more. */
  get over(): boolean {
    return this.holds === 0;
  }

  /** Calls back when the work is really over. Only for an attempt that is not over yet. */
  whenOver(hook: () => void): void {
    (this.endHooks ??= []).push(hook);
  }

  /** Nobody wants the result any more. `byTimer`: this is not the asynchronous context of the call. */
  abandon(reason: unknown, byTimer: boolean): void {
    this.abandonedFor = { reason };
    this.ownSignal?.abort(reason, byTimer);
  }

  endIfOver(): void {
    if (!this.over || this.endHooks === null) return;
    const hooks = this.endHooks;
    this.endHooks = null;
    for (const hook of hooks) hook();
  }
}
