// Which header fields pass through a proxy, and what it adds (RFC 9110 §7.6).
import { deadlineFields } from "@headgate/core/fetch";
import type { HeaderList, UpstreamRequest } from "./upstream.ts";

/** Fields that are about one connection, not about the message. */
const hopByHop = new Set([
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "http2-settings",
]);
const setHere = new Set([
  "host",
  "expect",
  "via",
  "x-forwarded-for",
  "x-forwarded-host",
  "x-forwarded-proto",
  // How long the client waits is taken over or not believed; it never goes on as it came.
  ...deadlineFields,
]);
const pseudonym = "1.1 headgate";

/** The value of a field, several joined by a comma; undefined without any. `name` is in lower case. */
export function field(headers: HeaderList, name: string): string | undefined {
  let value: string | undefined;
  for (let i = 0; i < headers.length; i += 2) {
    const candidate = headers[i] as string;
    if (candidate.length !== name.length || candidate.toLowerCase() !== name) continue;
    value = value === undefined ? headers[i + 1] : `${value}, ${headers[i + 1]}`;
  }
  return value;
}

/** Further fields that this message's `Connection` declares to be about the connection. */
function connectionOptions(headers: HeaderList): readonly string[] {
  const value = field(headers, "connection");
  if (value === undefined) return [];
  return value.split(",").map((option) => option.trim().toLowerCase());
}

export interface ForwardedFrom {
  readonly clientAddress: string | undefined;
  readonly scheme: string;
  readonly host: string;
  /** Whether the client's own X-Forwarded-* are kept and added to. */
  readonly trustForwarded: boolean;
  /** Keys of W3C Baggage that are passed on. */
  readonly baggage: readonly string[];
  /** Without a body there is no length to announce. */
  readonly hasBody: boolean;
}

/** The fields of a request as the upstream gets them. */
export function toUpstreamHeaders(headers: HeaderList, from: ForwardedFrom): string[] {
  const dropped = connectionOptions(headers);
  const out: string[] = [];
  for (let i = 0; i < headers.length; i += 2) {
    const name = (headers[i] as string).toLowerCase();
    if (hopByHop.has(name) || setHere.has(name) || dropped.includes(name)) continue;
    if (name === "content-length" && !from.hasBody) continue;
    const value = headers[i + 1] as string;
    if (name !== "baggage") out.push(name, value);
    else if (from.baggage.length > 0) pushAllowed(out, value, from.baggage);
  }
  const told = (name: string) => (from.trustForwarded ? field(headers, name) : undefined);
  const addresses = [told("x-forwarded-for"), from.clientAddress].filter((address) => address !== undefined);
  if (addresses.length > 0) out.push("x-forwarded-for", addresses.join(", "));
  out.push("x-forwarded-host", told("x-forwarded-host") ?? from.host);
  out.push("x-forwarded-proto", told("x-forwarded-proto") ?? from.scheme);
  out.push("via", via(headers));
  return out;
}

/** The members of a baggage (W3C Baggage §3) whose keys are allowed, as they came; no field without any. */
function pushAllowed(out: string[], baggage: string, allowed: readonly string[]): void {
  const members = baggage.split(",").filter((member) => allowed.includes(member.split("=", 1)[0]?.trim() ?? ""));
  if (members.length > 0) out.push("baggage", members.map((member) => member.trim()).join(","));
}

/** Puts a request into the trace that its attempt belongs to: `traceRequest` of `@headgate/otel/tracing`. */
export type TraceRequest = (
  request: { readonly method: string; readonly url: string },
  set: (name: string, value: string) => void,
) => void;

const traceFields: ReadonlySet<string> = new Set(["traceparent", "tracestate"]);

/**
 * The fields of a request with its place in the trace. The client's goes then, both fields of it: a state belongs to its
 * parent. Baggage stays what the route allows.
 */
export function withTrace(request: Omit<UpstreamRequest, "signal">, traceRequest: TraceRequest): HeaderList {
  let fields: Map<string, string> | undefined;
  traceRequest({ method: request.method, url: request.origin + request.path }, (name, value) => {
    if (name !== "baggage") (fields ??= new Map()).set(name, value);
  });
  if (fields === undefined) return request.headers;
  return replaced(request.headers, fields);
}

function replaced(headers: HeaderList, fields: ReadonlyMap<string, string>): HeaderList {
  const kept = (name: string) => !fields.has(name) && !(fields.has("traceparent") && traceFields.has(name));
  const others = headers.filter((_, i) => kept(headers[i - (i % 2)] as string));
  return [...others, ...[...fields].flat()];
}

/** The fields of a response as the client gets them. */
export function toClientHeaders(headers: HeaderList): string[] {
  const dropped = connectionOptions(headers);
  const out: string[] = [];
  for (let i = 0; i < headers.length; i += 2) {
    const name = (headers[i] as string).toLowerCase();
    if (hopByHop.has(name) || name === "via" || dropped.includes(name)) continue;
    out.push(name, headers[i + 1] as string);
  }
  out.push("via", via(headers));
  return out;
}

function via(headers: HeaderList): string {
  const before = field(headers, "via");
  return before === undefined ? pseudonym : `${before}, ${pseudonym}`;
}
