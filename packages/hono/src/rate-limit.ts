// A pace per client, and the fields that tell clients about it (draft-ietf-httpapi-ratelimit-headers-11).
import {
  type RateLimit,
  RateLimitError,
  rateLimit as rateLimitPolicy,
  type RateLimitOptions as PolicyOptions,
  type RateLimitResult,
} from "@headgate/core";
import type { Context, MiddlewareHandler } from "hono";
import { refuse, type RespondOptions } from "./answer.ts";
import { wholeSeconds } from "./whole-seconds.ts";
import { checkFunction, rejectOption } from "@headgate/core/options";

export interface RateLimitOptions extends RespondOptions {
  /** The limit, or the options to make one of. Its name stands in the fields. It does not wait: `maxWaitMs` is of no use. */
  readonly limit: RateLimit | Omit<PolicyOptions, "key" | "maxWaitMs" | "maxQueue">;
  /** Who is limited: a user's id, an API key, an address that a proxy of yours vouches for. */
  readonly key: (c: Context) => string;
  /** How much a request counts. Above 0, at most the limit's burst. @default 1 */
  readonly cost?: (c: Context) => number;
  /** Whether responses carry `RateLimit` and `RateLimit-Policy`. @default true */
  readonly fields?: boolean;
}

/**
 * Lets each key have so many requests in a window. What is too much is answered with 429 and `Retry-After`; every response
 * says in `RateLimit` how much is left. Several of them one inside the other add to the same fields.
 *
 * @param options the limit of `@headgate/core`, or its options, and whose it is.
 * @returns The middleware handler function.
 * @throws {InvalidOptionError} for options out of bounds.
 *
 * @example
 * ```ts
 * app.use(rateLimit({ limit: { limit: 100, windowMs: 60_000 }, key: (c) => c.req.header("x-api-key") ?? "anonymous" }))
 * ```
 */
export function rateLimit(options: RateLimitOptions): MiddlewareHandler {
  const { limit, key, cost = () => 1, fields = true, respond } = options;
  const policy = "kind" in limit ? limit : rateLimitPolicy(limit);
  checkFunction("rateLimit.key", key);
  checkFunction("rateLimit.cost", cost);
  if (respond !== undefined) checkFunction("rateLimit.respond", respond);
  const item = fieldItem(policy.name);
  const policyField = `${item};${quotaOf(policy)}`;
  return async function rateLimit(c, next) {
    const weight = cost(c);
    const asked = policy.tryAcquire(key(c), weight);
    const result = "then" in asked ? await asked : asked;
    if (result.allowed) await next();
    else await refuse(c, refusalOf(policy, result, weight), { respond });
    if (!fields) return;
    addField(c, "RateLimit-Policy", policyField);
    const state = stateOf(result);
    if (state !== "") addField(c, "RateLimit", `${item};${state}`);
  };
}

function refusalOf({ name }: RateLimit, { degraded, retryAfterMs }: RateLimitResult, weight: number): RateLimitError {
  return new RateLimitError(name, degraded ? "backend" : "limit", retryAfterMs, weight);
}

/** The quota in whole seconds, the only unit that the field has. */
function quotaOf({ limit, windowMs }: RateLimit): string {
  const seconds = Math.ceil(windowMs / 1000);
  return `q=${Math.floor((limit * seconds * 1000) / windowMs)};w=${seconds}`;
}

/** What is left and for how long. `t` of a refusal is that of `Retry-After`. */
function stateOf({ allowed, remaining, resetMs, retryAfterMs }: RateLimitResult): string {
  const left = allowed ? remaining : 0;
  if (left === undefined) return "";
  const ms = allowed ? resetMs : retryAfterMs;
  return ms === undefined ? `r=${left}` : `r=${left};t=${Math.max(allowed ? 0 : 1, wholeSeconds(ms))}`;
}

/** A name as a string of structured fields (RFC 9651), which are ASCII. */
function fieldItem(name: string): string {
  if (!/^[\x20-\x7e]+$/.test(name)) rejectOption("rateLimit.limit name", "of printable ASCII characters", name);
  return `"${name.replaceAll(/[\\"]/g, "\\$&")}"`;
}

function addField(c: Context, name: string, value: string): void {
  try {
    c.res.headers.append(name, value);
  } catch {
    // The headers of a response from `fetch` cannot be changed; Hono makes a copy that can.
    c.header(name, value, { append: true });
  }
}
