// `fetch` in, `fetch` out, with a pipeline around it. It knows what policies cannot know about HTTP: which answers are
// failures, which requests may be sent twice and how, and that a response goes on after its headers.
import type { ExecuteOptions } from "../execute-options.ts";
import { checkFunction, checkInteger, checkNumber, rejectOption } from "../options.ts";
import { Pipeline } from "../pipeline.ts";
import { maxDelayMs } from "../clock.ts";
import { aroundExchange, repeatsRequests } from "./around-exchange.ts";
import { endpointRequestUrl, endpointsOf, type FetchEndpoints } from "./endpoints.ts";
import { Exchange, type ExchangeSettings } from "./exchange.ts";
import { type ForwardDeadlineOptions, forwardDeadlineOf } from "./forward-deadline.ts";
import { discardResponse, isFailedResponse, isOverloadResult, retryAfterOf, timeOfDay } from "./judge-response.ts";
import { type StandardFetchOptions, standardOptions, standardPolicies } from "./standard-policies.ts";

/** What `fetch` is, as far as it is called here. */
export type FetchFunction = (input: string | URL | Request, init?: RequestInit) => Promise<Response>;

/** What the policies are told of one call. */
export interface CallInit extends Pick<ExecuteOptions<Response>, "deadline" | "priority" | "key" | "weight"> {
  /**
   * Whether the request may be sent more than once.
   * @default whether its method is one of `idempotentMethods`, or it has an `Idempotency-Key`
   */
  readonly idempotent?: boolean | undefined;
}

export interface ResilientFetchInit extends RequestInit {
  /** What the policies are told of this call. It is not given to `fetch`. */
  readonly call?: CallInit | undefined;
}

export interface ResilientFetch {
  /**
   * Like `fetch`. The response's body is part of the call: it ends with a `TimeoutError` when it stands still or the call's
   * time is up, with the reason of the caller's signal when that aborts, and its permit is kept until it has ended.
   *
   * @throws what `fetch` throws, the same object; the reason of the caller's signal, unchanged; or the error of the
   * policy that decided: `TimeoutError`, `CircuitOpenError`, `ConcurrencyLimitError`, …
   */
  (input: string | URL | Request, init?: ResilientFetchInit): Promise<Response>;
  /** The pipeline that was given, or the one that was built from the options. */
  readonly pipeline: Pipeline;
}

export interface FetchSettings {
  /** Sends the requests. @default the global `fetch`, looked up at each call */
  readonly fetch?: FetchFunction | undefined;
  /**
   * How long a reader of the body may wait for the next piece. Above 0, at most 2^31 - 1; `Infinity` for no limit.
   * @default 30000
   */
  readonly idleTimeoutMs?: number;
  /**
   * How much of a request's body is kept to be sent again when the body is a stream. A longer one is streamed too, but is
   * not repeated once that much of it was sent. An integer of at least 0, in bytes. @default 65536
   */
  readonly maxReplayBytes?: number;
  /** Methods, in capitals, whose requests may be sent more than once. @default GET, HEAD, OPTIONS, TRACE, PUT, DELETE */
  readonly idempotentMethods?: readonly string[];
  /** Which responses are failures. They are returned all the same. @default those with a 5xx status */
  readonly isFailure?: ((response: Response) => boolean) | undefined;
  /**
   * Which responses and errors mean overload. @default 429, 503, and errors caused by a refused or timed out connection
   */
  readonly isOverload?: ((result: unknown) => boolean) | undefined;
  /**
   * Tells the server with each request how long its answer is waited for: what remains of the nearest deadline, less a margin.
   * Only to services of one's own that look at it; in browsers it costs a preflight request. @default false
   */
  readonly forwardDeadline?: boolean | ForwardDeadlineOptions | undefined;
  /**
   * Tells the server in the `Priority` field (RFC 9218) how much the request matters: the class of the call's `priority`, one lower for
   * attempts after the first. It takes the place of what was there; a call without a priority keeps that. Only to services of
   * one's own that believe it. @default false
   */
  readonly forwardPriority?: boolean;
  /**
   * Sends each attempt to one of several base URLs: `loadBalance({ endpoints: ["https://a.example", "https://b.example/v1"] })`. Each takes
   * the place of the request's origin, or of the missing one of a path; a path of its own goes before the request's. The pipeline that
   * is built has the policy before the attempt timeout; in one that is given it has to stand. @default the URL of the request
   */
  readonly endpoints?: FetchEndpoints | undefined;
  /** Milliseconds since the epoch, for a `Retry-After` that is a date in a response without one. @default the host's clock */
  readonly wallClock?: () => number;
}

export type ResilientFetchOptions = FetchSettings &
  (
    | ({ readonly pipeline?: undefined } & StandardFetchOptions)
    | ({ readonly pipeline: Pipeline } & { readonly [Name in keyof StandardFetchOptions]?: undefined })
  );

const repeatableMethods: readonly string[] = ["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"];

/**
 * A `fetch` that goes through a pipeline: the one that is given, or one built from the options in the order total timeout >
 * retry > circuit breaker > concurrency limit > attempt timeout. Make one for each dependency: its calls share a breaker and
 * a limit.
 *
 * @throws {InvalidOptionError} for options out of bounds, and for options of policies beside a pipeline.
 */
export function resilientFetch(options: ResilientFetchOptions = {}): ResilientFetch {
  const { fetch = (input, init) => globalThis.fetch(input, init), wallClock = timeOfDay } = options;
  const { idleTimeoutMs = 30_000, maxReplayBytes = 65_536 } = options;
  const { idempotentMethods = repeatableMethods, isFailure, isOverload, forwardPriority = false } = options;
  checkFunction("resilientFetch.fetch", fetch);
  checkFunction("resilientFetch.wallClock", wallClock);
  if (idleTimeoutMs !== Number.POSITIVE_INFINITY)
    checkNumber("resilientFetch.idleTimeoutMs", idleTimeoutMs, 0, maxDelayMs, true);
  checkInteger("resilientFetch.maxReplayBytes", maxReplayBytes, 0);
  checkMethods(idempotentMethods);
  if (typeof forwardPriority !== "boolean")
    rejectOption("resilientFetch.forwardPriority", "a boolean", forwardPriority);
  const endpoints = endpointsOf(options.endpoints, options.pipeline);
  const policies = policiesOf(options);
  const { judgement } = policies;

  const guarded = aroundExchange(policies, {
    isFailure: (isFailure as ((value: unknown) => boolean) | undefined) ?? judgement.isFailure ?? isFailedResponse,
    isOverload: isOverload ?? judgement.isOverload ?? isOverloadResult,
    discard: judgement.discard ?? discardResponse,
    retryAfterMs: judgement.retryAfterMs ?? ((result) => retryAfterOf(result, wallClock)),
  });
  const settings: ExchangeSettings = {
    pipeline: policies.name,
    clock: policies.clock,
    emit: policies.emit,
    fetch,
    idleTimeoutMs,
    maxReplayBytes,
    idempotentMethods: new Set(idempotentMethods),
    forwardDeadline: forwardDeadlineOf(options.forwardDeadline),
    forwardPriority,
    endpoints,
    repeats: repeatsRequests(policies),
  };

  const send = async (input: string | URL | Request, init: ResilientFetchInit = {}): Promise<Response> => {
    // `fetch(url, request)` takes everything but the URL from the request, whose fields are no properties of its own.
    const exchange =
      init instanceof Request
        ? new Exchange(settings, new Request(endpoints === null ? input : endpointRequestUrl(input), init), {})
        : new Exchange(settings, input, init);
    try {
      const response = await guarded.execute((context) => exchange.attempt(context), exchange.options);
      exchange.answered();
      return response;
    } catch (error) {
      exchange.failed(error);
      throw error;
    }
  };
  return Object.assign(send, { pipeline: policies });
}

function policiesOf(options: ResilientFetchOptions): Pipeline {
  const { pipeline } = options;
  if (pipeline === undefined) return standardPolicies(options, options.endpoints);
  if (!(pipeline instanceof Pipeline)) rejectOption("resilientFetch.pipeline", "made by pipeline()", pipeline);
  for (const name of Object.keys(standardOptions) as (keyof StandardFetchOptions)[])
    if (options[name] !== undefined)
      rejectOption(`resilientFetch.${name}`, "left to the policies of `resilientFetch.pipeline`", options[name]);
  return pipeline;
}

function checkMethods(methods: readonly string[]): void {
  const isMethod = (method: unknown) => typeof method === "string" && /^[A-Z]+$/.test(method);
  const wrong = Array.isArray(methods) ? methods.find((method) => !isMethod(method)) : methods;
  if (wrong !== undefined || !Array.isArray(methods))
    rejectOption("resilientFetch.idempotentMethods", "an array of methods in capitals", wrong);
}
