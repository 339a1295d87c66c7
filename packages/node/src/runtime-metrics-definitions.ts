// The names that OpenTelemetry's conventions have for a process on Node.js, and the shapes of what is measured: those of
// `@headgate/otel`, structurally, as packages do not import each other.

interface RuntimeDefinition {
  readonly name: string;
  /** UCUM: `s`, `By`, or `1` for a ratio. */
  readonly unit: string;
  readonly description: string;
  /** The keys that its points may carry. */
  readonly attributes: readonly string[];
}

export interface RuntimeNumberPoint {
  readonly attributes: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface RuntimeHistogramPoint {
  readonly attributes: Readonly<Record<string, string>>;
  readonly count: number;
  readonly sum: number;
  /** One more than there are boundaries, not cumulative. */
  readonly bucketCounts: readonly number[];
}

export interface RuntimeNumberMetric extends RuntimeDefinition {
  readonly kind: "counter" | "up-down-counter" | "gauge";
  readonly points: readonly RuntimeNumberPoint[];
}

export interface RuntimeHistogramMetric extends RuntimeDefinition {
  readonly kind: "histogram";
  /** The upper bounds of the buckets, each included, ascending. */
  readonly boundaries: readonly number[];
  readonly points: readonly RuntimeHistogramPoint[];
}

/** Assignable to `Metric` of `@headgate/otel`. */
export type RuntimeMetric = RuntimeNumberMetric | RuntimeHistogramMetric;

type NumberDefinition = Omit<RuntimeNumberMetric, "points">;

export const loopState = "nodejs.eventloop.state";
export const gcType = "v8js.gc.type";
export const heapSpaceName = "v8js.heap.space.name";

export const delayStatistics = ["min", "max", "mean", "stddev", "p50", "p90", "p99"] as const;

const delayTexts = {
  min: "The shortest delay of the event loop.",
  max: "The longest delay of the event loop.",
  mean: "The mean delay of the event loop.",
  stddev: "The standard deviation of the event loop's delay.",
  p50: "The median of the event loop's delay.",
  p90: "The 90th percentile of the event loop's delay.",
  p99: "The 99th percentile of the event loop's delay.",
} as const;

export function delayDefinition(statistic: (typeof delayStatistics)[number]): NumberDefinition {
  return {
    name: `nodejs.eventloop.delay.${statistic}`,
    kind: "gauge",
    unit: "s",
    description: delayTexts[statistic],
    attributes: [],
  };
}

export const loopUtilization: NumberDefinition = {
  name: "nodejs.eventloop.utilization",
  kind: "gauge",
  unit: "1",
  description: "The share of the time in which the event loop was active.",
  attributes: [],
};

export const loopTime: NumberDefinition = {
  name: "nodejs.eventloop.time",
  kind: "counter",
  unit: "s",
  description: "How long the event loop was in each state.",
  attributes: [loopState],
};

export const gcDuration: Omit<RuntimeHistogramMetric, "points"> = {
  name: "v8js.gc.duration",
  kind: "histogram",
  unit: "s",
  description: "How long collections of garbage took.",
  attributes: [gcType],
  boundaries: [0.01, 0.1, 1, 10],
};

export const heapUsed: NumberDefinition = heapDefinition("used", "Memory of the heap that is in use.");
export const heapSize: NumberDefinition = heapDefinition("space.size", "Memory that is reserved for the heap.");
export const heapAvailable: NumberDefinition = heapDefinition(
  "space.available_size",
  "Memory of the heap that can still be used.",
);
export const heapPhysical: NumberDefinition = heapDefinition(
  "space.physical_size",
  "Memory that the system has committed to the heap.",
);

function heapDefinition(name: string, description: string): NumberDefinition {
  return {
    name: `v8js.memory.heap.${name}`,
    kind: "up-down-counter",
    unit: "By",
    description,
    attributes: [heapSpaceName],
  };
}
