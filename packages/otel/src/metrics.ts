// The model between what is counted and what is exported: plain data, of no SDK and of no wire format.

/** What a metric is, whatever its numbers are. */
interface Definition {
  /** Dotted, without unit and without `total`. */
  readonly name: string;
  /** UCUM: `s`, `1`, or what is counted in braces, `{execution}`. */
  readonly unit: string;
  readonly description: string;
  /** The keys that its points may carry. */
  readonly attributes: readonly string[];
}

export interface NumberDefinition extends Definition {
  /** `counter` only rises. `up-down-counter` is the sum of what is there now; `gauge` what adds up to nothing. */
  readonly kind: "counter" | "up-down-counter" | "gauge";
}

export interface HistogramDefinition extends Definition {
  readonly kind: "histogram";
  /** The upper bounds of the buckets, each included, ascending. A last bucket without a bound follows. */
  readonly boundaries: readonly number[];
}

export type Attributes = Readonly<Record<string, string | number>>;

export interface NumberPoint {
  readonly attributes: Attributes;
  readonly value: number;
}

export interface HistogramPoint {
  readonly attributes: Attributes;
  readonly count: number;
  /** In the metric's unit. */
  readonly sum: number;
  /** How many values fell into each bucket: one more than there are boundaries, not cumulative. */
  readonly bucketCounts: readonly number[];
}

export interface NumberMetric extends NumberDefinition {
  readonly points: readonly NumberPoint[];
}

export interface HistogramMetric extends HistogramDefinition {
  readonly points: readonly HistogramPoint[];
}

export type Metric = NumberMetric | HistogramMetric;
