// What happened to a call, from the error that it ended with. The operation's own error is never wrapped or changed, so
// the account of it stands apart, and goes when the error does.
import type { Call } from "./call.ts";
import { HeadgateError, isHeadgateError } from "./errors.ts";
import type { GaveUp, Outcome } from "./policy.ts";

export interface Explanation {
  /** The pipeline that the call went through; the outermost, if several saw the same error. */
  readonly pipeline: string;
  /** Who decided that the call ended so: a policy by its kind, the caller, or the operation itself. */
  readonly decidedBy: "operation" | "caller" | (string & {});
  /** How the call counted. */
  readonly outcome: Outcome;
  /** How often the operation was sent for, the first time included. */
  readonly attempts: number;
  /** What the attempts before the last ended with, oldest first: errors, and values that counted as failures. */
  readonly earlier: readonly unknown[];
  /** Why the retry gave the call up: `"budget"`, say. Undefined without a retry, and for what is not retried anyway. */
  readonly gaveUp: GaveUp | undefined;
}

const accounts = new WeakMap<object, Explanation>();
const none: readonly unknown[] = [];

/** @internal Called by the engine when a call ends with an error. */
export function account(call: Call): void {
  const { result, pipeline, outcome, attempt, history, work } = call;
  if ((typeof result !== "object" && typeof result !== "function") || result === null) return;
  const explanation: Explanation = {
    pipeline: pipeline.name,
    decidedBy: decidedBy(call),
    outcome,
    attempts: work === null ? attempt - 1 : attempt,
    earlier: history ?? none,
    gaveUp: pipeline.policies[pipeline.firstRepeat]?.gaveUp?.(call, pipeline.firstRepeat),
  };
  // Our own errors have a place for it, which costs a tenth of an entry in the map.
  if (result instanceof HeadgateError) result.account = explanation;
  else accounts.set(result, explanation);
}

function decidedBy({ result, pipeline, options }: Call): string {
  if (options.signal?.aborted && result === options.signal.reason) return "caller";
  if (!isHeadgateError(result) || result.pipeline !== pipeline.name) return "operation";
  return result.policy ?? "operation";
}

/**
 * Tells which pipeline a call went through that ended with this error, who decided, and after how many attempts.
 *
 * @returns undefined for what no pipeline of this copy of the package has thrown, and for thrown values that are no objects.
 */
export function explain(error: unknown): Explanation | undefined {
  if (error instanceof HeadgateError) return error.account as Explanation | undefined;
  return accounts.get(error as object);
}
