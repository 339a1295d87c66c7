// The two metrics of OpenTelemetry's conventions for an HTTP server: how long requests take, and how many are under way.
import { type Clock, systemClock } from "@headgate/core";
import { checkFunction, rejectOption } from "@headgate/core/options";
import type { Context, MiddlewareHandler } from "hono";
import { matchedRoutes } from "hono/route";
import { findTargetHandler, isMiddleware } from "hono/utils/handler";
import { holdUntilBodyEnds } from "./held-body.ts";

/** A request that is over: its response's body has ended, failed or was cancelled. */
export interface ServedRequest {
  /** A known method in capitals, else `_OTHER`. */
  readonly method: string;
  /** `http` or `https`. */
  readonly scheme: string;
  /** The pattern of the route, `/users/:id`; undefined where no handler matched. */
  readonly route: string | undefined;
  readonly status: number;
  /** What the handler, or the body, failed with; undefined without an error. */
  readonly error: unknown;
}

/** Where requests are counted: `createTelemetry().httpServer` of `@headgate/otel`, or whatever else takes them. */
export interface HttpServerMeter {
  /** A request has begun: 1. One is over: -1. */
  active(change: 1 | -1, method: string, scheme: string): void;
  /** A request is over. */
  served(request: ServedRequest, seconds: number): void;
}

export interface HttpMetricsOptions {
  readonly meter: HttpServerMeter;
  /**
   * Calls `over` when the response has gone out or its client has left, for servers that tell; asked once the response is
   * there. On Node: `(c, over) => c.env.outgoing.on("close", over)`. It spares long bodies the way through a stream of ours.
   * @default the body is passed on piece by piece, and `over` at its end
   */
  readonly whenSent?: ((c: Context, over: (error?: unknown) => void) => unknown) | undefined;
  /** @default systemClock */
  readonly clock?: Clock;
}

/** Those of RFC 9110, and PATCH: what else comes is somebody's invention, and would be a series each. */
const knownMethods: ReadonlySet<string> = new Set([
  "GET",
  "HEAD",
  "POST",
  "PUT",
  "PATCH",
  "DELETE",
  "CONNECT",
  "OPTIONS",
  "TRACE",
]);

/**
 * Measures requests for `http.server.request.duration` and `http.server.active_requests`, from here to the end of the
 * response's body, also where that streams or is cancelled. Put it first.
 *
 * A meter that throws changes nothing for the client.
 *
 * @param options where requests are counted.
 * @returns The middleware handler function.
 * @throws {InvalidOptionError} without a meter.
 *
 * @example
 * ```ts
 * const telemetry = createTelemetry()
 *
 * app.use(httpMetrics({ meter: telemetry.httpServer }))
 * ```
 */
export function httpMetrics(options: HttpMetricsOptions): MiddlewareHandler {
  const { meter, clock = systemClock, whenSent } = options;
  if (typeof meter !== "object" || meter === null) rejectOption("httpMetrics.meter", "an HttpServerMeter", meter);
  for (const name of ["active", "served"] as const) checkFunction(`httpMetrics.meter.${name}`, meter[name]);
  if (whenSent !== undefined) checkFunction("httpMetrics.whenSent", whenSent);
  return async function httpMetrics(c, next) {
    const startMs = clock.now();
    const { raw } = c.req;
    const method = knownMethods.has(raw.method) ? raw.method : "_OTHER";
    const scheme = raw.url.startsWith("https:") ? "https" : "http";
    let over = false;
    const end = (status: number, error: unknown) => {
      if (over) return;
      over = true;
      quietly(() => meter.active(-1, method, scheme));
      quietly(() => meter.served({ method, scheme, route: routeOf(c), status, error }, secondsSince(startMs, clock)));
    };
    quietly(() => meter.active(1, method, scheme));
    try {
      await next();
    } catch (error) {
      end(500, error);
      throw error;
    }
    const { status } = c.res;
    if (whenSent !== undefined) whenSent(c, (error) => end(status, c.error ?? error));
    // A HEAD's body is taken from it further out, unread.
    else if (raw.method === "HEAD") end(status, c.error);
    else c.res = holdUntilBodyEnds(c.res, (bodyError) => end(status, c.error ?? bodyError));
  };
}

function secondsSince(startMs: number, clock: Clock): number {
  return Math.max(0, clock.now() - startMs) / 1000;
}

/** The pattern of the handler that answers, or would have had nobody answered before it. */
function routeOf(c: Context): string | undefined {
  return matchedRoutes(c).find(({ handler }) => !isMiddleware(findTargetHandler(handler)))?.path;
}

function quietly(tell: () => void): void {
  try {
    tell();
  } catch {
    // Counting must not fail a request.
  }
}
