// Requests to one of several endpoints of the same service: which one is for `loadBalance` to say, what becomes of the URL stands here.
import type { OperationContext } from "../attempt.ts";
import type { LoadBalance } from "../load-balance.ts";
import { rejectOption } from "../options.ts";
import { Pipeline } from "../pipeline.ts";

/** A base URL: what a request's path is appended to. */
export type FetchEndpoints = LoadBalance<string | URL>;

/** Where a request without a host is taken to go until an endpoint was chosen. */
const nowhere = "https://endpoint.invalid";

/** @throws {InvalidOptionError} for what is no `loadBalance`, has other endpoints than base URLs, or stands in no pipeline. */
export function endpointsOf(
  endpoints: FetchEndpoints | undefined,
  pipeline: Pipeline | undefined,
): FetchEndpoints | null {
  if (endpoints === undefined) return null;
  if (endpoints?.kind !== "load-balance") rejectOption("resilientFetch.endpoints", "made by loadBalance()", endpoints);
  for (const { endpoint, name } of endpoints.snapshot())
    if (!isBase(endpoint))
      rejectOption(
        "resilientFetch.endpoints",
        "a loadBalance() of http or https URLs without a query, a fragment or credentials",
        name,
      );
  if (pipeline instanceof Pipeline && !pipeline.policies.includes(endpoints))
    rejectOption("resilientFetch.endpoints", "one of the policies of `resilientFetch.pipeline`", endpoints.name);
  return endpoints;
}

/**
 * The URL of a request whose host, if it has one, stands for all endpoints.
 *
 * @throws {TypeError} for what is no URL of http or https, nor the path of one.
 */
export function endpointRequestUrl(input: string | URL | Request): URL {
  const url = new URL(input instanceof Request ? input.url : input, nowhere);
  if (!isHttp(url)) throw new TypeError(`Only http and https have endpoints, got ${url.protocol}`);
  return url;
}

/** The request's path and query at the endpoint that its attempt is given. */
export function atEndpoint(endpoints: FetchEndpoints, context: OperationContext, { pathname, search }: URL): string {
  const base = new URL(endpoints.of(context));
  return `${base.origin}${base.pathname.replace(/\/$/, "")}${pathname}${search}`;
}

/**
 * What a request says, its URL apart, and `init` over it. A `Request` itself can be sent to another URL only as long as nobody
 * has read its body. What a runtime does not know is left out.
 */
export function initOf(request: Request, init: RequestInit): RequestInit {
  const all: Record<string, unknown> = request.body ? { body: request.body, duplex: "half" } : {};
  for (const name of requestFields) if (request[name] !== undefined) all[name] = request[name];
  // Only a browser itself may navigate.
  if (all.mode === "navigate") delete all.mode;
  for (const [name, value] of Object.entries(init)) if (value !== undefined) all[name] = value;
  return all;
}

const requestFields = [
  "method",
  "headers",
  "signal",
  "redirect",
  "referrer",
  "referrerPolicy",
  "mode",
  "credentials",
  "cache",
  "integrity",
  "keepalive",
] as const;

function isBase(endpoint: unknown): boolean {
  if (!(typeof endpoint === "string" || endpoint instanceof URL) || !URL.canParse(endpoint)) return false;
  const url = new URL(endpoint);
  return isHttp(url) && !/[?#]/.test(url.href) && url.username === "" && url.password === "";
}

function isHttp({ protocol }: URL): boolean {
  return protocol === "http:" || protocol === "https:";
}
