// The gateway as a Worker, for a configuration that is bundled with it. Everything is built when this is called, at
// module scope, where Workers allow no timer, no chance and no I/O.
import { logTransitions } from "@headgate/core";
import { httpMetrics } from "@headgate/hono";
import { createTelemetry } from "@headgate/otel";
import type { Context } from "hono";
import { createApp } from "../app.ts";
import { parseConfig } from "../config.ts";
import { consoleLogger } from "./console-logger.ts";
import { fetchUpstream } from "./fetch-upstream.ts";
import { flushMetrics } from "./flush-metrics.ts";
import { respond } from "./respond.ts";

export interface Env {
  /** Where metrics go over OTLP; none without it. */
  readonly OTEL_EXPORTER_OTLP_ENDPOINT?: string;
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
  const flush = flushMetrics(telemetry);
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
      },
    }),
  });
  for (const { repeatable, once } of gateway.routes) {
    telemetry.watch(repeatable);
    telemetry.watch(once);
  }
  return {
    async fetch(request, env, context) {
      const response = await gateway.fetch(request, env, context as never);
      if (env.OTEL_EXPORTER_OTLP_ENDPOINT) context.waitUntil(flush(env.OTEL_EXPORTER_OTLP_ENDPOINT));
      return response;
    },
  };
}

/** The end of a response's body that streams from the upstream, which the runtime moves without JavaScript. */
const streaming = "streaming";

function whenSent(c: Context, over: (error?: unknown) => void): void {
  const ended = c.get(streaming) as Promise<unknown> | undefined;
  if (ended === undefined) over();
  else void ended.then(() => over());
}

/**
 * The fields as the client sent them. What `headers` has as `Accept-Encoding` is what Cloudflare's edge can decode; a client
 * that names nothing, as curl does, must not be given what was compressed for the edge.
 */
function headersOf(request: WorkersRequest): string[] {
  const acceptEncoding = request.cf?.clientAcceptEncoding || "identity";
  return [...request.headers].flatMap(([name, value]) => [name, name === "accept-encoding" ? acceptEncoding : value]);
}
