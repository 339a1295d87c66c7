// Lets calls through at a pace: so many in a window, some of them at once, each key by itself. What is too early is refused
// with the time at which it will not be, or waits for it in order.
import type { Call } from "./call.ts";
import { type Clock, maxDelayMs, systemClock } from "./clock.ts";
import { checkFunction, checkInteger, checkName, checkNumber, checkOneOf, rejectOption } from "./options.ts";
import type { Policy } from "./policy.ts";
import type { RateLimitBackend } from "./rate-limit-backend.ts";
import { RateLimitPolicy } from "./rate-limit-policy.ts";
import type { RateQuota } from "./rate-quota.ts";

export interface RateLimitOptions {
  /** Stands in the error, in events and in metrics. @default "default" */
  readonly name?: string;
  /** What may go through in each window, in units of `weight`. Above 0. */
  readonly limit: number;
  /** Milliseconds. Above 0, at most 2^31 - 1. @default 1000 */
  readonly windowMs?: number;
  /** What may go through at once after a pause, and the heaviest call. Above 0. @default `limit` */
  readonly burst?: number;
  /** How the state is kept: one number per key, or two. Both decide alike. @default "gcra" */
  readonly algorithm?: "gcra" | "token-bucket";
  /** How long a call may wait for its turn, at most 2^31 - 1; 0 refuses it at once. Not with a backend. @default 0 */
  readonly maxWaitMs?: number;
  /** Calls that may wait for one key. An integer of at least 0. @default 1000 */
  readonly maxQueue?: number;
  /** What is limited by itself. @default the call's `key`, or "" without one */
  readonly key?: ((call: Call) => string) | undefined;
  /** Keys that are remembered. An integer of at least 1. @default 10000 */
  readonly maxKeys?: number;
  /** Decides instead of this process's memory. @default none */
  readonly backend?: RateLimitBackend | undefined;
  /** How long the backend may take to answer. Above 0. @default 50 */
  readonly backendTimeoutMs?: number;
  /** What happens to a call whose backend fails: it goes through, or it is refused. @default "open" */
  readonly onBackendFailure?: "open" | "closed";
  /** @default systemClock */
  readonly clock?: Clock;
}

/** What was decided, for code that acts on it itself. A backend may leave numbers out. */
export interface RateLimitResult {
  readonly allowed: boolean;
  /** The backend failed, and `onBackendFailure` has decided. */
  readonly degraded: boolean;
  readonly limit: number;
  /** What would go through at once now. */
  readonly remaining: number | undefined;
  /** How long until this cost goes through; 0 when it was allowed. */
  readonly retryAfterMs: number | undefined;
  /** How long until the whole burst is there again. */
  readonly resetMs: number | undefined;
}

export type RateLimit = Policy &
  RateQuota & {
    readonly kind: "rate-limit";
    readonly name: string;
    /** Calls and acquisitions that went through. */
    readonly admitted: number;
    readonly rejected: number;
    /** Calls that wait. */
    readonly queued: number;
    /** Keys that are remembered. */
    readonly keys: number;
    /** Keys that were forgotten before they had their whole burst again: they begin anew when they come back. */
    readonly forgotten: number;
    /** Questions that the backend did not answer. */
    readonly backendFailures: number;
    /** What of `admitted` went through because the backend did not answer. */
    readonly degraded: number;
    /**
     * Takes `cost` without a pipeline, and never waits for a turn. With a backend the result is a promise, which never
     * rejects.
     *
     * @param key @default ""
     * @param cost above 0 and at most the burst. @default 1
     * @throws {InvalidOptionError} for a cost out of bounds.
     */
    tryAcquire(key?: string, cost?: number): RateLimitResult | Promise<RateLimitResult>;
  };

/**
 * Lets `limit` in every `windowMs` through, `burst` of it at once after a pause, and counts each call's `weight` for its
 * `key`. A call that comes too early is refused with a `RateLimitError` that says when it would not be, or waits for its
 * turn where `maxWaitMs` allows it, first come first served.
 *
 * @throws {InvalidOptionError} for options out of bounds.
 */
export function rateLimit(options: RateLimitOptions): RateLimit {
  const {
    name = "default",
    limit,
    windowMs = 1000,
    burst = limit,
    algorithm = "gcra",
    maxWaitMs = 0,
    maxQueue = 1000,
    key,
    maxKeys = 10_000,
    backend,
    backendTimeoutMs = 50,
    onBackendFailure = "open",
    clock = systemClock,
  } = options;
  checkName("rateLimit.name", name);
  checkNumber("rateLimit.limit", limit, 0, Number.MAX_SAFE_INTEGER, true);
  checkNumber("rateLimit.windowMs", windowMs, 0, maxDelayMs, true);
  checkNumber("rateLimit.burst", burst, 0, Number.MAX_SAFE_INTEGER, true);
  checkOneOf("rateLimit.algorithm", algorithm, ["gcra", "token-bucket"]);
  checkNumber("rateLimit.maxWaitMs", maxWaitMs, 0, maxDelayMs);
  checkInteger("rateLimit.maxQueue", maxQueue, 0);
  if (key !== undefined) checkFunction("rateLimit.key", key);
  checkInteger("rateLimit.maxKeys", maxKeys, 1);
  if (backend !== undefined && typeof backend?.take !== "function")
    rejectOption("rateLimit.backend", "an object with a function `take`", backend);
  if (backend !== undefined && maxWaitMs > 0)
    rejectOption("rateLimit.maxWaitMs", "0 with a backend, which keeps no queue", maxWaitMs);
  checkNumber("rateLimit.backendTimeoutMs", backendTimeoutMs, 0, maxDelayMs, true);
  checkOneOf("rateLimit.onBackendFailure", onBackendFailure, ["open", "closed"]);
  return new RateLimitPolicy({
    name,
    limit,
    windowMs,
    burst,
    algorithm,
    maxWaitMs,
    maxQueue,
    key,
    maxKeys,
    backend,
    backendTimeoutMs,
    onBackendFailure,
    clock,
  });
}
