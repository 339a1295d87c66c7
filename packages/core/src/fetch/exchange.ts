// One call of `fetch` through the pipeline: its request, made ready to be sent more than once, and its attempts.
import type { OperationContext } from "../attempt.ts";
import type { ExecuteOptions } from "../execute-options.ts";
import type { Clock } from "../clock.ts";
import type { TimeoutScope } from "../errors.ts";
import type { HeadgateEvent } from "../observer.ts";
import { rejectOption } from "../options.ts";
import { atEndpoint, endpointRequestUrl, type FetchEndpoints, initOf } from "./endpoints.ts";
import { type ForwardDeadline, withDeadline } from "./forward-deadline.ts";
import { type BodyWatch, type Deadline, guardResponse } from "./guarded-body.ts";
import { formatPriority, priorityField } from "./priority-header.ts";
import { ReplayBody } from "./replay-body.ts";
import type { CallInit, FetchFunction, ResilientFetchInit } from "./resilient-fetch.ts";

/** What all calls of one `resilientFetch` share. */
export interface ExchangeSettings {
  readonly pipeline: string;
  readonly clock: Clock;
  readonly emit: ((event: HeadgateEvent) => void) | undefined;
  readonly fetch: FetchFunction;
  readonly idleTimeoutMs: number;
  readonly maxReplayBytes: number;
  readonly idempotentMethods: ReadonlySet<string>;
  /** How the server is told what time is left; null when it is not. */
  readonly forwardDeadline: ForwardDeadline | null;
  /** Whether the server is told how much the request matters. */
  readonly forwardPriority: boolean;
  /** What says where each attempt goes; null when that is where the request says. */
  readonly endpoints: FetchEndpoints | null;
  /** Whether the pipeline has a policy that sends requests again. */
  readonly repeats: boolean;
}

/** How the exchange gets to the policies around it: as an option of the call, which runs inside a call keep too. */
export interface ExchangeOptions extends ExecuteOptions<Response> {
  readonly exchange: Exchange;
}

export function exchangeOf(options: ExecuteOptions<never>): Exchange | undefined {
  return (options as Partial<ExchangeOptions>).exchange;
}

type Input = string | URL | Request;

const isRequest = (input: Input): input is Request => typeof input !== "string" && !(input instanceof URL);
const isStream = (body: unknown): body is ReadableStream<Uint8Array> =>
  typeof (body as { getReader?: unknown } | null | undefined)?.getReader === "function";
const isIterator = (body: unknown): boolean =>
  typeof body === "object" && body !== null && Symbol.asyncIterator in body && !isStream(body);

export class Exchange {
  readonly options: ExchangeOptions;
  /** Whether the caller allows that the request is sent more than once, and its body can be. */
  readonly mayRepeat: boolean;
  /** When the time of the call as a whole is up, its body included; null without such a time. */
  deadline: Deadline | null = null;
  private readonly settings: ExchangeSettings;
  private readonly input: Input;
  private readonly init: RequestInit;
  /** Null when the input says where the request goes. */
  private readonly url: URL | null = null;
  private readonly replay: ReplayBody | null = null;

  /**
   * @throws {TypeError} for a request that cannot be made, before any policy hears of it.
   * @throws {InvalidOptionError} for a priority that is no number and would be sent on.
   */
  constructor(settings: ExchangeSettings, given: Input, { call, ...givenInit }: ResilientFetchInit) {
    this.settings = settings;
    if (settings.endpoints !== null) this.url = endpointRequestUrl(given);
    const input = this.url ?? given;
    const init = this.url !== null && isRequest(given) ? initOf(given, givenInit) : givenInit;
    this.input = input;
    this.init = init;
    if (settings.forwardPriority && call?.priority !== undefined && !(call.priority >= Number.NEGATIVE_INFINITY))
      rejectOption("resilientFetch.call.priority", "a number", call.priority);
    const request = isRequest(input) ? input : undefined;
    const body: unknown = init.body ?? request?.body;
    const idempotent = isIdempotent(settings, checkedRequest(input, init, body), call);
    const isReplay = idempotent && settings.repeats && isStream(body);
    if (isReplay) this.replay = new ReplayBody(body, settings.maxReplayBytes);
    this.mayRepeat = idempotent && (isReplay || !(isStream(body) || isIterator(body)));
    this.options = {
      signal: (init.signal === undefined ? request?.signal : init.signal) ?? undefined,
      deadline: call?.deadline,
      priority: call?.priority,
      key: call?.key,
      weight: call?.weight,
      exchange: this,
    };
  }

  /** Whether the request can be sent again now. */
  get repeatable(): boolean {
    return this.mayRepeat && (this.replay === null || this.replay.repeatable);
  }

  /** Whether the request can be sent while it is being sent: not where its body is a stream that is kept while it is read. */
  get mayOverlap(): boolean {
    return this.mayRepeat && this.replay === null;
  }

  /** Sends the request; resolves when the headers of the response are there. */
  async attempt(context: OperationContext): Promise<Response> {
    const aborter = new AbortController();
    const { signal } = context;
    const abort = () => aborter.abort(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    try {
      const response = await this.send(aborter.signal, context);
      return guardResponse(response, () => this.watchFor(context, aborter));
    } finally {
      signal.removeEventListener("abort", abort);
    }
  }

  /** The caller is given a response, and there will be no further attempt. */
  answered(): void {
    this.replay?.commit();
  }

  /** The caller is given an error. */
  failed(error: unknown): void {
    this.replay?.cancel(error);
  }

  private send(signal: AbortSignal, context: OperationContext): Promise<Response> {
    const { settings, input, url, replay } = this;
    const { endpoints } = settings;
    const init: RequestInit = { ...this.init, signal };
    const headers = this.forwarded(init.headers ?? (isRequest(input) ? input.headers : undefined), context);
    if (headers !== undefined) init.headers = headers;
    if (replay !== null) Object.assign(init, { body: replay.open(), duplex: "half" });
    return settings.fetch(endpoints === null || url === null ? input : atEndpoint(endpoints, context, url), init);
  }

  /** The request's fields with what the server is told of the call among them; undefined when that is nothing. */
  private forwarded(given: HeadersInit | undefined, context: OperationContext): Headers | undefined {
    const { forwardDeadline, forwardPriority } = this.settings;
    const { priority } = this.options;
    let headers: Headers | undefined;
    if (forwardDeadline !== null) headers = withDeadline(given, forwardDeadline, context.remainingMs);
    if (!forwardPriority || priority === undefined) return headers;
    headers ??= new Headers(given);
    headers.set(priorityField, formatPriority(priority, context.attempt));
    return headers;
  }

  private watchFor(context: OperationContext, aborter: AbortController): BodyWatch {
    const { pipeline, clock, idleTimeoutMs } = this.settings;
    return {
      pipeline,
      clock,
      idleTimeoutMs,
      deadline: this.deadline,
      signal: this.options.signal,
      abort: (reason) => aborter.abort(reason),
      release: context.hold(),
      failed: (error, timedOut) => this.tellFailed(error, timedOut),
    };
  }

  private tellFailed(error: unknown, timedOut: TimeoutScope | undefined): void {
    const { emit, pipeline } = this.settings;
    if (emit === undefined) return;
    if (timedOut === "total")
      emit({ type: "timeout.fired", pipeline, scope: timedOut, timeoutMs: this.deadline?.timeoutMs ?? 0 });
    emit({ type: "resilient-fetch.body-failed", pipeline, error });
  }
}

/**
 * The request's method and headers as `fetch` will see them. What `fetch` would refuse is refused here already: a caller's
 * mistake must not open a circuit, nor be tried again.
 */
function checkedRequest(input: Input, init: RequestInit, body: unknown): Request {
  const from = isRequest(input) ? input : undefined;
  const method = init.method ?? from?.method ?? "GET";
  const bodyless = /^(?:GET|HEAD)$/i.test(method);
  return new Request(from?.url ?? input, {
    ...init,
    method,
    headers: init.headers ?? from?.headers ?? {},
    // A body would be read. That there is one is enough for the methods that have none.
    body: bodyless && body !== undefined && body !== null ? "" : null,
    signal: null,
  });
}

function isIdempotent(settings: ExchangeSettings, request: Request, call: CallInit | undefined): boolean {
  return call?.idempotent ?? (settings.idempotentMethods.has(request.method) || request.headers.has("idempotency-key"));
}
