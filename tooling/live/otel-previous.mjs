// The bridge to OpenTelemetry's SDK, with the previous generation of it: api 1.9 with sdk 2. The present one is what the
// package's own tests run with. The two cannot be installed side by side, so this one gets a folder of its own.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export const name = "instruments and producer work with api 1.9 and sdk 2.12";

const packages = ["@opentelemetry/api@1.9.1", "@opentelemetry/sdk-metrics@2.12.0", "@opentelemetry/resources@2.12.0"];
let folder;

export async function install() {
  folder = mkdtempSync(join(tmpdir(), "headgate-otel-"));
  writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true, type: "module" }));
  execFileSync("npm", ["install", "--no-audit", "--no-fund", ...packages], { cwd: folder, stdio: "inherit" });
}

export async function run() {
  const source = (path) => JSON.stringify(new URL(`../../packages/${path}`, import.meta.url).href);
  const program = `
import { metrics } from "@opentelemetry/api";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { MeterProvider, MetricReader } from "@opentelemetry/sdk-metrics";
import { circuitBreaker, pipeline } from ${source("core/src/index.ts")};
import { createTelemetry, metricProducer, registerInstruments } from ${source("otel/src/index.ts")};

class Reader extends MetricReader { async onForceFlush() {} async onShutdown() {} }
const telemetry = createTelemetry();
const resource = resourceFromAttributes({});
const timing = { resource, startTimeMs: 0, epochMs: () => 1000, histogramsOnly: true };
const reader = new Reader({ metricProducers: [metricProducer(telemetry, timing)] });
metrics.setGlobalMeterProvider(new MeterProvider({ resource, readers: [reader] }));
registerInstruments(telemetry, metrics.getMeterProvider());
const calls = pipeline({ name: "p", meter: telemetry }, circuitBreaker({ name: "b" }));
telemetry.watch(calls);
await calls.execute(() => 1);
const { resourceMetrics, errors } = await reader.collect();
if (errors.length > 0) throw errors[0];
const read = (name) =>
  resourceMetrics.scopeMetrics.flatMap(({ metrics }) => metrics).find(({ descriptor }) => descriptor.name === name);
console.log(read("async.pipeline.success").dataPoints[0].value, read("async.pipeline.latency").dataPoints[0].value.count,
  read("circuit.breaker.status").dataPoints.map(({ value }) => value).join(""));
`;
  try {
    writeFileSync(join(folder, "program.mjs"), program);
    const node = ["--conditions=headgate-source", "program.mjs"];
    const output = execFileSync(process.execPath, node, { cwd: folder, encoding: "utf8" }).trim();
    if (output !== "1 1 10000") throw new Error(`expected "1 1 10000", got ${JSON.stringify(output)}`);
    console.log("a success, its duration and the breaker's state have arrived");
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
