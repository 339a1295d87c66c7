// The control flow: a call goes down through the policies, runs the operation and comes back up through them with its
// outcome. It stands in `descend` and `ascend`; a policy only answers what is to happen next.
import { Attempt } from "./attempt.ts";
import type { Call } from "./call.ts";
import { dueCut, unwind } from "./call-cut.ts";
import { isRefusal, isTimeout } from "./errors.ts";
import { account } from "./explain.ts";
import type { Outcome, Policy } from "./policy.ts";
import { isThenable, made, newPromise } from "./promise-parts.ts";

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

// The kinds that most programs have are called from a place of their own: it finds few classes, whose steps are inlined
// there. The other place may find any number of classes, and is told the function instead: looking it up would cost more.

function descend(call: Call, at: number): Turn {
  const { policies, usual, enters, entered } = call.pipeline.route;
  const depth = policies.length;
  for (at = entered[at] as number; at < depth; at = entered[at + 1] as number) {
    call.at = at;
    const step = usual[at]
      ? (policies[at] as Required<Policy>).enter(call, at)
      : (enters[at] as Required<Policy>["enter"]).call(policies[at] as Policy, call, at);
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
  const { policies, usual, leaves, left, leftOnSuccess } = call.pipeline.route;
  for (;;) {
    at = (call.outcome === "success" ? leftOnSuccess : left)[at + 1] as number;
    if (at < 0) return "settle";
    call.at = at;
    const step = usual[at]
      ? (policies[at] as Required<Policy>).leave(call, at)
      : (leaves[at] as Required<Policy>["leave"]).call(policies[at] as Policy, call, at);
    if (step === "pass") at--;
    else if (step === "park") return "rest";
    else return again(call, at);
  }
}

/** The policy at `at` sends the call down again, unless somebody has ended it meanwhile: an observer, the operation itself. */
function again(call: Call, at: number): Turn {
  const cut = dueCut(call);
  call.nextAttempt(at);
  call.at = at + 1;
  if (cut === null) return "down";
  call.pendingCut = null;
  call.conclude(cut.outcome, true, cut.error);
  unwind(call, at, cut.at);
  call.at = cut.at - 1;
  return cut.at < 0 ? "settle" : "up";
}

/** Runs the operation. True when it has settled already. */
function start(call: Call): boolean {
  const work = new Attempt(call, call.attempt);
  call.work = work;
  let promise: Promise<unknown>;
  try {
    const returned = call.operation(work);
    if (!isThenable(returned)) {
      work.runEnded();
      judgeWork(work, false, returned);
      return true;
    }
    promise = returned instanceof Promise ? returned : Promise.resolve(returned);
  } catch (error) {
    work.runEnded();
    judgeWork(work, true, error);
    return true;
  }
  call.parked = settleWith(work, promise);
  return false;
}

// Apart, so that only calls that get here allocate the closures' context.
function settleWith(work: Attempt, promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    (value) => workSettled(work, false, value),
    (error) => workSettled(work, true, error),
  );
}

function workSettled(work: Attempt, threw: boolean, value: unknown): unknown {
  const { call } = work;
  work.runEnded();
  if (work.abandoned) {
    if (!threw) call.discard(value);
    work.endIfOver();
  } else {
    judgeWork(work, threw, value);
    goUp(call, call.pipeline.policies.length - 1);
  }
  return call.resolve === follow ? whatFollows(call) : undefined;
}

/** In the place of `resolve` and `reject`: the caller was given the promise of the operation's reaction itself. */
export function follow(): void {}

/** What that promise is settled with: the end of the call, or another promise when the call goes on. */
function whatFollows(call: Call): unknown {
  if (call.phase !== "done") {
    const promise = newPromise();
    call.resolve = made.resolve;
    if (call.reject !== null) call.reject = made.reject;
    return promise;
  }
  if (call.reject === null) return toResult(call);
  if (call.threw) throw call.result;
  return call.result;
}

/** An attempt that is still wanted has ended. */
function judgeWork(work: Attempt, threw: boolean, value: unknown): void {
  const { call } = work;
  judge(call, threw, value);
  if (call.pipeline.tracer !== undefined) call.pipeline.attemptEnded(work);
}

/** Decides the outcome of what the operation returned or threw, and sets it. */
export function judge(call: Call, threw: boolean, result: unknown): void {
  const { options, pipeline } = call;
  const isFailure = options.isFailure ?? pipeline.judgement.isFailure;
  const isOverload = options.isOverload ?? pipeline.judgement.isOverload;
  const isIgnored = options.isIgnored ?? pipeline.judgement.isIgnored;
  if (!threw && isFailure === undefined && isOverload === undefined && isIgnored === undefined) {
    call.conclude("success", false, result);
    return;
  }
  try {
    let outcome: Outcome;
    if (isIgnored?.(result) || (threw && isRefusal(result))) outcome = "ignored";
    else if (isOverload?.(result) || (threw && isTimeout(result))) outcome = "dropped";
    else outcome = threw || isFailure?.(result) ? "failure" : "success";
    call.conclude(outcome, threw, result);
  } catch (error) {
    call.conclude("failure", true, error);
  }
}

/** The call waits: parked by the policy at `call.at`, or for its operation. */
function rest(call: Call): void {
  call.phase = "resting";
  call.justTimed = false;
  const cut = call.pendingCut;
  if (cut === null) return;
  call.pendingCut = null;
  call.cut(cut.at, cut.outcome, cut.error);
}

export function settle(call: Call): void {
  call.phase = "done";
  call.pipeline.inFlight--;
  call.link?.remove();
  call.deadlineTimer?.cancel();
  if (call.threw && !call.errorIsDue) account(call);
  if (call.pipeline.timed) call.pipeline.report(call);
  if (call.resolve === null) return;
  if (call.threw && call.reject !== null) call.reject(call.result);
  else call.resolve(call.reject === null ? toResult(call) : call.result);
}

/**
 * How a call ended, without throwing. `ok` is whether there is a value; `outcome` how it counted: a value that
 * `isFailure` recognises is `ok` with the outcome `failure`.
 */
export type OperationResult<T> =
  | { readonly ok: true; readonly value: T; readonly outcome: Outcome }
  | { readonly ok: false; readonly error: unknown; readonly outcome: Outcome };

/** A refusal whose error nobody may ever look at. */
class RefusedResult {
  readonly ok = false;
  readonly outcome = "ignored";
  readonly #call: Call;

  constructor(call: Call) {
    this.#call = call;
  }

  get error(): unknown {
    return this.#call.result;
  }
}

export function toResult(call: Call): OperationResult<unknown> {
  if (call.errorIsDue) return new RefusedResult(call);
  const { threw, result, outcome } = call;
  return threw ? { ok: false, error: result, outcome } : { ok: true, value: result, outcome };
}
