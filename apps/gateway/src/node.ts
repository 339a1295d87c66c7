// The gateway on Node: `node --conditions=headgate-source apps/gateway/src/node.ts`.
import { readFileSync } from "node:fs";
import type { IncomingMessage, Server } from "node:http";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { serveFlaky } from "@headgate/flaky/node";
import { createTelemetry, prometheusContentType, toPrometheusText } from "@headgate/otel";
import { serve } from "@hono/node-server";
import embedded from "../headgate.json" with { type: "json" };
import { createApp, type Gateway } from "./app.ts";
import { ConfigError, type GatewayConfig, parseConfig } from "./config.ts";
import { pushMetrics } from "./node/push-metrics.ts";
import { respond } from "./node/respond.ts";
import { undiciUpstream } from "./node/undici-upstream.ts";

/** Reads and checks the file that `HEADGATE_CONFIG` names, or the embedded default. @throws {ConfigError} */
export function loadConfig(path: string | undefined): GatewayConfig {
  if (path === undefined || path === "") return parseConfig(embedded, "the embedded configuration");
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw new ConfigError(`HEADGATE_CONFIG (${path})`, [
      `must be a file that can be read, got ${(error as Error).message}`,
    ]);
  }
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw new ConfigError(path, [`must be JSON, got ${(error as Error).message}`]);
  }
  return parseConfig(parsed, path);
}

export interface RunningGateway {
  readonly url: string;
  readonly gateway: Gateway;
  /** Not ready, then no new connections, then the end of what runs; after `drainMs` what still runs is cut off. */
  close(drainMs?: number): Promise<void>;
}

export interface StartOptions {
  readonly config: GatewayConfig;
  /** 0 for any free one. */
  readonly port: number;
  readonly hostname?: string;
  /** Where metrics are pushed to over OTLP. @default nowhere */
  readonly otlpEndpoint?: string | undefined;
}

interface NodeEnv {
  readonly incoming: IncomingMessage;
}

export async function startGateway(options: StartOptions): Promise<RunningGateway> {
  const { config, port, hostname = "127.0.0.1", otlpEndpoint } = options;
  const telemetry = createTelemetry();
  const upstream = undiciUpstream();
  let ready = true;
  const gateway = createApp({
    config,
    upstream,
    respond,
    observer: telemetry.observer,
    isReady: () => ready,
    incoming: (c) => {
      const { incoming } = c.env as NodeEnv;
      return { request: c.req.raw, headers: incoming.rawHeaders, clientAddress: incoming.socket.remoteAddress };
    },
    metrics: () => ({ contentType: prometheusContentType, text: toPrometheusText(telemetry.collect()) }),
  });
  for (const { breaker, limit } of gateway.routes) {
    telemetry.watch(breaker);
    telemetry.watch(limit);
  }
  const push = otlpEndpoint ? pushMetrics({ telemetry, endpoint: otlpEndpoint }) : undefined;
  const server = serve({ fetch: gateway.fetch, port, hostname }) as Server;
  await listening(server);
  const address = server.address();
  const boundPort = typeof address === "object" && address !== null ? address.port : port;
  return {
    url: `http://${hostname}:${boundPort}`,
    gateway,
    async close(drainMs = 10_000) {
      ready = false;
      const closed = new Promise<void>((done) => server.close(() => done()));
      server.closeIdleConnections();
      // Keep-alive connections go idle one by one as their responses end.
      const sweep = setInterval(() => server.closeIdleConnections(), 100);
      const deadline = setTimeout(() => server.closeAllConnections(), drainMs);
      await closed;
      clearInterval(sweep);
      clearTimeout(deadline);
      await upstream.close(drainMs);
      await push?.stop();
    },
  };
}

function listening(server: Server): Promise<void> {
  return new Promise((done, fail) => {
    server.once("listening", done);
    server.once("error", fail);
  });
}

/** `PORT=0` means any free port; what is not a port is an error, not a default. */
function portFrom(name: string, fallback: number): number {
  const given = process.env[name];
  if (given === undefined || given === "") return fallback;
  const port = Number(given);
  if (Number.isInteger(port) && port >= 0 && port <= 65_535) return port;
  throw new ConfigError("The environment", [`${name} must be a port from 0 to 65535, got ${JSON.stringify(given)}`]);
}

async function main(): Promise<void> {
  const path = process.env["HEADGATE_CONFIG"];
  let config = loadConfig(path);
  const closers: (() => Promise<void>)[] = [];
  const lines: string[] = [];
  if (path === undefined || path === "") {
    // The embedded configuration has an upstream to try: the demo, in this process and on its own port.
    const demo = await serveFlaky({ port: portFrom("DEMO_PORT", 8788) });
    closers.push(() => demo.close());
    config = { ...config, routes: config.routes.map((route) => ({ ...route, upstream: demo.url })) };
    lines.push(`Demo upstream:     ${demo.url}`);
  }
  const running = await startGateway({
    config,
    port: portFrom("PORT", 8787),
    hostname: process.env["HOST"] ?? "127.0.0.1",
    otlpEndpoint: process.env["OTEL_EXPORTER_OTLP_ENDPOINT"],
  });
  closers.unshift(() => running.close());
  console.log([`Headgate gateway:  ${running.url}`, ...lines, ...tryThese(running.url, config)].join("\n"));
  stopOnSignal(closers);
}

function tryThese(url: string, config: GatewayConfig): string[] {
  const [first] = config.routes;
  const prefix = !first || first.pathPrefix === "/" ? "" : first.pathPrefix;
  return [
    "",
    "Try:",
    `  curl ${url}${prefix}/echo`,
    `  curl -i ${url}${prefix}/status/503`,
    `  curl ${url}/metrics`,
    "",
  ];
}

/** The first signal stops in order, the second at once. */
function stopOnSignal(closers: readonly (() => Promise<void>)[]): void {
  let stopping = false;
  const stop = () => {
    if (stopping) process.exit(1);
    stopping = true;
    void (async () => {
      for (const close of closers) await close();
      process.exit(0);
    })();
  };
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
}

const [, script] = process.argv;
if (script !== undefined && import.meta.url === pathToFileURL(resolve(script)).href) {
  main().catch((error: unknown) => {
    const known = error instanceof ConfigError || (error as { code?: string }).code === "EADDRINUSE";
    console.error(known ? (error as Error).message : error);
    process.exit(1);
  });
}
