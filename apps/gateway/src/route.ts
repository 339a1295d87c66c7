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
  type FailedAttempt,
  type Judgement,
  type Meter,
  type Observer,
  pipeline,
  type Pipeline,
  type Policy,
  type Random,
  retry,
  systemClock,
  systemRandom,
  timeout,
} from "@headgate/core";
import { parseRetryAfter } from "@headgate/core/fetch";
import type { RouteConfig } from "./config.ts";
import { field } from "./headers.ts";
import { UpstreamUnreachableError, type UpstreamResponse } from "./upstream.ts";

export interface RouteSeams {
  readonly observer?: Observer | undefined;
  /** Counts the calls of every route. @default none */
  readonly meter?: Meter | undefined;
  readonly clock?: Clock | undefined;
  readonly random?: Random | undefined;
  /** What decides whether calls are let in at all: a shutdown. @default none */
  readonly admission?: Policy | undefined;
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
  readonly clock: Clock;
}

export function createRoute(config: RouteConfig, seams: RouteSeams): Route {
  const { observer, meter, clock = systemClock, random = systemRandom, admission, permitLeaseMs } = seams;
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
    // With no more than the margin left an attempt would not be sent.
    minAttemptMs: config.deadline.marginMs + 1,
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
  const guards = [...(admission ? [admission] : []), breaker, limit];
  const options = { name, observer, meter, clock };
  return {
    config,
    origin,
    basePath: pathname.replace(/\/$/, ""),
    breaker,
    limit,
    repeatable: pipeline(options, deadline, attempts, ...guards),
    once: pipeline(options, deadline, ...guards),
    clock,
  };
}

/** A client that was told to slow down does not come back at once. */
function shouldRetry({ threw, result }: FailedAttempt): boolean {
  return threw || (result as UpstreamResponse).status !== 429;
}

/**
 * How a response, or the lack of one, counts. A 503 that says when to come back is overload; one that does not is a failure
 * like any 5xx.
 */
export const judgement: Judgement<UpstreamResponse> = {
  isFailure: ({ status }) => status >= 500,
  isOverload: (result) =>
    result instanceof UpstreamUnreachableError
      ? result.refused
      : isResponse(result) && (result.status === 429 || (result.status === 503 && retryAfter(result) !== undefined)),
  retryAfterMs: (result) =>
    isResponse(result) ? parseRetryAfter(retryAfter(result), field(result.headers, "date")) : undefined,
  discard: ({ body }) => (body instanceof ReadableStream ? body.cancel() : undefined),
};

function isResponse(result: unknown): result is UpstreamResponse {
  return typeof result === "object" && result !== null && "status" in result && "headers" in result;
}

function retryAfter({ headers }: UpstreamResponse): string | undefined {
  return field(headers, "retry-after");
}
