// 10,000 requests with known outcomes through the gateway on Node and on workerd: every counter is what was sent, in /metrics and
// in what a real OpenTelemetry collector has received alike, and 2,500 values that clients try to bring in are no attributes.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildCollector, startCollector } from "./lib/collector.mjs";
import { startFlaky, startGateway } from "./lib/gateway.mjs";
import { startGatewayOnWorkerd } from "./lib/gateway-on-workerd.mjs";
import { configFor, otlpProblems, pageProblems, sendMix, sizeOf, totalsIn } from "./lib/known-mix.mjs";
import { startOtlpSink } from "./lib/otlp-sink.mjs";
import { eventually } from "./lib/eventually.mjs";

export const name =
  "10,000 requests with known outcomes are in /metrics and at an OpenTelemetry collector as they were sent, on both runtimes";

/** Far below what 2,500 values would make of them. */
const MAX_SERIES = 1000;
const MAX_VALUES = 50;

export async function install() {
  buildCollector();
}

export async function run() {
  await on("Node", startOnNode);
  await on("workerd", (config, endpoint) =>
    startGatewayOnWorkerd(config, { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_METRIC_EXPORT_INTERVAL: "1000" }),
  );
}

async function on(runtime, start) {
  const sink = await startOtlpSink();
  const collector = await startCollector(sink.url);
  const flaky = await startFlaky();
  const gateway = await start(configFor(flaky.url), collector.url);
  let isRunning = true;
  try {
    const startedMs = performance.now();
    const sent = await sendMix(gateway.url, flaky.url);
    const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
    // A response has gone out a moment before that is counted.
    let page = "";
    const isCounted = async () => pageProblems(totalsIn((page = await metricsOf(gateway.url)))).length === 0;
    await eventually("all is counted", isCounted).catch(() => {});
    report(`${runtime}, /metrics`, pageProblems(totalsIn(page)));
    const { series, values } = sizeOf(page);
    if (series > MAX_SERIES || values > MAX_VALUES) {
      throw new Error(`${runtime}: ${series} series, up to ${values} values of a label`);
    }
    if (runtime === "Node") {
      // Its last push is part of its end.
      await gateway.stop();
      isRunning = false;
    } else {
      await eventually("all has been pushed", () => otlpProblems(sink.totals()).length === 0).catch(() => {});
    }
    report(`${runtime}, OTLP`, [...otlpProblems(sink.totals()), ...sink.problems()]);
    console.log(
      `${runtime}: ${sent} requests in ${seconds} s; ${series} series, at most ${values} values of a label; ` +
        `${sink.posts()} pushes of ${sink.reporters().length} reporters, through ${collector.name}`,
    );
  } finally {
    if (isRunning) await gateway.stop();
    await flaky.stop();
    await collector.stop();
    await sink.stop();
  }
}

async function startOnNode(config, endpoint) {
  const folder = mkdtempSync(join(tmpdir(), "headgate-totals-"));
  const path = join(folder, "headgate.json");
  writeFileSync(path, JSON.stringify(config));
  try {
    return await startGateway({
      HEADGATE_CONFIG: path,
      READINESS_GRACE_MS: "0",
      OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function metricsOf(url) {
  const response = await fetch(`${url}/metrics`, { signal: AbortSignal.timeout(10_000) });
  const page = await response.text();
  if (!response.ok) throw new Error(`/metrics answered ${response.status}\n${page}`);
  return page;
}

function report(where, problems) {
  if (problems.length > 0) throw new Error(`${where}:\n${problems.join("\n")}`);
}
