// A run as a picture: load and goodput, the limit, and the latency over time.
import { chartOf, type Line, type Panel, topOf } from "@headgate/charts";
import type { Slice } from "./measures.ts";

export interface Charted {
  readonly name: string;
  readonly color: string;
  readonly slices: readonly Slice[];
}

export function chart(title: string, runs: readonly Charted[]): string {
  const line = (name: string, color: string, slices: readonly Slice[], value: (slice: Slice) => number): Line => ({
    name,
    color,
    values: slices.map(value),
  });
  const each = (value: (slice: Slice) => number) =>
    runs.map(({ name, color, slices }) => line(name, color, slices, value));
  const [first] = runs as [Charted, ...Charted[]];
  const perSecond = (key: "offered" | "good") => (slice: Slice) => slice[key] / (slice.durationMs / 1000);
  const throughput = [line("load", "#bbb", first.slices, perSecond("offered")), ...each(perSecond("good"))];
  const limits = each(({ limit }) => limit);
  const latencies = each(({ good, latencySumMs }) => (good === 0 ? 0 : latencySumMs / good));
  const panels: Panel[] = [
    { title: "load and goodput, per second", lines: throughput, top: topOf(throughput, 0) },
    { title: "limit, of all clients together", lines: limits, top: topOf(limits) },
    { title: "latency of good calls, mean, ms", lines: latencies, top: topOf(latencies) },
  ];
  const seconds = Math.round(((first.slices.at(-1)?.startMs ?? 0) + (first.slices[0]?.durationMs ?? 0)) / 1000);
  return chartOf(title, panels, seconds);
}
