// Metrics of several processes or isolates as those of one. The shapes are those of plain snapshots, structurally: who counts
// does not matter here. For the packages around core that bring together what several have counted: `@headgate/core/metrics`.

export type MetricAttributes = Readonly<Record<string, string | number>>;

export interface MergeablePoint {
  readonly attributes: MetricAttributes;
  /** Of a counter, an up-down counter or a gauge. */
  readonly value?: number;
  /** Of a histogram, as are the following. */
  readonly count?: number;
  readonly sum?: number;
  readonly bucketCounts?: readonly number[];
}

export interface MergeableMetric {
  readonly name: string;
  /** `counter` and `histogram` only rise; everything else says what is now, `gauge` what adds up to nothing. */
  readonly kind: string;
  /** `1` for a ratio or a flag. */
  readonly unit: string;
  readonly points: readonly MergeablePoint[];
}

/**
 * Adds snapshots up, point by point. Of gauges, and of what is now and has the unit `1` (ratios and flags), a sum says
 * nothing: there the highest holds.
 */
export function mergeMetrics<M extends MergeableMetric>(snapshots: readonly (readonly M[])[]): M[] {
  const merged = new Map<string, { metric: M; points: Map<string, MergeablePoint> }>();
  for (const metric of snapshots.flat()) {
    const entry = merged.get(metric.name) ?? { metric, points: new Map<string, MergeablePoint>() };
    merged.set(metric.name, entry);
    for (const point of metric.points) {
      const key = attributesKey(point.attributes);
      const before = entry.points.get(key);
      entry.points.set(key, before === undefined ? point : mergePoints(entry.metric, before, point));
    }
  }
  return Array.from(merged.values(), ({ metric, points }) => ({ ...metric, points: [...points.values()] }));
}

/** What is left of a process that has ended: what it counted remains counted, what was its state is no more. */
export function onlyTotals<M extends MergeableMetric>(snapshot: readonly M[]): M[] {
  return snapshot.filter(isTotal);
}

/** Whether it only rises: a counter or a histogram. */
export function isTotal({ kind }: Pick<MergeableMetric, "kind">): boolean {
  return kind === "counter" || kind === "histogram";
}

function addsUp(metric: Pick<MergeableMetric, "kind" | "unit">): boolean {
  return isTotal(metric) || (metric.kind !== "gauge" && metric.unit !== "1");
}

/** The same for the same attributes, in whatever order they stand. */
export function attributesKey(attributes: MetricAttributes): string {
  return JSON.stringify(Object.entries(attributes).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** One point of this metric for two with the same attributes. */
export function mergePoints(
  metric: Pick<MergeableMetric, "kind" | "unit">,
  a: MergeablePoint,
  b: MergeablePoint,
): MergeablePoint {
  if (a.bucketCounts === undefined || b.bucketCounts === undefined) {
    const [left, right] = [a.value ?? 0, b.value ?? 0];
    return {
      attributes: a.attributes,
      value: addsUp(metric) ? left + right : Math.max(left, right),
    };
  }
  const [longer, shorter] =
    a.bucketCounts.length >= b.bucketCounts.length
      ? [a.bucketCounts, b.bucketCounts]
      : [b.bucketCounts, a.bucketCounts];
  return {
    attributes: a.attributes,
    count: (a.count ?? 0) + (b.count ?? 0),
    sum: (a.sum ?? 0) + (b.sum ?? 0),
    bucketCounts: longer.map((count, i) => count + (shorter[i] ?? 0)),
  };
}
