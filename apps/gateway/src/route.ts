// One route: its upstream and its policies. The breaker and the limit are the route's; requests that may be repeated
// go through a retry as well.
import {
  circuitBreaker,
  type CircuitBreaker,
  concurrencyLimit,
  type ConcurrencyLimit,
  consecutiveFailures,
  type Clock,
  exponentialBackoff,
  type ExecuteOptions,
  type FailedAttempt,
  type Observer,
  pipeline,
  type Pipeline,
  type Random,
  retry,
  systemClock,
  systemRandom,
  timeout,
} from "@headgate/core";
import type { RouteConfig } from "./config.ts";
import { UpstreamUnreachableError, type UpstreamResponse } from "./upstream.ts";

export interface RouteSeams {
  readonly observer?: Observer | undefined;
  readonly clock?: Clock | undefined;
  readonly random?: Random | undefined;
  /** For runtimes that kill requests without a word: a permit is taken back after this long. */
  readonly permitLeaseMs?: number | undefined;
}

export interface Route {
  readonly config: RouteConfig;
  readonly origin: string;
  /** The upstream's own path, without a slash at its end. */
  readonly basePath: string;
  readonly breaker: CircuitBreaker;
  readonly limit: ConcurrencyLimit;
  /** For requests that may be sent again. */
  readonly repeatable: Pipeline;
  /** For requests that may not. */
  readonly once: Pipeline;
}

export function createRoute(config: RouteConfig, seams: RouteSeams): Route {
  const { observer, clock = systemClock, random = systemRandom, permitLeaseMs } = seams;
  const { name } = config;
  const { origin, pathname } = new URL(config.upstream);
  const deadline = timeout({ timeoutMs: config.timeout.timeoutMs, clock });
  const attempts = retry({
    maxAttempts: config.retry.maxAttempts,
    backoff: exponentialBackoff({
      initialMs: config.retry.initialMs,
      maxMs: Math.max(config.retry.initialMs, config.retry.maxMs),
    }),
    shouldRetry,
    clock,
    random,
  });
  const breaker = circuitBreaker({
    name,
    trip: consecutiveFailures({ maxFailures: config.circuitBreaker.maxFailures }),
    openMs: config.circuitBreaker.openMs,
    clock,
  });
  const limit = concurrencyLimit({ name, ...config.concurrencyLimit, leaseMs: permitLeaseMs, clock });
  const options = { name, observer, clock };
  return {
    config,
    origin,
    basePath: pathname.replace(/\/$/, ""),
    breaker,
    limit,
    repeatable: pipeline(options, deadline, attempts, breaker, limit),
    once: pipeline(options, deadline, breaker, limit),
  };
}

/** A client that was told to slow down does not come back at once. */
function shouldRetry({ threw, result }: FailedAttempt): boolean {
  return threw || (result as UpstreamResponse).status !== 429;
}

/** How a response, or the lack of one, counts. */
export const judgement: Omit<ExecuteOptions<UpstreamResponse>, "signal"> = {
  isFailure: (response) => response.status >= 500,
  isOverload: (result) =>
    result instanceof UpstreamUnreachableError
      ? result.refused
      : (result as UpstreamResponse).status === 503 || (result as UpstreamResponse).status === 429,
  discard: ({ body }) => (body instanceof ReadableStream ? body.cancel() : undefined),
};
