// What the end of a call says to a breaker about the dependency.
import type { Call } from "./call.ts";
import { isHeadgateError } from "./errors.ts";
import type { TripResult } from "./trip.ts";

/**
 * An answer of overload is told from a dependency that does not answer: it was returned, or the error that was thrown says
 * how long to wait. Our own timeout and a refused connection are no answers.
 */
export function resultOf(call: Call): TripResult {
  if (call.outcome !== "dropped" || isHeadgateError(call.result)) return "failure";
  return !call.threw || hintOf(call) !== undefined ? "overload" : "failure";
}

/** How long the dependency asks to be left alone; undefined when it does not, or when the caller's function fails. */
export function hintOf(call: Call): number | undefined {
  try {
    return call.retryAfterMs();
  } catch {
    return undefined;
  }
}
