// The bridge to OpenTelemetry's SDK, with the previous generation of it: api 1.9 with sdk 2. The present one is what the
// package's own tests run with. The two cannot be installed side by side, so this one gets a folder of its own.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export const name = "instruments, producer and tracer work with api 1.9 and sdk 2.12";

const packages = [
  "@opentelemetry/api@1.9.1",
  "@opentelemetry/context-async-hooks@2.12.0",
  "@opentelemetry/resources@2.12.0",
  "@opentelemetry/sdk-metrics@2.12.0",
  "@opentelemetry/sdk-trace-base@2.12.0",
];
let folder;

export async function install() {
  folder = mkdtempSync(join(tmpdir(), "headgate-otel-"));
  writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true, type: "module" }));
  execFileSync("npm", ["install", "--no-audit", "--no-fund", ...packages], { cwd: folder, stdio: "inherit" });
}

export async function run() {
  const source = (path) => JSON.stringify(new URL(`../../packages/${path}`, import.meta.url).href);
  const program = `
import { registerHooks } from "node:module";
import { context, metrics, trace } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { MeterProvider, MetricReader } from "@opentelemetry/sdk-metrics";
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-base";
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

// The workspace has the present API beside the package, which would not look at what this one has registered.
registerHooks({
  resolve: (specifier, { parentURL, ...rest }, next) =>
    next(specifier, { ...rest, parentURL: specifier === "@opentelemetry/api" ? import.meta.url : parentURL }),
});
const { createTracer } = await import(${source("otel/src/tracing/index.ts")});
const exporter = new InMemorySpanExporter();
context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }));
const traced = pipeline({ name: "traced", tracer: createTracer() });
await trace.getTracer("t").startActiveSpan("parent", async (parent) => {
  await traced.execute(() => trace.getActiveSpan().setAttribute("inside", true));
  parent.end();
});
const spans = exporter.getFinishedSpans();
const nameOf = (id) => spans.find((span) => span.spanContext().spanId === id)?.name;
for (const { name, parentSpanContext, attributes } of spans)
  console.log([nameOf(parentSpanContext?.spanId), name, attributes.inside].filter(Boolean).join(" > "));
`;
  const expected = ["1 1 10000", "traced > traced attempt > true", "parent > traced", "parent"].join("\n");
  try {
    writeFileSync(join(folder, "program.mjs"), program);
    const node = ["--conditions=headgate-source", "program.mjs"];
    const output = execFileSync(process.execPath, node, { cwd: folder, encoding: "utf8" }).trim();
    if (output !== expected) throw new Error(`expected ${JSON.stringify(expected)}, got ${JSON.stringify(output)}`);
    console.log("a success, its duration, the breaker's state and the spans of a call have arrived");
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
