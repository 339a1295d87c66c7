// Carries one request to its route's upstream and the response back, both as streams.
import { isHeadgateError, type OperationContext, type TimeoutError } from "@headgate/core";
import { problem } from "@headgate/hono";
import { clientLeavesMs, toldFields, withRemaining } from "./deadline.ts";
import { GatewayError, gatewayProblems } from "./gateway-error.ts";
import { field, toClientHeaders, toUpstreamHeaders, withTrace } from "./headers.ts";
import { readBody } from "./read-body.ts";
import { judgement, type Route } from "./route.ts";
import { withPriority } from "./route-load-shed.ts";
import { ServerTiming } from "./server-timing.ts";
import {
  ClientBodyError,
  type HeaderList,
  type Upload,
  type Upstream,
  type UpstreamRequest,
  type UpstreamResponse,
} from "./upstream.ts";

/** One request as the proxy needs it; the runtime knows the cheapest way to each part. */
export interface Incoming {
  readonly request: Request;
  readonly headers: HeaderList;
  readonly clientAddress: string | undefined;
  /** For runtimes that end a request with its response: keeps it until the promise has settled. */
  readonly waitUntil?: (promise: Promise<unknown>) => void;
}

/** Makes the runtime's response of header fields as they are to be sent. */
export type Respond = (status: number, headers: HeaderList, body: UpstreamResponse["body"], method: string) => Response;

const idempotent: readonly string[] = ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"];

/** The client went away; nobody reads the answer. The status is nginx's. */
const clientClosedRequest = 499;

export async function proxy(route: Route, incoming: Incoming, upstream: Upstream, respond: Respond): Promise<Response> {
  const { request, headers } = incoming;
  const { method, signal } = request;
  const upload: Upload = { awaited: false };
  const timing = route.config.serverTiming ? new ServerTiming(route.clock) : undefined;
  let clientIsSlow = false;
  try {
    const target = toTarget(route, request.url);
    const length = bodyLength(headers);
    const repeatable = idempotent.includes(method) && length <= route.config.retry.maxBodyBytes;
    const leftMs = clientLeavesMs(headers, route);
    const deadline = deadlineOf(route, leftMs);
    const told = toldFields(headers);
    let body: UpstreamRequest["body"] = length === 0 ? null : request.body;
    if (body !== null && repeatable && leftMs > route.config.deadline.marginMs)
      body = await readBody(body, length, Math.min(leftMs, route.config.timeout.timeoutMs), signal);
    const outgoing = {
      method,
      headers: toUpstreamHeaders(headers, {
        clientAddress: incoming.clientAddress,
        scheme: target.scheme,
        host: field(headers, "host") ?? target.host,
        trustForwarded: route.config.trustForwarded,
        baggage: route.config.baggage,
        hasBody: body !== null,
      }),
      body,
      client: signal,
      upload,
    };
    const isIgnored = (result: unknown) => {
      if (!isTimeout(result)) return result instanceof ClientBodyError;
      // There was no time left to send it.
      if (result.scope === "deadline") return true;
      // While it is the client that is waited for, the upstream is not slow.
      clientIsSlow = upload.awaited;
      return clientIsSlow;
    };
    const pipeline = repeatable ? route.repeatable : route.once;
    const call = route.loadShed?.callOf(headers);
    const response = await pipeline.execute(
      (context) => {
        timing?.sent();
        const { origin, basePath } = route.endpointOf(context);
        const path = basePath + target.rest;
        let sent: HeaderList = withRemaining(outgoing.headers, told, route, context);
        if (call) sent = withPriority(sent, call.priority, context.attempt);
        if (route.traceRequest) sent = withTrace({ ...outgoing, origin, path, headers: sent }, route.traceRequest);
        const request = { ...outgoing, origin, path, headers: sent, signal: context.signal };
        return send(upstream, request, context, incoming.waitUntil);
      },
      { ...judgement, ...call, isIgnored, signal, deadline },
    );
    const fields = toClientHeaders(response.headers);
    if (timing) fields.push("server-timing", String(timing));
    return respond(response.status, fields, response.body, method);
  } catch (error) {
    const left = error instanceof ClientBodyError || (signal.aborted && error === signal.reason);
    if (left) return new Response(null, { status: clientClosedRequest });
    if (clientIsSlow && isTimeout(error)) return problem(bodyTooSlow(error.timeoutMs), gatewayProblems);
    return problem(error, gatewayProblems);
  }
}

/** When the client's time is up; undefined for one that says nothing. A request that leaves too little is not begun. */
function deadlineOf({ clock, config }: Route, leftMs: number): number | undefined {
  if (leftMs === Number.POSITIVE_INFINITY) return undefined;
  return clock.now() + (leftMs > config.deadline.marginMs ? leftMs : 0);
}

function isTimeout(error: unknown): error is TimeoutError {
  return isHeadgateError(error) && error.code === "ERR_TIMEOUT";
}

function bodyTooSlow(timeoutMs: number): GatewayError {
  return new GatewayError("ERR_REQUEST_TIMEOUT", `The body did not arrive within ${timeoutMs} ms`);
}

async function send(
  upstream: Upstream,
  outgoing: UpstreamRequest,
  context: OperationContext,
  waitUntil: Incoming["waitUntil"],
): Promise<UpstreamResponse> {
  const response = await upstream.send(outgoing);
  if (response.ended !== null) {
    // A response that streams is work that goes on: its permit is kept until the body has ended.
    const released = response.ended.then(context.hold());
    waitUntil?.(released);
  }
  return response;
}

interface Target {
  readonly scheme: string;
  readonly host: string;
  /** Path and query as they came, without the route's prefix; the upstream's own path is put before. */
  readonly rest: string;
}

/** What came, taken apart. */
function toTarget(route: Route, url: string): Target {
  // Encoded dots are dots (WHATWG URL): without this they would climb out of the upstream's own path.
  const full = /%2e/i.test(url) ? new URL(url).href : url;
  const afterScheme = full.indexOf("://") + 3;
  const pathStart = full.indexOf("/", afterScheme);
  const { pathPrefix } = route.config;
  const prefix = pathPrefix === "/" ? "" : pathPrefix;
  const rest = full.slice(pathStart + prefix.length);
  if (!full.startsWith(prefix, pathStart) || (rest !== "" && rest[0] !== "/" && rest[0] !== "?")) {
    throw new GatewayError("ERR_NO_ROUTE", `No route for ${full.slice(pathStart)}`);
  }
  return {
    scheme: full.slice(0, afterScheme - 3),
    host: full.slice(afterScheme, pathStart),
    rest: rest[0] === "/" ? rest : `/${rest}`,
  };
}

/** The announced length of a request's body; `Infinity` for one that is sent in chunks of unknown number. */
function bodyLength(headers: HeaderList): number {
  if (field(headers, "transfer-encoding") !== undefined) return Number.POSITIVE_INFINITY;
  return Number(field(headers, "content-length") ?? 0);
}
