// The contract between the engine and a policy. A policy is two synchronous steps, one on the way down to the
// operation and one on the way back up; users write their own against the same contract as ours.
import type { Call } from "./call.ts";

/**
 * How one trip of a call ended, as policies see it.
 *
 * - `success`: the operation returned and `isFailure`, if given, does not call it a failure.
 * - `failure`: it threw, or returned what `isFailure` recognises.
 * - `dropped`: overload. Our own timeout, or what `isOverload` recognises (429, 503, connection refused).
 * - `ignored`: says nothing about the dependency. The caller left, or one of our own policies refused.
 */
export type Outcome = "success" | "failure" | "dropped" | "ignored";

/**
 * What a policy answers on the way down: `pass` lets the call through, `park` keeps it until
 * `call.resume(at)` or `call.finish(at)`, `end` sends it back up with what `call.conclude(…)` has set.
 */
export type EnterStep = "pass" | "park" | "end";

/**
 * What a policy answers on the way up: `pass` hands the outcome on (change it first with `call.conclude(…)`
 * to replace it), `again` sends the call down once more, `park` keeps it until `call.again(at)`
 * or `call.finish(at)`.
 */
export type LeaveStep = "pass" | "park" | "again";

/**
 * Why a call was not sent again: every attempt was used, the deadline was too near, the budget refused, or the dependency asked
 * for it.
 */
export type GaveUp = "attempts" | "deadline" | "budget" | "push-back";

/** Two policies of which one can never act, or works against the other, when they stand like this. */
export interface OrderRule {
  /** Kinds of the one that stands further out. */
  readonly outer: readonly string[];
  /** Kinds of the one that stands further in. */
  readonly inner: readonly string[];
  /**
   * Whether the pair is wrong; `between` are the policies from the outer to the inner one, without these.
   * @default always
   */
  readonly applies?: (outer: Policy, inner: Policy, between: readonly Policy[]) => boolean;
  /** What is wrong with it, and what to do, for the message: `"the attempts of two retries multiply"`, `"keep one of them"`. */
  readonly why: string;
  readonly fix: string;
}

export interface Policy {
  /** The feature's name, kebab-case: `"circuit-breaker"`. Errors, events and metrics carry it. */
  readonly kind: string;
  /** True for a policy that sends a call down more than once (retry, hedge): what is inside it is an attempt. */
  readonly repeats?: boolean;
  /**
   * True for a policy that runs other code of the caller's on the way up (fallback). A timeout inside such a policy, or
   * one that repeats, wakes the call in its own asynchronous context.
   */
  readonly reruns?: boolean;
  /** The orders that this policy has no place in. A pipeline with one of them is refused when it is made. */
  readonly orderRules?: readonly OrderRule[];
  /** What the policy does and with which settings, in a few words for people: `"2000 ms"`. The kind stands before it. */
  readonly describe?: () => string;
  /**
   * True for a policy that may end a call from outside, with `call.cut`: the operation's signal is then its own, and the
   * caller is answered at once. Without it a cut is answered when the operation has ended.
   */
  readonly cuts?: boolean;
  /** True for a policy that has nothing to do when a `success` comes up: `leave` is not asked then. */
  readonly failuresOnly?: boolean;
  /**
   * True while something would be lost if the policy were forgotten and made anew: permits that are held, a circuit that is
   * open, a limit that is used up. A registry keeps such a policy.
   */
  readonly busy?: boolean;
  /**
   * On the way down; a policy without it lets every call through. `at` is the policy's place in this pipeline;
   * `call.keep(at, …)` and `call.recall(at)` are its memory for this call.
   */
  readonly enter?: (call: Call, at: number) => EnterStep;
  /**
   * On the way up: called exactly once for each time the policy let the call through. While `call.cutting` the call
   * is being ended from further out and the answer is not asked for. A policy without it is not told.
   */
  readonly leave?: (call: Call, at: number) => LeaveStep;
  /** The call that this policy has parked is being ended from further out: forget it, give back what it holds. */
  readonly interrupt?: (call: Call, at: number) => void;
  /** For `explain`: why a policy that repeats did not send a call again which has ended with an error. */
  readonly gaveUp?: (call: Call, at: number) => GaveUp | undefined;
}
