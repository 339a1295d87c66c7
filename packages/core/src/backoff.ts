// How long to wait before an attempt. Full jitter by default, at the cap too: without it the callers of a service that
// came back return together. Source: M. Brooker, "Exponential Backoff And Jitter" (AWS Architecture Blog).
import { checkNumber, rejectOption } from "./options.ts";
import type { Random } from "./random.ts";
import { maxDelayMs } from "./clock.ts";

/** The delay in milliseconds before a retry. `retry` is 1 before the first; 0 is at once, without a timer. */
export type Backoff = (retry: number, random: Random) => number;

export interface ExponentialBackoffOptions {
  /** The delay before the first retry, before jitter. At least 0. @default 100 */
  readonly initialMs?: number;
  /** No delay is longer, jitter included. At least `initialMs`. @default 10000 */
  readonly maxMs?: number;
  /** Each delay is this many times the one before. At least 1. @default 2 */
  readonly factor?: number;
  /** `full` draws evenly from 0 to the delay, `none` takes the delay itself. @default "full" */
  readonly jitter?: "full" | "none";
}

/** `min(maxMs, initialMs × factor^(retry - 1))`, with jitter. */
export function exponentialBackoff(options: ExponentialBackoffOptions = {}): Backoff {
  const { initialMs = 100, maxMs = 10_000, factor = 2, jitter = "full" } = options;
  checkNumber("exponentialBackoff.initialMs", initialMs, 0, maxDelayMs);
  checkNumber("exponentialBackoff.maxMs", maxMs, initialMs, maxDelayMs);
  checkNumber("exponentialBackoff.factor", factor, 1, 1000);
  if (jitter !== "full" && jitter !== "none") rejectOption("exponentialBackoff.jitter", '"full" or "none"', jitter);
  return (retry, random) => {
    const delayMs = Math.min(maxMs, initialMs * factor ** (retry - 1));
    return jitter === "full" ? delayMs * random.next() : delayMs;
  };
}

export interface ConstantBackoffOptions {
  /** The delay before every retry. 0 is at once, without a timer. */
  readonly delayMs: number;
}

export function constantBackoff(options: ConstantBackoffOptions): Backoff {
  const { delayMs } = options;
  checkNumber("constantBackoff.delayMs", delayMs, 0, maxDelayMs);
  return () => delayMs;
}
