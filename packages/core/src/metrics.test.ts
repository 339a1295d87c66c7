import { describe, expect, it } from "vitest";
import { mergeMetrics, onlyTotals } from "./metrics.ts";

const metric = (name: string, kind: string, unit: string, ...points: Record<string, unknown>[]) => ({
  name,
  kind,
  unit,
  description: `About ${name}`,
  points: points.map((point) => ({ attributes: {}, ...point })),
});

describe("mergeMetrics", () => {
  it("adds up what was counted and what is going on, by attributes", () => {
    const a = { attributes: { pipeline: "a", outcome: "success" } };
    const same = { attributes: { outcome: "success", pipeline: "a" } };
    const b = { attributes: { pipeline: "b" } };
    expect(
      mergeMetrics([
        [
          metric("calls", "counter", "{execution}", { ...a, value: 2 }),
          metric("active", "up-down-counter", "{x}", { value: 1 }),
        ],
        [metric("calls", "counter", "{execution}", { ...same, value: 3 }, { ...b, value: 1 })],
        [metric("active", "up-down-counter", "{x}", { value: 4 })],
      ]),
    ).toEqual([
      metric("calls", "counter", "{execution}", { ...a, value: 5 }, { ...b, value: 1 }),
      metric("active", "up-down-counter", "{x}", { value: 5 }),
    ]);
  });

  it("takes the highest of ratios and flags", () => {
    const status = (value: number) => [metric("circuit.breaker.status", "up-down-counter", "1", { value })];
    expect(mergeMetrics([status(0), status(1), status(1)])).toEqual(status(1));
  });

  it("takes the highest of gauges, whatever their unit is", () => {
    const delay = (value: number) => [metric("nodejs.eventloop.delay.p99", "gauge", "s", { value })];
    expect(mergeMetrics([delay(0.02), delay(0.3), delay(0.01)])).toEqual(delay(0.3));
  });

  it("adds histograms up bucket by bucket", () => {
    const latency = (count: number, sum: number, ...bucketCounts: number[]) =>
      metric("latency", "histogram", "s", { count, sum, bucketCounts });
    expect(mergeMetrics([[latency(3, 0.5, 1, 2)], [latency(2, 0.25, 1, 0, 1)]])).toEqual([latency(5, 0.75, 2, 2, 1)]);
  });

  it("leaves the snapshots as they were", () => {
    const first = [metric("calls", "counter", "1", { value: 1 })];
    mergeMetrics([first, first]);
    expect(first).toEqual([metric("calls", "counter", "1", { value: 1 })]);
  });
});

describe("onlyTotals", () => {
  it("keeps what only rises", () => {
    const kinds = ["counter", "up-down-counter", "histogram", "gauge"];
    expect(onlyTotals(kinds.map((kind) => metric(kind, kind, "1"))).map(({ name }) => name)).toEqual([
      "counter",
      "histogram",
    ]);
  });
});
