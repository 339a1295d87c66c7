// One execution of a pipeline: what it is to do, what it carries up, where it is, and the ways to move it on. The control
// flow stands in `engine.ts`.
import type { Attempt } from "./attempt.ts";
import { type Cut, leaveRest, unwind } from "./call-cut.ts";
import type { Clock, ClockTimer } from "./clock.ts";
import { goDown, goUp, judge, settle } from "./engine.ts";
import { type HeadgateError, withoutStack } from "./errors.ts";
import type { ExecuteOptions, Operation } from "./execute-options.ts";
import { account } from "./explain.ts";
import type { TimeoutTimer } from "./host-timers.ts";
import type { HeadgateEvent } from "./observer.ts";
import type { Pipeline } from "./pipeline.ts";
import type { Outcome } from "./policy.ts";
import type { Link } from "./signal-link.ts";
import type { Timeout } from "./timeout.ts";

/** One of our policies has refused a call. */
interface Refusal {
  /** Null once somebody has asked for the error. */
  makeError: (() => HeadgateError) | null;
  /** `Infinity` when the policy knows not. */
  readonly forMs: number;
}

/** Where a call is: on its way over the policies, being ended from further out, waiting for something, or settled. */
export type Phase = "moving" | "cutting" | "resting" | "done";

export class Call {
  readonly pipeline: Pipeline;
  readonly operation: Operation<unknown>;
  readonly options: ExecuteOptions<unknown>;
  /** How often the call was sent down to the operation, this time included. */
  attempt = 1;
  /** The attempt that is running or ran last on this trip; null when the operation was not reached. */
  work: Attempt | null = null;
  /** The innermost timeout that is armed. */
  timer: TimeoutTimer | null = null;
  /** Whether that, or the start, was since the call last waited: then the timer, or the start, knows what the clock says. */
  justTimed = false;

  outcome: Outcome = "success";
  /** Whether `result` is an error to throw or a value to return. */
  threw = false;
  private concluded: unknown = undefined;
  private refusal: Refusal | null = null;

  phase: Phase = "moving";
  /** While resting: the policy that has parked the call, or one past the last when its operation is running. */
  at = 0;
  pendingCut: Cut | null = null;
  /** Set where somebody wants to know how long the call takes. Not 0 at first: a field of floats costs every call 16 bytes. */
  startedMs: number | null = null;
  /** What earlier attempts ended with, oldest first, as far as a policy that sent the call down again has noted it. */
  history: unknown[] | null = null;
  /** While resting: what the policy that has parked the call needs to let go of it, or what the operation's promise leads to. */
  parked: unknown = null;
  /** The timer of the caller's own deadline. */
  deadlineTimer: ClockTimer | null = null;

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
    pipeline.inFlight++;
  }

  /** The call is being ended by a policy further out, or by its caller: a policy is told, not asked. */
  get cutting(): boolean {
    return this.phase === "cutting";
  }

  /** Whether something can end this call before its operation does: then an attempt's signal is its own. */
  get cuts(): boolean {
    return this.pipeline.cuts || this.options.deadline !== undefined;
  }

  /** Remembers something for the policy at `at`, until the call has passed it or is sent down again from further out. */
  keep(at: number, value: unknown): void {
    if (this.keptAt === -1) this.keptAt = at;
    if (this.keptAt === at) this.kept = value;
    else (this.keptMore ??= this.pipeline.nothingKept.slice())[at] = value;
  }

  /** What the policy at `at` has remembered; undefined without anything. */
  recall(at: number): unknown {
    return this.keptAt === at ? this.kept : this.keptMore?.[at];
  }

  /** What the call carries up: an error or a value. */
  get result(): unknown {
    if (this.refusal !== null && this.refusal.makeError !== null) this.makeError(this.refusal.makeError);
    return this.concluded;
  }

  /** Whether `result` is a refusal whose error nobody has asked for yet. */
  get errorIsDue(): boolean {
    return this.refusal !== null && this.refusal.makeError !== null;
  }

  /** How long the policy of this pipeline that has refused the call will go on refusing; null when none has. */
  get refusedForMs(): number | null {
    return this.refusal && this.refusal.forMs;
  }

  /** Takes over a refusal whose error is there already: after `conclude`. */
  set refusedForMs(forMs: number | null) {
    this.refusal = forMs === null ? null : { makeError: null, forMs };
  }

  // Apart, so that the getter stays small.
  private makeError(makeError: () => HeadgateError): void {
    (this.refusal as Refusal).makeError = null;
    const error = withoutStack(makeError);
    error.pipeline = this.pipeline.name;
    this.concluded = error;
    if (this.phase === "done") account(this);
  }

  /** Sets what the call carries up from here. */
  conclude(outcome: Outcome, threw: boolean, result: unknown): void {
    this.outcome = outcome;
    this.threw = threw;
    this.concluded = result;
    this.refusal = null;
  }

  /** Like `conclude`, for what caller's code has returned or thrown: decides the outcome as for the operation itself. */
  judge(threw: boolean, result: unknown): void {
    judge(this, threw, result);
  }

  /**
   * A policy refuses the call with its own error, which is made when somebody asks for it. Returns the step that `enter`
   * answers with. `retryAfterMs` is how long the policy will go on refusing, if it knows.
   */
  refuse(makeError: () => HeadgateError, retryAfterMs: number = Number.POSITIVE_INFINITY): "end" {
    this.conclude("ignored", true, undefined);
    this.refusal = { makeError, forMs: retryAfterMs };
    return "end";
  }

  /** The call begins, and somebody wants to know how long it takes. */
  start(nowMs: number): void {
    this.startedMs = nowMs;
    this.justTimed = true;
  }

  /** Milliseconds since the call began; 0 in a pipeline without meter, observer and tracer. */
  elapsedMs(): number {
    // Subtracted here and not handed out: a number that is passed on is an object.
    return this.startedMs === null ? 0 : this.pipeline.clock.now() - this.startedMs;
  }

  /** What this clock says, without reading it again for a call that has just done so. */
  readClock(clock: Clock): number {
    const { timer } = this;
    if (!this.justTimed || clock !== this.pipeline.clock) return clock.now();
    if (timer !== null) return timer.dueMs - (this.pipeline.policies[timer.at] as Timeout).timeoutMs;
    return this.startedMs ?? clock.now();
  }

  /** How a timeout of ours counts: as overload, unless `isIgnored` knows that it was not the dependency that took so long. */
  outcomeOfTimeout(error: HeadgateError): Outcome {
    const isIgnored = this.options.isIgnored ?? this.pipeline.judgement.isIgnored;
    try {
      return isIgnored?.(error) ? "ignored" : "dropped";
    } catch {
      return "dropped";
    }
  }

  /** The nearest deadline on the pipeline's clock; `Infinity` without one. */
  nearestDeadline(): number {
    let deadline = this.options.deadline ?? Number.POSITIVE_INFINITY;
    for (let timer = this.timer; timer !== null; timer = timer.outer) deadline = Math.min(deadline, timer.dueMs);
    return deadline;
  }

  /** Milliseconds until the nearest deadline; `Infinity` without one, never below 0. */
  remainingMs(): number {
    const deadline = this.nearestDeadline();
    return deadline === Number.POSITIVE_INFINITY ? deadline : Math.max(0, deadline - this.pipeline.clock.now());
  }

  /** Lets go of a call that the policy at `at` has parked on the way down: on from below it. */
  resume(at: number): void {
    if (this.parkedBy(at)) goDown(this, at + 1);
  }

  /** Sends a call that the policy at `at` has parked on the way up down again from below it. */
  again(at: number): void {
    if (!this.parkedBy(at)) return;
    this.nextAttempt(at);
    this.resume(at);
  }

  /** Ends a parked call with what `conclude`, `judge` or `refuse` has set: up from above the policy at `at`. */
  finish(at: number): void {
    if (this.parkedBy(at)) goUp(this, at - 1);
  }

  /** Whether the policy at `at` has parked the call and still holds it. */
  parkedBy(at: number): boolean {
    return this.phase === "resting" && this.at === at;
  }

  /** The policy at `at` sends the call down again: what those inside it remember is of the trip before. */
  nextAttempt(at: number): void {
    this.attempt++;
    this.work = null;
    this.justTimed = false;
    if (this.keptAt > at) this.keptAt = -1;
    const { keptMore } = this;
    if (keptMore !== null) for (let i = at + 1; i < keptMore.length; i++) keptMore[i] = undefined;
  }

  /**
   * Ends everything inside the policy at `at` (its own step included) with this error, at once: a parked call is
   * taken from where it is parked, a running operation is abandoned. -1 is the caller itself. `byTimer`: this is not the
   * asynchronous context of the call.
   */
  cut(at: number, outcome: Outcome, error: unknown, byTimer: boolean = at >= 0): void {
    if (this.phase === "done") return;
    if (this.phase !== "resting") {
      // Asked for from within a step (an observer, the operation's first part): done when the step is.
      if (this.pendingCut === null || at < this.pendingCut.at) this.pendingCut = { at, outcome, error };
      return;
    }
    // The call has already come up past this policy.
    if (at >= this.at) return;
    this.phase = "moving";
    this.conclude(outcome, true, error);
    leaveRest(this, error, byTimer);
    unwind(this, this.at - 1, at);
    if (at < 0) settle(this);
    else goUp(this, at - 1);
  }

  /** How long the dependency asks to be left alone after `result`, in milliseconds; undefined when it does not. */
  retryAfterMs(): number | undefined {
    const ms = this.wish();
    return typeof ms === "number" && ms >= 0 ? ms : undefined;
  }

  /** Whether the dependency asks that this call is not sent again: a negative wish, as in gRPC's `grpc-retry-pushback-ms`. */
  get pushedBack(): boolean {
    const ms = this.wish();
    return typeof ms === "number" && ms < 0;
  }

  private wish(): unknown {
    const { result } = this;
    const hint = this.options.retryAfterMs ?? this.pipeline.judgement.retryAfterMs;
    return hint ? hint(result) : (result as { retryAfterMs?: unknown } | null | undefined)?.retryAfterMs;
  }

  /** Tells the pipeline's observer; undefined without one, so that no event is made for nobody. */
  get emit(): ((event: HeadgateEvent) => void) | undefined {
    return this.pipeline.emit;
  }

  discard(value: unknown): void {
    try {
      const given = (this.options.discard ?? this.pipeline.judgement.discard)?.(value);
      if (given instanceof Promise) given.catch(() => {});
    } catch {
      // The value was nobody's; so is the failure to give it up.
    }
  }
}
