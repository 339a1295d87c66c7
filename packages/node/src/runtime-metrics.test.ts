import { TestClock } from "@headgate/core/testing";
import { describe, expect, it } from "vitest";
import { until } from "../test/support/eventually.ts";
import { runtimeMetrics, type RuntimeMetricsOptions } from "./runtime-metrics.ts";
import type { RuntimeMetric } from "./runtime-metrics-definitions.ts";
import type { DelayReading, GcType, RuntimeProbe } from "./runtime-metrics-probe.ts";

const delayOf = (maxMs: number): DelayReading => ({
  min: 10,
  max: maxMs,
  mean: 12.5,
  stddev: 0.5,
  p50: 11,
  p90: 14,
  p99: maxMs,
});

/** A process whose loop is blocked by hand: each watch sees the longest block since it began. */
class FakeProcess implements RuntimeProbe {
  activeMs = 1000;
  idleMs = 9000;
  readonly watches = new Set<{ maxMs: number | undefined }>();
  readonly gcListeners = new Set<(type: GcType, durationMs: number) => void>();

  /** The watches learn of it only when it has ended, and those that begin meanwhile do not. */
  block(ms: number): () => void {
    const watches = [...this.watches];
    return () => {
      this.activeMs += ms;
      for (const watch of watches) watch.maxMs = Math.max(watch.maxMs ?? 0, ms);
    };
  }

  watchDelay() {
    const watch: { maxMs: number | undefined } = { maxMs: undefined };
    this.watches.add(watch);
    return {
      read: () => (watch.maxMs === undefined ? undefined : delayOf(watch.maxMs)),
      stop: () => void this.watches.delete(watch),
    };
  }

  loopTime() {
    return { activeMs: this.activeMs, idleMs: this.idleMs };
  }

  watchGc(onGc: (type: GcType, durationMs: number) => void) {
    this.gcListeners.add(onGc);
    return { stop: () => void this.gcListeners.delete(onGc) };
  }

  gc(type: GcType, durationMs: number): void {
    for (const onGc of this.gcListeners) onGc(type, durationMs);
  }

  heapSpaces() {
    return [
      { name: "new_space", usedBytes: 1, sizeBytes: 2, availableBytes: 3, physicalBytes: 4 },
      { name: "old_space", usedBytes: 10, sizeBytes: 20, availableBytes: 30, physicalBytes: 40 },
    ];
  }
}

function measured(options: RuntimeMetricsOptions = {}) {
  const clock = new TestClock();
  const node = new FakeProcess();
  const runtime = runtimeMetrics({ clock, probe: () => node, ...options });
  const find = (name: string) => runtime.collect().find((metric) => metric.name === name);
  const value = (name: string) => numbers(find(name))[""];
  return { clock, node, runtime, find, value, maxDelay: () => value("nodejs.eventloop.delay.max") };
}

/** Values by those of the attributes. */
function numbers(metric: RuntimeMetric | undefined): Record<string, number> {
  if (metric === undefined || metric.kind === "histogram") return {};
  return Object.fromEntries(metric.points.map(({ attributes, value }) => [Object.values(attributes).join(","), value]));
}

describe("runtimeMetrics", () => {
  it("gives delays in seconds, and no point before there is one", () => {
    const { node, runtime, find } = measured();
    runtime.start();
    expect(find("nodejs.eventloop.delay.max")?.points).toEqual([]);
    node.block(300)();
    const delays = runtime.collect().filter(({ name }) => name.startsWith("nodejs.eventloop.delay."));
    expect(delays.map((metric) => [metric.name.slice(23), metric.kind, metric.unit, numbers(metric)[""]])).toEqual([
      ["min", "gauge", "s", 0.01],
      ["max", "gauge", "s", 0.3],
      ["mean", "gauge", "s", 0.0125],
      ["stddev", "gauge", "s", 0.0005],
      ["p50", "gauge", "s", 0.011],
      ["p90", "gauge", "s", 0.014],
      ["p99", "gauge", "s", 0.3],
    ]);
  });

  it("gives the loop's time since it started, and which share was active", () => {
    const { node, runtime, find, value } = measured();
    runtime.start();
    expect(find("nodejs.eventloop.utilization")?.points).toEqual([]);
    node.activeMs += 250;
    node.idleMs += 750;
    expect(value("nodejs.eventloop.utilization")).toBe(0.25);
    expect(find("nodejs.eventloop.time")).toMatchObject({ kind: "counter", unit: "s" });
    expect(numbers(find("nodejs.eventloop.time"))).toEqual({ active: 0.25, idle: 0.75 });
  });

  it("counts collections of garbage by type, into the convention's buckets", () => {
    const { node, runtime, find } = measured();
    runtime.start();
    for (const ms of [2, 10, 64, 20_000]) node.gc("minor", ms);
    node.gc("major", 500);
    expect(find("v8js.gc.duration")).toMatchObject({
      kind: "histogram",
      unit: "s",
      boundaries: [0.01, 0.1, 1, 10],
      points: [
        { attributes: { "v8js.gc.type": "minor" }, count: 4, sum: 20.076, bucketCounts: [2, 1, 0, 0, 1] },
        { attributes: { "v8js.gc.type": "major" }, count: 1, sum: 0.5, bucketCounts: [0, 0, 1, 0, 0] },
      ],
    });
  });

  it("gives the spaces of the heap in bytes", () => {
    const { runtime } = measured();
    runtime.start();
    const heap = runtime.collect().filter(({ name }) => name.startsWith("v8js.memory."));
    expect(heap.map((metric) => [metric.name, metric.kind, metric.unit, numbers(metric)])).toEqual([
      ["v8js.memory.heap.used", "up-down-counter", "By", { new_space: 1, old_space: 10 }],
      ["v8js.memory.heap.space.size", "up-down-counter", "By", { new_space: 2, old_space: 20 }],
      ["v8js.memory.heap.space.available_size", "up-down-counter", "By", { new_space: 3, old_space: 30 }],
      ["v8js.memory.heap.space.physical_size", "up-down-counter", "By", { new_space: 4, old_space: 40 }],
    ]);
  });

  it("carries only attributes that a metric is defined with", () => {
    const { node, runtime } = measured();
    runtime.start();
    node.block(1)();
    node.gc("weakcb", 1);
    for (const { name, attributes, points } of runtime.collect()) {
      expect(points.length, name).toBeGreaterThan(0);
      for (const point of points) expect(Object.keys(point.attributes), name).toEqual(attributes);
    }
  });

  it("shows a delay to everybody who collects within a window, and forgets it after two", async () => {
    const { clock, node, runtime, maxDelay } = measured({ windowMs: 30_000 });
    runtime.start();
    node.block(10)();
    // One collects every 10 s, the other every 15 s.
    const seen: [atS: number, maxS: number | undefined][] = [];
    for (let atS = 5; atS <= 120; atS += 5) {
      await clock.advance(5000);
      if (atS === 35) node.block(400)();
      node.block(10)();
      if (atS % 10 === 0) seen.push([atS, maxDelay()]);
      if (atS % 15 === 0) seen.push([atS, maxDelay()]);
    }
    const late = seen.filter(([, maxS]) => maxS === 0.4).map(([atS]) => atS);
    expect(late).toEqual([40, 45, 50, 60, 60, 70, 75, 80, 90]);
    expect(node.watches.size).toBe(2);
  });

  it("shows the delay that is going on while somebody collects to the next who does", async () => {
    const { clock, node, runtime, maxDelay } = measured({ windowMs: 1000 });
    runtime.start();
    const seen: unknown[] = [];
    for (let i = 0; i < 4; i++) {
      node.block(10)();
      const end = i === 1 ? node.block(200) : () => {};
      await clock.advance(1000);
      seen.push(maxDelay());
      end();
    }
    expect(seen).toEqual([0.01, 0.01, 0.2, 0.01]);
  });

  it("takes utilization from the same window as the delays", async () => {
    const { clock, node, runtime, value } = measured({ windowMs: 1000 });
    runtime.start();
    const seen: unknown[] = [];
    for (const activeMs of [1000, 0, 0, 500]) {
      await clock.advance(1000);
      node.activeMs += activeMs;
      node.idleMs += 1000 - activeMs;
      seen.push(value("nodejs.eventloop.utilization"));
    }
    expect(seen).toEqual([1, 0.5, 0, 0.25]);
  });

  it("measures nothing before it starts, and keeps nothing but totals when it stops", () => {
    const { clock, node, runtime, find } = measured();
    expect(runtime.collect()).toEqual([]);
    runtime.stop();
    expect([node.watches.size, node.gcListeners.size]).toEqual([0, 0]);
    runtime.start();
    runtime.start();
    expect([node.watches.size, node.gcListeners.size]).toEqual([1, 1]);
    node.activeMs += 1000;
    node.gc("minor", 1);
    runtime.stop();
    runtime.stop();
    node.activeMs += 1000;
    expect([node.watches.size, node.gcListeners.size, clock.pending]).toEqual([0, 0, 0]);
    expect(runtime.collect().map(({ name }) => name)).toEqual(["nodejs.eventloop.time", "v8js.gc.duration"]);
    expect(numbers(find("nodejs.eventloop.time"))).toEqual({ active: 1, idle: 0 });

    runtime.start();
    node.idleMs += 500;
    node.gc("minor", 1);
    expect(numbers(find("nodejs.eventloop.time"))).toEqual({ active: 1, idle: 0.5 });
    expect(find("v8js.gc.duration")?.points).toMatchObject([{ count: 2 }]);
    runtime.stop();
  });

  it("stops both windows", async () => {
    const { clock, node, runtime } = measured({ windowMs: 1000 });
    runtime.start();
    await clock.advance(1000);
    runtime.collect();
    expect(node.watches.size).toBe(2);
    runtime.stop();
    expect(node.watches.size).toBe(0);
  });

  it("leaves what was collected as it was", () => {
    const { node, runtime, find } = measured();
    runtime.start();
    node.gc("major", 5);
    const before = find("v8js.gc.duration");
    const copy = structuredClone(before);
    node.gc("major", 5);
    expect(before).toEqual(copy);
  });

  it("measures this process", async () => {
    const runtime = runtimeMetrics({ resolutionMs: 1 });
    const find = (name: string) => runtime.collect().find((metric) => metric.name === name);
    runtime.start();
    await until(() => (find("nodejs.eventloop.delay.p99")?.points.length ?? 0) > 0);
    await until(() => {
      // Far more than a young generation holds.
      Array.from({ length: 200_000 }, (_, i) => ({ i }));
      return (find("v8js.gc.duration")?.points.length ?? 0) > 0;
    });
    const collected = new Map(runtime.collect().map((metric) => [metric.name, numbers(metric)]));
    expect(collected.get("nodejs.eventloop.delay.min")?.[""]).toBeGreaterThan(0);
    expect(collected.get("nodejs.eventloop.delay.max")?.[""]).toBeLessThan(60);
    expect(collected.get("nodejs.eventloop.utilization")?.[""]).toBeGreaterThan(0);
    expect(collected.get("nodejs.eventloop.utilization")?.[""]).toBeLessThanOrEqual(1);
    expect(collected.get("v8js.memory.heap.used")?.["old_space"]).toBeGreaterThan(0);
    runtime.stop();
  });

  it.each([
    [{ resolutionMs: 0.5 }, "`runtimeMetrics.resolutionMs` must be an integer from 1 to 1000, got 0.5"],
    [{ windowMs: 0 }, "`runtimeMetrics.windowMs` must be a number from 1 to 2147483647, got 0"],
    [{ probe: 1 as never }, "`runtimeMetrics.probe` must be a function, got 1"],
  ])("refuses %o", (options, message) => {
    expect(() => runtimeMetrics(options)).toThrow(message);
  });
});
