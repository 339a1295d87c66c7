// Metrics of a made-up service, and their totals at a glance.
import type { MetricLike } from "@headgate/workers";

export interface Counted {
  ok: number;
  failed: number;
  active: number;
  readonly more: MetricLike[];
}

const outcome = (value: string): { outcome: string } => ({ outcome: value });

export function calls({ ok, failed }: Counted): MetricLike {
  return {
    name: "calls",
    kind: "counter",
    unit: "{execution}",
    description: "Calls.",
    attributes: ["outcome"],
    points: [
      { attributes: outcome("ok"), value: ok },
      { attributes: outcome("failed"), value: failed },
    ],
  };
}

/** Those that went well took half a second, the others two. */
export function latency({ ok, failed }: Counted): MetricLike {
  return {
    name: "latency",
    kind: "histogram",
    unit: "s",
    description: "Durations.",
    attributes: [],
    boundaries: [1],
    points: [{ attributes: {}, count: ok + failed, sum: ok * 0.5 + failed * 2, bucketCounts: [ok, failed] }],
  };
}

export function active(point: { value: number }): MetricLike {
  return {
    name: "active",
    kind: "up-down-counter",
    unit: "{execution}",
    description: "Calls now.",
    attributes: [],
    points: [{ attributes: {}, ...point }],
  };
}

export function totalsOf(metrics: readonly MetricLike[]) {
  const points = (name: string) => metrics.find((metric) => metric.name === name)?.points ?? [];
  const value = (of: string) => points("calls").find(({ attributes }) => attributes["outcome"] === of)?.value;
  const [durations] = points("latency");
  return {
    ok: value("ok"),
    failed: value("failed"),
    active: points("active")[0]?.value,
    latency: [durations?.count, ...(durations?.bucketCounts ?? [])],
  };
}
