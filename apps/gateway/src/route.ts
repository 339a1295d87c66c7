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
  loadBalance,
  type LoadBalance,
  type Meter,
  type Observer,
  type OperationContext,
  pipeline,
  type Pipeline,
  type Policy,
  type Random,
  retry,
  retryBudget,
  type ShedSignal,
  systemClock,
  systemRandom,
  timeout,
  type Tracer,
} from "@headgate/core";
import { parseRetryAfter } from "@headgate/core/fetch";
import type { RouteConfig } from "./config.ts";
import { field, type TraceRequest } from "./headers.ts";
import { type RouteLoadShed, routeLoadShed } from "./route-load-shed.ts";
import { UpstreamUnreachableError, type UpstreamResponse } from "./upstream.ts";

export interface RouteSeams {
  readonly observer?: Observer | undefined;
  /** Counts the calls of every route. @default none */
  readonly meter?: Meter | undefined;
  /** Makes spans of the calls of every route. @default none */
  readonly tracer?: Tracer | undefined;
  /** Tells upstreams which span they are called from. @default the client's own fields go on */
  readonly traceRequest?: TraceRequest | undefined;
  readonly clock?: Clock | undefined;
  readonly random?: Random | undefined;
  /** What decides whether calls are let in at all: a shutdown. @default none */
  readonly admission?: Policy | undefined;
  /** For runtimes that kill requests without a word: a permit is taken back after this long. */
  readonly permitLeaseMs?: number | undefined;
  /** What the runtime can tell of its own overload, for routes that shed load. @default nothing */
  readonly shedSignals?: readonly ShedSignal[] | undefined;
}

/** One upstream of a route. */
export interface Endpoint {
  readonly origin: string;
  /** Its own path, without a slash at its end. */
  readonly basePath: string;
}

export interface Route {
  readonly config: RouteConfig;
  /** Which upstream an attempt goes to. */
  readonly endpointOf: (context: OperationContext) => Endpoint;
  /** Of a route with several upstreams. */
  readonly balance: LoadBalance<Endpoint> | undefined;
  readonly breaker: CircuitBreaker;
  readonly limit: ConcurrencyLimit;
  /** Undefined where the route does not want it. */
  readonly loadShed: RouteLoadShed | undefined;
  /** For requests that may be sent again. */
  readonly repeatable: Pipeline;
  /** For requests that may not. */
  readonly once: Pipeline;
  readonly clock: Clock;
  readonly traceRequest: TraceRequest | undefined;
}

export function createRoute(config: RouteConfig, seams: RouteSeams): Route {
  const { observer, meter, tracer, traceRequest, clock = systemClock, random = systemRandom } = seams;
  const { admission, permitLeaseMs } = seams;
  const { name } = config;
  const [endpoint, ...others] = [config.upstream].flat().map(toEndpoint) as [Endpoint, ...Endpoint[]];
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
    budget: config.retry.budget ? retryBudget({ clock }) : undefined,
    clock,
    random,
  });
  const breaker = circuitBreaker({
    name,
    trip: consecutiveFailures({ maxFailures: config.circuitBreaker.maxFailures }),
    openMs: config.circuitBreaker.openMs,
    clock,
  });
  const order = config.loadShed.enabled ? "priority" : "fifo";
  const limit = concurrencyLimit({ name, ...config.concurrencyLimit, order, leaseMs: permitLeaseMs, clock });
  const loadShed = routeLoadShed(config, limit, { clock, random, signals: seams.shedSignals ?? [] });
  const entrance = loadShed ? [deadline, loadShed.policy] : [deadline];
  // One upstream is not chosen.
  const balance =
    others.length === 0
      ? undefined
      : loadBalance({
          name,
          endpoints: [endpoint, ...others],
          nameOf: ({ origin, basePath }) => origin + basePath,
          trip: () => consecutiveFailures({ maxFailures: config.loadBalance.maxFailures }),
          ejectMs: config.loadBalance.ejectMs,
          maxEjectedRatio: config.loadBalance.maxEjectedRatio,
          leaseMs: permitLeaseMs,
          clock,
          random,
        });
  const guards = [...(admission ? [admission] : []), breaker, limit, ...(balance ? [balance] : [])];
  const options = { name, observer, meter, tracer, clock };
  return {
    config,
    endpointOf: balance ? (context) => balance.of(context) : () => endpoint,
    balance,
    breaker,
    limit,
    loadShed,
    repeatable: pipeline(options, ...entrance, attempts, ...guards),
    once: pipeline(options, ...entrance, ...guards),
    clock,
    traceRequest,
  };
}

function toEndpoint(url: string): Endpoint {
  const { origin, pathname } = new URL(url);
  return { origin, basePath: pathname.replace(/\/$/, "") };
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
