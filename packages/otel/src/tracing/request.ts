// What makes the span of an attempt one of an HTTP request, and tells the server which trace it belongs to.
import type { FetchFunction } from "@headgate/core/fetch";
import { context, propagation, trace } from "@opentelemetry/api";
import { httpMethod, other } from "../definitions.ts";
import { activeAttempt } from "./tracer.ts";

export interface TracedRequest {
  readonly method: string;
  /** Absolute. */
  readonly url: string;
}

/** Those of RFC 9110, and PATCH. */
const knownMethods: ReadonlySet<string> = new Set("GET HEAD POST PUT PATCH DELETE CONNECT OPTIONS TRACE".split(" "));

/**
 * Call it where a request is sent. Puts the request's attributes on the span of the attempt that sends it, without the query and
 * the credentials of its URL, and gives `set` the fields of the propagator that is registered with the API: `traceparent` and
 * so on. Does nothing where no span is active.
 *
 * @param set is to replace a field of that name, which is in lower case.
 */
export function traceRequest(request: TracedRequest, set: (name: string, value: string) => void): void {
  const active = context.active();
  if (trace.getSpan(active) === undefined) return;
  const span = activeAttempt(active);
  if (span !== undefined) {
    const inCapitals = request.method.toUpperCase();
    const method = knownMethods.has(inCapitals) ? inCapitals : other;
    span.updateName(method === other ? "HTTP" : method);
    span.setAttribute(httpMethod, method);
    if (method !== request.method) span.setAttribute("http.request.method_original", request.method);
    if (URL.canParse(request.url)) span.setAttributes(addressOf(new URL(request.url)));
  }
  propagation.inject(active, set, { set: (give, name, value) => give(name.toLowerCase(), value) });
}

function addressOf({ protocol, host, hostname, port, pathname }: URL) {
  return {
    "url.full": `${protocol}//${host}${pathname}`,
    "server.address": hostname,
    "server.port": port === "" ? (protocol === "https:" ? 443 : 80) : Number(port),
  };
}

/**
 * A `fetch` that does so with each request: `resilientFetch({ fetch: tracedFetch(), tracer: createTracer() })`.
 *
 * @param fetch sends the requests. @default the global `fetch`, looked up at each call
 */
export function tracedFetch(fetch: FetchFunction = (input, init) => globalThis.fetch(input, init)): FetchFunction {
  return (input, init) => {
    if (trace.getActiveSpan() === undefined) return fetch(input, init);
    const isUrl = typeof input === "string" || input instanceof URL;
    const from = isUrl ? undefined : input;
    const headers = new Headers(init?.headers ?? from?.headers);
    const request = { method: init?.method ?? from?.method ?? "GET", url: isUrl ? String(input) : input.url };
    traceRequest(request, (name, value) => headers.set(name, value));
    return fetch(input, { ...init, headers });
  };
}
