// The gateway as a server of this process, with its upstream connections, its metrics and its end in order.
import type { IncomingMessage, ServerResponse } from "node:http";
import { type Logger, logTransitions } from "@headgate/core";
import { httpMetrics } from "@headgate/hono";
import { admission, gracefulShutdown, runtimeMetrics, saturation, serve, type Shutdown } from "@headgate/node";
import { createTelemetry, type Metric, renderMetrics } from "@headgate/otel";
import { createTracer, traceRequest } from "@headgate/otel/tracing";
import type { Context } from "hono";
import { createApp, type Gateway } from "../app.ts";
import type { GatewayConfig } from "../config.ts";
import { pushMetrics } from "./push-metrics.ts";
import { respond } from "./respond.ts";
import { undiciUpstream } from "./undici-upstream.ts";

export interface StartOptions {
  readonly config: GatewayConfig;
  /** 0 for any free one. */
  readonly port: number;
  /** @default "127.0.0.1" */
  readonly hostname?: string;
  /** Where transitions, the start and the stop are logged, never calls. @default nowhere */
  readonly logger?: Logger | undefined;
  /** Where metrics are pushed to over OTLP. @default nowhere */
  readonly otlpEndpoint?: string | undefined;
  /** How long it serves on after it has said that it is not ready. @default 0 */
  readonly readinessGraceMs?: number;
  /** How long requests may take to end when it stops. @default 10000 */
  readonly drainTimeoutMs?: number;
  /** Connections of clients at once; further ones are closed. @default 10000 */
  readonly maxConnections?: number;
  /** What starts the end. @default nothing: `close` does */
  readonly signals?: readonly NodeJS.Signals[];
  /** Called last. @default nothing */
  readonly exit?: (code: number) => void;
  /** The metrics that `/metrics` shows, where they are not this process's alone. @default its own */
  readonly collect?: (() => Promise<readonly Metric[]>) | undefined;
}

export interface RunningGateway {
  readonly url: string;
  readonly gateway: Gateway;
  readonly shutdown: Shutdown;
  /** What this process has counted, and what it measures of itself. */
  readonly collect: () => readonly Metric[];
  /** Not ready, then no new connections, then the end of what runs, then what is left to send. */
  close(): Promise<void>;
}

interface NodeEnv {
  readonly incoming: IncomingMessage;
  readonly outgoing: ServerResponse;
}

const nothing = (): void => {};

/** @throws {ListenError} when it cannot listen. */
export async function startGateway(options: StartOptions): Promise<RunningGateway> {
  const { config, port, hostname = "127.0.0.1", otlpEndpoint, collect, logger } = options;
  const {
    maxConnections = 10_000,
    readinessGraceMs = 0,
    drainTimeoutMs = 10_000,
    signals = [],
    exit = nothing,
  } = options;
  const telemetry = createTelemetry();
  const runtime = runtimeMetrics();
  const collectOwn = (): readonly Metric[] => [...telemetry.collect(), ...runtime.collect()];
  const upstream = undiciUpstream();
  const stopping = new AbortController();
  const load = config.routes.some((route) => route.loadShed.enabled) ? saturation() : undefined;
  let isReady = () => true;
  const gateway = createApp({
    config,
    upstream,
    respond,
    meter: telemetry,
    observer: logger && logTransitions({ logger }),
    measure: httpMetrics({ meter: telemetry.httpServer, whenSent }),
    tracer: createTracer(),
    traceRequest,
    admission: admission({ stopping: stopping.signal }),
    shedSignals: load?.signals,
    isReady: () => isReady(),
    incoming: (c) => {
      const { incoming } = c.env as NodeEnv;
      return { request: c.req.raw, headers: incoming.rawHeaders, clientAddress: incoming.socket.remoteAddress };
    },
    metrics: async (accept) => renderMetrics(collect ? await collect() : collectOwn(), accept),
  });
  for (const { repeatable, once } of gateway.routes) {
    telemetry.watch(repeatable);
    telemetry.watch(once);
  }
  const server = await serve({ fetch: gateway.fetch, port, hostname, maxConnections });
  const push = otlpEndpoint
    ? pushMetrics({ telemetry: { collect: collectOwn }, endpoint: otlpEndpoint, warn: logger && pushWarning(logger) })
    : undefined;
  load?.start();
  runtime.start();
  const shutdown = gracefulShutdown(server, {
    signals,
    readinessGraceMs,
    drainTimeoutMs,
    onStopAdmitting: (reason) => stopping.abort(reason),
    flush: async () => {
      load?.stop();
      try {
        await Promise.all([upstream.close(0), push?.stop()]);
      } finally {
        runtime.stop();
      }
    },
    onPhase: (phase, trigger) => logger?.info({ event: "gateway.shutdown", phase, trigger }, `shutdown: ${phase}`),
    onError: (err) => logger?.error({ event: "gateway.shutdown-error", err }, "shutdown: something has failed"),
    exit,
  });
  const { url } = server;
  logger?.info({ event: "gateway.started", url, routes: config.routes.length }, `listening on ${url}`);
  isReady = shutdown.isReady;
  return {
    url,
    gateway,
    shutdown,
    collect: collectOwn,
    async close() {
      await shutdown.start("close");
      shutdown.dispose();
    },
  };
}

function pushWarning(logger: Logger): (message: string) => void {
  return (message) => logger.warn({ event: "gateway.metrics-not-sent" }, message);
}

/** The socket tells, so that bodies go to it without a stream of ours in between. */
function whenSent(c: Context, over: (error?: unknown) => void): void {
  const { outgoing } = c.env as NodeEnv;
  if (outgoing.closed) over();
  else outgoing.on("close", over);
}
