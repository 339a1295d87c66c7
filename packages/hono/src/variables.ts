// What the middleware of this package tells the handlers behind it.
import type { OperationContext } from "@headgate/core";
import type { Context } from "hono";

/** Context variables: `c.var.signal`, `c.get("deadline")`, … */
export interface ResilienceVariables {
  /**
   * Aborts when nobody waits for the answer any more: the client has left, a deadline has passed. Give it to everything that
   * the handler calls. It covers the time until the handler has answered; after that a body learns from its `cancel`.
   */
  signal: AbortSignal;
  /** When the time is up, on the middleware's clock (`performance.now()` by default); `Infinity` without a limit. */
  deadline: number;
  /** The request's priority, behind `loadShed()`: limits behind it serve by it. */
  priority: number;
  /** The same and more of the innermost middleware: `remainingMs`, `hold()`. */
  resilience: OperationContext;
}

export interface ResilienceEnv {
  Variables: ResilienceVariables;
}

/** Who else may end this request: a middleware further out, or else the client. */
export function callerSignal(c: Context<ResilienceEnv>): AbortSignal | undefined {
  return (c.get("signal") as AbortSignal | undefined) ?? c.req.raw.signal;
}

/** The deadline that a middleware further out has set. */
export function callerDeadline(c: Context<ResilienceEnv>): number {
  return (c.get("deadline") as number | undefined) ?? Number.POSITIVE_INFINITY;
}

/** The priority that `loadShed()` has found. */
export function callerPriority(c: Context<ResilienceEnv>): number | undefined {
  return c.get("priority") as number | undefined;
}
