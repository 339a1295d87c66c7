// The gateway as a Worker, for a configuration that is bundled with it. Everything is built when this is called, at
// module scope, where Workers allow no timer, no chance and no I/O.
import { logTransitions } from "@headgate/core";
import { httpMetrics } from "@headgate/hono";
import { createTelemetry, type Metric, renderMetrics } from "@headgate/otel";
import { type DurableMetrics, durableMetrics, type DurableObjectNamespaceLike } from "@headgate/workers";
import type { Context } from "hono";
import { createApp } from "../app.ts";
import { parseConfig } from "../config.ts";
import { GatewayError } from "../gateway-error.ts";
import { consoleLogger } from "./console-logger.ts";
import { warnNotSent } from "./export-metrics.ts";
import { fetchUpstream } from "./fetch-upstream.ts";
import { flushMetrics } from "./flush-metrics.ts";
import type { MetricsEnv } from "./gateway-metrics.ts";
import { respond } from "./respond.ts";

export { GatewayMetrics } from "./gateway-metrics.ts";

export interface Env extends MetricsEnv {
  /** The binding of `GatewayMetrics`. Without it each isolate pushes for itself, and there is no `/metrics`. */
  readonly METRICS?: DurableObjectNamespaceLike;
}

interface ExecutionContext {
  waitUntil(promise: Promise<unknown>): void;
}

export interface GatewayWorker {
  fetch(request: Request, env: Env, context: ExecutionContext): Promise<Response>;
}

interface WorkersRequest extends Request {
  readonly cf?: { readonly clientAcceptEncoding?: string };
}

/** Longer than any request lasts by itself: only one that was killed keeps its permit so long. */
const permitLeaseMs = 60_000;

/** @throws {ConfigError} which stops the deployment. */
export function createWorker(config: unknown): GatewayWorker {
  const telemetry = createTelemetry();
  const flushOwn = flushMetrics(telemetry);
  // Of this isolate, as everything here; where the binding is known, in its first request.
  let shared: DurableMetrics<Metric> | undefined;
  const checked = parseConfig(config, "The bundled configuration");
  const gateway = createApp({
    config: checked,
    upstream: fetchUpstream(),
    respond,
    meter: telemetry,
    measure: httpMetrics({ meter: telemetry.httpServer, whenSent }),
    observer: logTransitions({ logger: consoleLogger(checked.logLevel) }),
    permitLeaseMs,
    incoming: (c) => ({
      request: c.req.raw,
      headers: headersOf(c.req.raw),
      clientAddress: c.req.raw.headers.get("cf-connecting-ip") ?? undefined,
      waitUntil: (promise) => {
        c.set(streaming, promise);
        c.executionCtx.waitUntil(promise);
        // What is counted when a body has ended is told then.
        shared?.flush(c.executionCtx, promise);
      },
    }),
    metrics: async (accept) => {
      if (shared === undefined)
        throw new GatewayError("ERR_NO_ROUTE", "There are no metrics without a METRICS binding");
      return renderMetrics(await shared.collect(), accept);
    },
  });
  for (const { repeatable, once } of gateway.routes) {
    telemetry.watch(repeatable);
    telemetry.watch(once);
  }
  return {
    async fetch(request, env, context) {
      if (env.METRICS)
        shared ??= durableMetrics({ namespace: env.METRICS, collect: () => telemetry.collect(), onError: warnNotSent });
      const response = Promise.resolve(gateway.fetch(request, env, context as never));
      // Before anything is waited for: a request whose client leaves is kept until it is counted.
      if (shared) shared.flush(context, response);
      else if (env.OTEL_EXPORTER_OTLP_ENDPOINT) context.waitUntil(response.then(() => flushOwn(env)));
      return response;
    },
  };
}

/** The end of a response's body that streams from the upstream, which the runtime moves without JavaScript. */
const streaming = "streaming";

function whenSent(c: Context, over: (error?: unknown) => void): void {
  const ended = c.get(streaming) as Promise<unknown> | undefined;
  if (ended === undefined) over();
  else void ended.then(() => over(), over);
}

/**
 * The fields as the client sent them. What `headers` has as `Accept-Encoding` is what Cloudflare's edge can decode; a client
 * that names nothing, as curl does, must not be given what was compressed for the edge.
 */
function headersOf(request: WorkersRequest): string[] {
  const acceptEncoding = request.cf?.clientAcceptEncoding || "identity";
  return [...request.headers].flatMap(([name, value]) => [name, name === "accept-encoding" ? acceptEncoding : value]);
}
