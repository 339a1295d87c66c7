import { circuitBreaker, pipeline } from "@headgate/core";
import { TestClock } from "@headgate/core/testing";
import type { MeterProvider as ApiMeterProvider } from "@opentelemetry/api";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { MeterProvider, type MetricProducer, MetricReader } from "@opentelemetry/sdk-metrics";
import { describe, expect, it } from "vitest";
import { createTelemetry, metricProducer, registerInstruments } from "./index.ts";

class PullReader extends MetricReader {
  protected override async onForceFlush(): Promise<void> {}
  protected override async onShutdown(): Promise<void> {}

  /** Points as `{ "value,value": number }` by name; histograms give their count. */
  async read(): Promise<Record<string, Record<string, number>>> {
    const { resourceMetrics, errors } = await this.collect();
    expect(errors).toEqual([]);
    return Object.fromEntries(
      resourceMetrics.scopeMetrics
        .flatMap(({ metrics }) => metrics)
        .map(({ descriptor, dataPoints }) => [
          descriptor.name,
          Object.fromEntries(
            dataPoints.map(({ attributes, value }) => [
              Object.values(attributes).join(","),
              typeof value === "number" ? value : value.count,
            ]),
          ),
        ]),
    );
  }
}

function setUp() {
  const clock = new TestClock();
  const telemetry = createTelemetry();
  const breaker = circuitBreaker({ name: "b", clock });
  const calls = pipeline({ name: "p", clock, meter: telemetry }, breaker);
  telemetry.watch(calls);
  const run = async () => {
    await calls.execute(() => 1);
    await calls.execute(() => Promise.reject(new RangeError("no"))).catch(() => {});
  };
  return { telemetry, run };
}

const timing = { resource: resourceFromAttributes({}), startTimeMs: 0, epochMs: () => 1000 };

describe("registerInstruments", () => {
  it("lets a provider's readers observe what was counted, and the producer add the histograms", async () => {
    const { telemetry, run } = setUp();
    const producer: MetricProducer = metricProducer(telemetry, { ...timing, histogramsOnly: true });
    const reader = new PullReader({ metricProducers: [producer] });
    const provider: ApiMeterProvider = new MeterProvider({ readers: [reader] });
    const stop = registerInstruments(telemetry, provider);
    await run();
    const read = await reader.read();
    expect(read).toMatchObject({
      "async.pipeline.success": { p: 1 },
      "async.pipeline.failure": { "p,RangeError": 1 },
      "async.pipeline.active": { p: 0 },
      "circuit.breaker.status": { "b,closed": 1, "b,open": 0 },
      "async.pipeline.latency": { "p,success": 1, "p,failure,RangeError": 1 },
    });
    stop();
    await run();
    // The SDK repeats what it saw last.
    expect((await reader.read())["async.pipeline.success"]).toEqual({ p: 1 });
  });

  it("records each value in the SDK's histograms when told to, until it is stopped", async () => {
    const { telemetry, run } = setUp();
    const reader = new PullReader();
    const stop = registerInstruments(telemetry, new MeterProvider({ readers: [reader] }), { recordHistograms: true });
    await run();
    const counted = { "p,success": 1, "p,failure,RangeError": 1 };
    expect(await reader.read()).toMatchObject({
      "async.pipeline.latency": counted,
      "retry.attempts": { "p,success": 1, "p,failure": 1 },
    });
    stop();
    await run();
    expect((await reader.read())["async.pipeline.latency"]).toEqual(counted);
  });
});

describe("metricProducer", () => {
  it("gives a reader everything", async () => {
    const { telemetry, run } = setUp();
    await run();
    const reader = new PullReader({ metricProducers: [metricProducer(telemetry, timing)] });
    new MeterProvider({ readers: [reader] }).getMeter("unused");
    expect(await reader.read()).toMatchObject({
      "async.pipeline.success": { p: 1 },
      "async.pipeline.latency": { "p,success": 1 },
    });
  });
});
