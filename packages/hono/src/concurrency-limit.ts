// A bound on the requests that are served at once.
import {
  type AdaptiveLimit,
  type ConcurrencyLimit,
  concurrencyLimit as concurrencyLimitPolicy,
  type ConcurrencyLimitOptions as PolicyOptions,
  pipeline,
} from "@headgate/core";
import type { Context, MiddlewareHandler } from "hono";
import type { RespondOptions } from "./answer.ts";
import { type CallInit, runChain } from "./run-chain.ts";
import type { ResilienceEnv } from "./variables.ts";

export interface ConcurrencyLimitOptions extends RespondOptions {
  /** The limit, an adaptive one too, or the options to make one of. */
  readonly limit: ConcurrencyLimit | AdaptiveLimit | PolicyOptions;
  /** Priority and weight of a request. @default 0 and 1 */
  readonly call?: ((c: Context) => CallInit) | undefined;
}

/**
 * Serves `maxConcurrent` requests at once; `maxQueue` more wait for their turn, `maxWaitMs` at most, and all others are
 * answered with 503. A request counts until its response's body has ended; one whose client was answered at a deadline
 * counts until its handler has ended.
 *
 * @param options the limit of `@headgate/core`, or its options.
 * @returns The middleware handler function.
 * @throws {InvalidOptionError} for options out of bounds.
 *
 * @example
 * ```ts
 * app.use("/search", concurrencyLimit({ limit: { maxConcurrent: 20, maxQueue: 40, maxWaitMs: 500 } }))
 * ```
 */
export function concurrencyLimit(options: ConcurrencyLimitOptions): MiddlewareHandler<ResilienceEnv> {
  const { limit, call, respond } = options;
  const policy = isPolicy(limit) ? limit : concurrencyLimitPolicy(limit);
  const settings = { pipeline: pipeline("concurrency-limit", policy), holdsBody: true, call, respond };
  return async function concurrencyLimit(c, next) {
    await runChain(settings, c, next);
  };
}

function isPolicy(limit: ConcurrencyLimitOptions["limit"]): limit is ConcurrencyLimit | AdaptiveLimit {
  return "kind" in limit;
}
