// The gateway on Node, as a program: `node --conditions=headgate-source apps/gateway/src/node.ts [--workers N]`.
import cluster from "node:cluster";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import type { Logger } from "@headgate/core";
import { serveFlaky } from "@headgate/flaky/node";
import { type ClusterEvent, type ClusterService, ListenError, runCluster } from "@headgate/node";
import type { Metric } from "@headgate/otel";
import { ConfigError, type GatewayConfig } from "./config.ts";
import { integerFrom, loadConfig, workersFrom } from "./node/load-config.ts";
import { createLogger, logLevelFrom } from "./node/logger.ts";
import { type RunningGateway, startGateway, type StartOptions } from "./node/start-gateway.ts";

export { loadConfig } from "./node/load-config.ts";
export { type RunningGateway, startGateway, type StartOptions } from "./node/start-gateway.ts";

const maxMs = 2_147_483_647;

/** Where workers find the demo upstream, which runs once, in the primary. */
const demoVariable = "HEADGATE_DEMO_URL";

async function main(): Promise<void> {
  const path = process.env["HEADGATE_CONFIG"];
  const workers = workersFrom(process.argv.slice(2));
  const own = path !== undefined && path !== "";
  const config = loadConfig(path);
  const logger = createLogger(logLevelFrom(process.env) ?? config.logLevel);
  const demo = own ? undefined : await demoUrl();
  const options: StartOptions = {
    config: demo === undefined ? config : withUpstream(config, demo),
    port: integerFrom("PORT", 8787, 65_535),
    hostname: process.env["HOST"] ?? "127.0.0.1",
    logger,
    otlpEndpoint: process.env["OTEL_EXPORTER_OTLP_ENDPOINT"],
    maxConnections: integerFrom("MAX_CONNECTIONS", 10_000, 1_000_000),
    // Nobody watches the readiness of the demo.
    readinessGraceMs: integerFrom("READINESS_GRACE_MS", own ? 5000 : 0, maxMs),
    drainTimeoutMs: integerFrom("DRAIN_TIMEOUT_MS", 10_000, maxMs),
  };
  if (workers === undefined) {
    const exit = (code: number) => process.exit(code);
    const { url } = await startGateway({ ...options, signals: ["SIGTERM", "SIGINT"], exit });
    if (isWatched(demo)) greet(url, demo, config);
    return;
  }
  // PORT=0: only who listens knows the port.
  const listening = new Promise<number>((resolve) => {
    cluster.once("listening", (_, { port }) => resolve(port));
  });
  const primary = await runCluster<Metric>({
    workers,
    start: async (peers) => serviceOf(await startGateway({ ...options, collect: () => peers.collect() })),
    stopTimeoutMs: (options.readinessGraceMs ?? 0) + (options.drainTimeoutMs ?? 0) + 10_000,
    onEvent: (event) => report(event, logger),
    exit: (code) => process.exit(code),
  });
  const url = `http://${options.hostname}:${await listening}`;
  if (isWatched(demo)) greet(url, demo, config);
  logger.info({ event: "cluster.started", url, pids: primary.pids }, `${workers} workers`);
}

/** The embedded configuration has an upstream to try: the demo, in this process (the primary, in a cluster) and on its own port. */
async function demoUrl(): Promise<string> {
  const running = process.env[demoVariable];
  if (cluster.isWorker && running !== undefined) return running;
  const { url } = await serveFlaky({ port: integerFrom("DEMO_PORT", 8788, 65_535) });
  process.env[demoVariable] = url;
  return url;
}

function withUpstream(config: GatewayConfig, upstream: string): GatewayConfig {
  return { ...config, routes: config.routes.map((route) => ({ ...route, upstream })) };
}

function serviceOf(running: RunningGateway): ClusterService<Metric> {
  return {
    // While a successor listens nobody has to notice, only clients to be told.
    stop: (trigger, reload) => running.shutdown.start(trigger, reload ? 500 : undefined),
    collect: running.collect,
  };
}

/** What happens to the processes, for the log. Those that start as planned log that themselves. */
function report({ type, ...details }: ClusterEvent, logger: Logger): void {
  if (type === "cluster.worker-ready") return;
  const asPlanned = type === "cluster.reloaded" || ("expected" in details && details.expected);
  const { error: err, ...fields } = { error: undefined, ...details };
  logger[asPlanned ? "info" : "warn"]({ event: type, ...fields, ...(err !== undefined && { err }) }, type);
}

/** Whether somebody sits in front of it, who is better served with something to try than with JSON alone. */
function isWatched(demo: string | undefined): boolean {
  return demo !== undefined || process.stdout.isTTY;
}

function greet(url: string, demo: string | undefined, config: GatewayConfig): void {
  const [first] = config.routes;
  const prefix = !first || first.pathPrefix === "/" ? "" : first.pathPrefix;
  const lines = [
    `Headgate gateway:  ${url}`,
    ...(demo === undefined ? [] : [`Demo upstream:     ${demo}`]),
    "",
    "Try:",
    `  curl ${url}${prefix}/echo`,
    `  curl -i ${url}${prefix}/status/503`,
    `  curl ${url}/metrics`,
    "",
  ];
  console.log(lines.join("\n"));
}

const [, script] = process.argv;
if (script !== undefined && import.meta.url === pathToFileURL(resolve(script)).href) {
  main().catch((error: unknown) => {
    console.error(isExpected(error) ? error.message : error);
    const { message, code } =
      error instanceof Error ? (error as Error & { code?: unknown }) : { message: String(error) };
    createLogger("info").error({ event: "gateway.failed", code }, `does not start: ${message}`);
    process.exit(1);
  });
}

/** Errors that say all there is to say: a stack would only hide it. */
function isExpected(error: unknown): error is Error {
  if (error instanceof ConfigError || error instanceof ListenError) return true;
  return error instanceof Error && "code" in error && error.code === "EADDRINUSE";
}
