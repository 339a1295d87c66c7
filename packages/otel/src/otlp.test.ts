import { circuitBreaker, countWindow, pipeline } from "@headgate/core";
import { TestClock } from "@headgate/core/testing";
import type { Resource } from "@opentelemetry/resources";
import type { ResourceMetrics } from "@opentelemetry/sdk-metrics";
import { describe, expect, it } from "vitest";
import { createTelemetry, toResourceMetrics } from "./index.ts";

describe("toResourceMetrics", () => {
  it("gives what the SDK's exporters take", async () => {
    const telemetry = createTelemetry();
    const clock = new TestClock();
    const slow = pipeline({ name: "p", clock, meter: telemetry }).execute(() => clock.sleep(20));
    await clock.advance(20);
    await slow;
    const trip = countWindow({ calls: 4 });
    const breaker = circuitBreaker({ name: "b", trip });
    telemetry.watch(breaker);
    const resource = { attributes: { "service.name": "s" } } as unknown as Resource;
    // The annotation is the test: the shapes and the values of the enums are those of the SDK.
    const made: ResourceMetrics = toResourceMetrics(telemetry.collect(), {
      resource,
      startTimeMs: 1_700_000_000_250,
      timeMs: 1_700_000_001_500.75,
    });
    expect(made.resource).toBe(resource);
    const [{ scope, metrics } = { scope: undefined, metrics: [] }] = made.scopeMetrics;
    expect(scope).toEqual({ name: "@headgate/otel" });
    const startTime = [1_700_000_000, 250_000_000];
    const endTime = [1_700_000_001, 500_000_000];
    expect(metrics.find(({ descriptor }) => descriptor.name === "async.pipeline.latency")).toMatchObject({
      descriptor: { unit: "s" },
      aggregationTemporality: 1,
      dataPointType: 0,
      dataPoints: [
        {
          startTime,
          endTime,
          attributes: { "pipeline.name": "p", "pipeline.outcome": "success" },
          value: { count: 1, sum: 0.02, buckets: { counts: [0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0] } },
        },
      ],
    });
    expect(metrics.find(({ descriptor }) => descriptor.name === "async.pipeline.success")).toMatchObject({
      descriptor: { unit: "{execution}", valueType: 0 },
      aggregationTemporality: 1,
      dataPointType: 3,
      isMonotonic: true,
      dataPoints: [{ startTime, endTime, attributes: { "pipeline.name": "p" }, value: 1 }],
    });
    expect(metrics.find(({ descriptor }) => descriptor.name === "circuit.breaker.failure.ratio")).toMatchObject({
      descriptor: { unit: "1", valueType: 1 },
      dataPointType: 2,
      dataPoints: [{ attributes: { "circuit_breaker.name": "b" }, value: 0 }],
    });
    expect(metrics.map(({ descriptor }) => descriptor.name)).not.toContain("concurrency.active");
  });

  it("has no scope while nothing was counted", () => {
    const made = toResourceMetrics(createTelemetry().collect(), { resource: null, startTimeMs: 0, timeMs: 0 });
    expect(made).toEqual({ resource: null, scopeMetrics: [] });
  });
});
