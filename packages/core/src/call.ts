// The engine. One Call per execution goes down through the policies, runs the operation and comes back up through
// them with its outcome. Control flow stands in `descend` and `ascend`; a policy only answers what is to happen next.
import { type HeadgateError, isHeadgateError, isRefusal } from "./errors.ts";
import type { Timer } from "./host-timers.ts";
import type { HeadgateEvent } from "./observer.ts";
import type { Pipeline } from "./pipeline.ts";
import type { Outcome, Policy } from "./policy.ts";
import type { Link } from "./signal-link.ts";
import { timersAreShared } from "#timers";

/** What an operation is given: one object per attempt. */
export interface OperationContext {
  /** Aborts when this attempt is no longer wanted; its reason tells why. Made when first read. */
  readonly signal: AbortSignal;
  /** Which attempt this is: 1 for the first. */
  readonly attempt: number;
  /** What remains until the nearest deadline in milliseconds; `Infinity` without one, never below 0. */
  readonly remainingMs: number;
  /**
   * Keeps the permit of this attempt after the operation has returned, until the function that it returns is called:
   * for a response whose body is still streaming. Calling that function again does nothing.
   */
  hold(): () => void;
}

export type Operation<T> = (context: OperationContext) => T | PromiseLike<T>;

export interface ExecuteOptions<T> {
  /** The caller's signal: its abort ends the call at once with the signal's reason, unchanged. */
  readonly signal?: AbortSignal | undefined;
  /** True for a returned value that is a failure all the same: a 5xx response, say. It is returned as it is. */
  readonly isFailure?: (value: T) => boolean;
  /** True for a returned value or a thrown error that means overload: 429 or 503, connection refused. */
  readonly isOverload?: (result: unknown) => boolean;
  /** Gives up a value that nobody will receive: that of an abandoned attempt, or one that is tried again. */
  readonly discard?: (value: T) => unknown;
}

/** The signal of one attempt. */
class OwnSignal {
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

/** One run of the operation. It outlives the call when the call ends first: then it is abandoned work. */
export class Attempt implements OperationContext {
  readonly call: Call;
  readonly attempt: number;
  running = true;
  private abandonedFor: { readonly reason: unknown } | null = null;
  private ownSignal: OwnSignal | null = null;
  private holds = 0;
  private endHooks: (() => void)[] | null = null;

  constructor(call: Call, attempt: number) {
    this.call = call;
    this.attempt = attempt;
  }

  get signal(): AbortSignal {
    const parent = this.call.options.signal;
    if (this.ownSignal === null) {
      if (parent && !this.call.pipeline.cuts) return parent;
      this.ownSignal = new OwnSignal(timersAreShared && this.call.timer !== null);
      if (this.abandonedFor !== null) this.ownSignal.abort(this.abandonedFor.reason, false);
    }
    return this.ownSignal.signal;
  }

  get remainingMs(): number {
    return this.abandoned ? 0 : this.call.remainingMs();
  }

  get abandoned(): boolean {
    return this.abandonedFor !== null;
  }

  hold(): () => void {
    let held = true;
    this.holds++;
    return () => {
      if (!held) return;
      held = false;
      this.holds--;
      this.endIfOver();
    };
  }

  /** True once the operation has settled and nothing holds its permit any more. */
  get over(): boolean {
    return !this.running && this.holds === 0;
  }

  /** Calls back when the work is really over. Only for an attempt that is not over yet. */
  whenOver(hook: () => void): void {
    (this.endHooks ??= []).push(hook);
  }

  abandon(reason: unknown, byTimer: boolean): void {
    this.abandonedFor = { reason };
    this.ownSignal?.abort(reason, byTimer);
  }

  settled(threw: boolean, value: unknown): void {
    const { call } = this;
    this.running = false;
    if (this.abandonedFor !== null) {
      if (!threw) call.discard(value);
      this.endIfOver();
      return;
    }
    call.judge(threw, value);
    goUp(call, call.pipeline.policies.length - 1);
  }

  private endIfOver(): void {
    if (!this.over || this.endHooks === null) return;
    const hooks = this.endHooks;
    this.endHooks = null;
    for (const hook of hooks) hook();
  }
}

export class Call {
  readonly pipeline: Pipeline;
  readonly operation: Operation<unknown>;
  readonly options: ExecuteOptions<unknown>;
  /** How often the call was sent down to the operation, this time included. */
  attempt = 1;
  /** The attempt that is running or ran last on this trip; null when the operation was not reached. */
  work: Attempt | null = null;
  /** The innermost timeout that is armed. */
  timer: Timer | null = null;

  outcome: Outcome = "success";
  /** Whether `result` is an error to throw or a value to return. */
  threw = false;
  result: unknown = undefined;

  /** The call is being ended by a policy further out, or by its caller: a policy is told, not asked. */
  cutting = false;
  phase: "moving" | "resting" | "done" = "moving";
  /** While resting: the policy that has parked the call, or one past the last when its operation is running. */
  at = 0;
  pendingCut: { at: number; outcome: Outcome; error: unknown } | null = null;
  startedMs = 0;

  // What policies remember of this call. Most calls need one place: that of the breaker.
  private keptAt = -1;
  private kept: unknown = undefined;
  private keptMore: unknown[] | null = null;

  link: Link | null = null;
  resolve: ((value: unknown) => void) | null = null;
  reject: ((error: unknown) => void) | null = null;

  constructor(pipeline: Pipeline, operation: Operation<unknown>, options: ExecuteOptions<unknown>) {
    this.pipeline = pipeline;
    this.operation = operation;
    this.options = options;
  }

  /** Remembers something for the policy at `at`, until the call has passed it or is sent down again from further out. */
  keep(at: number, value: unknown): void {
    if (this.keptAt === -1) this.keptAt = at;
    if (this.keptAt === at) this.kept = value;
    else (this.keptMore ??= [])[at] = value;
  }

  /** What the policy at `at` has remembered; undefined without anything. */
  recall(at: number): unknown {
    return this.keptAt === at ? this.kept : this.keptMore?.[at];
  }

  /** Sets what the call carries up from here. */
  conclude(outcome: Outcome, threw: boolean, result: unknown): void {
    this.outcome = outcome;
    this.threw = threw;
    this.result = result;
  }

  /** A policy refuses the call with its own error. Returns the step that `enter` answers with. */
  refuse(error: HeadgateError): "end" {
    error.pipeline = this.pipeline.name;
    this.conclude("ignored", true, error);
    return "end";
  }

  /** Milliseconds until the nearest deadline; `Infinity` without one, never below 0. */
  remainingMs(): number {
    let dueMs = Number.POSITIVE_INFINITY;
    for (let timer = this.timer; timer !== null; timer = timer.outer) dueMs = Math.min(dueMs, timer.dueMs);
    return dueMs === Number.POSITIVE_INFINITY ? dueMs : Math.max(0, dueMs - this.pipeline.clock.now());
  }

  /** Lets go of a call that the policy at `at` has parked on the way down: on from below it. */
  resume(at: number): void {
    if (!this.parkedBy(at)) return;
    goDown(this, at + 1);
  }

  /** Sends a call that the policy at `at` has parked on the way up down again from below it. */
  again(at: number): void {
    if (!this.parkedBy(at)) return;
    this.nextAttempt(at);
    this.resume(at);
  }

  private parkedBy(at: number): boolean {
    return this.phase === "resting" && this.at === at;
  }

  /** The policy at `at` sends the call down again: what those inside it remember is of the trip before. */
  nextAttempt(at: number): void {
    this.attempt++;
    this.work = null;
    if (this.keptAt > at) this.keptAt = -1;
    if (this.keptMore !== null && this.keptMore.length > at + 1) this.keptMore.length = at + 1;
  }

  /** Ends a parked call with what `conclude` or `refuse` has set: up from above the policy at `at`. */
  finish(at: number): void {
    if (!this.parkedBy(at)) return;
    goUp(this, at - 1);
  }

  /**
   * Ends everything inside the policy at `at` (its own step included) with this error, at once: a parked call is
   * taken from where it is parked, a running operation is abandoned. -1 is the caller itself.
   */
  cut(at: number, outcome: Outcome, error: unknown): void {
    if (this.phase === "done") return;
    if (this.phase === "moving") {
      // Asked for from within a step (an observer, the operation's first part): done when the step is.
      if (this.pendingCut === null || at < this.pendingCut.at) this.pendingCut = { at, outcome, error };
      return;
    }
    const { policies } = this.pipeline;
    const restedAt = this.at;
    // The call has already come up past this policy.
    if (at >= restedAt) return;
    this.phase = "moving";
    this.cutting = true;
    this.conclude(outcome, true, error);
    if (restedAt < policies.length) policies[restedAt]?.interrupt?.(this, restedAt);
    else if (this.work !== null) {
      this.work.abandon(error, at >= 0);
      this.emit?.({ type: "operation.abandoned", pipeline: this.pipeline.name, attempt: this.work.attempt });
    }
    for (let i = restedAt - 1; i >= at && i >= 0; i--) tell(policies[i] as Policy, this, i);
    this.cutting = false;
    if (at < 0) settle(this);
    else goUp(this, at - 1);
  }

  /** Tells the pipeline's observer; undefined without one, so that no event is made for nobody. */
  get emit(): ((event: HeadgateEvent) => void) | undefined {
    return this.pipeline.emit;
  }

  discard(value: unknown): void {
    try {
      const given = this.options.discard?.(value);
      if (given instanceof Promise) given.catch(() => {});
    } catch {
      // The value was nobody's; so is the failure to give it up.
    }
  }

  /** Decides the outcome of what the operation returned or threw. */
  judge(threw: boolean, result: unknown): void {
    const { isFailure, isOverload } = this.options;
    this.threw = threw;
    this.result = result;
    if (!threw && isFailure === undefined && isOverload === undefined) {
      this.outcome = "success";
      return;
    }
    try {
      if (threw) this.outcome = judgeError(result, isOverload);
      else if (isOverload?.(result)) this.outcome = "dropped";
      else this.outcome = isFailure?.(result) ? "failure" : "success";
    } catch (error) {
      this.conclude("failure", true, error);
    }
  }
}

function tell(policy: Policy, call: Call, at: number): void {
  try {
    policy.leave(call, at);
  } catch {
    // The call is ending with its own reason; the policies further out must be told all the same.
  }
}

function judgeError(error: unknown, isOverload: ((result: unknown) => boolean) | undefined): Outcome {
  if (isRefusal(error)) return "ignored";
  if (isHeadgateError(error) && error.code === "ERR_TIMEOUT") return "dropped";
  return isOverload?.(error) ? "dropped" : "failure";
}

/** Where a call goes next when a walk over the policies ends: it turns round at `call.at`, waits, or has arrived. */
type Turn = "down" | "up" | "rest" | "settle";

/** Sends the call down from the policy at `at`, and on until it waits for something or is settled. */
export function goDown(call: Call, at: number): void {
  call.phase = "moving";
  let turn: Turn;
  try {
    turn = descend(call, at);
  } catch (error) {
    turn = stumble(call, error);
  }
  if (turn === "rest") rest(call);
  else goOn(call, turn);
}

/** Sends the call up from the policy at `at`, and on until it waits for something or is settled. */
export function goUp(call: Call, at: number): void {
  call.phase = "moving";
  let turn: Turn;
  try {
    turn = ascend(call, at);
  } catch (error) {
    turn = stumble(call, error);
  }
  if (turn === "settle") settle(call);
  else goOn(call, turn);
}

/** A loop, so that an operation which fails at once a thousand times does not nest a thousand deep. */
function goOn(call: Call, turn: Turn): void {
  while (turn === "up" || turn === "down") {
    try {
      turn = turn === "up" ? ascend(call, call.at) : descend(call, call.at);
    } catch (error) {
      turn = stumble(call, error);
    }
  }
  if (turn === "rest") rest(call);
  else settle(call);
}

/** A step of the policy at `call.at` threw: the call goes on up from there with that error. */
function stumble(call: Call, error: unknown): Turn {
  call.conclude("failure", true, error);
  call.at--;
  return "up";
}

function descend(call: Call, at: number): Turn {
  const { policies, entered } = call.pipeline;
  const depth = policies.length;
  for (at = entered[at] as number; at < depth; at = entered[at + 1] as number) {
    call.at = at;
    const step = (policies[at] as Required<Policy>).enter(call, at);
    if (step === "pass") continue;
    if (step === "park") return "rest";
    call.at = at - 1;
    return "up";
  }
  call.at = depth;
  if (!start(call)) return "rest";
  call.at = depth - 1;
  return "up";
}

function ascend(call: Call, at: number): Turn {
  const { policies, leftOnSuccess } = call.pipeline;
  for (;;) {
    if (call.outcome === "success") at = leftOnSuccess[at + 1] as number;
    if (at < 0) return "settle";
    call.at = at;
    const step = (policies[at] as Policy).leave(call, at);
    if (step === "pass") at--;
    else if (step === "park") return "rest";
    else {
      call.nextAttempt(at);
      call.at = at + 1;
      return "down";
    }
  }
}

/** Runs the operation. True when it has settled already. */
function start(call: Call): boolean {
  const work = new Attempt(call, call.attempt);
  call.work = work;
  let returned: unknown;
  try {
    returned = call.operation(work);
  } catch (error) {
    work.running = false;
    call.judge(true, error);
    return true;
  }
  if (
    typeof returned === "object" &&
    returned !== null &&
    typeof (returned as PromiseLike<unknown>).then === "function"
  ) {
    settleWith(work, returned instanceof Promise ? returned : Promise.resolve(returned));
    return false;
  }
  work.running = false;
  call.judge(false, returned);
  return true;
}

// Apart, so that only calls that get here allocate the closures' context.
function settleWith(work: Attempt, promise: Promise<unknown>): void {
  promise.then(
    (value) => work.settled(false, value),
    (error) => work.settled(true, error),
  );
}

/** The call waits: parked by the policy at `call.at`, or for its operation. */
function rest(call: Call): void {
  call.phase = "resting";
  const cut = call.pendingCut;
  if (cut === null) return;
  call.pendingCut = null;
  call.cut(cut.at, cut.outcome, cut.error);
}

export function settle(call: Call): void {
  call.phase = "done";
  call.link?.remove();
  if (call.pipeline.emit !== undefined) call.pipeline.report(call);
  if (call.resolve === null) return;
  if (call.threw) call.reject?.(call.result);
  else call.resolve(call.result);
}
