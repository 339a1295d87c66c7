// The bridge to OpenTelemetry's SDK: its exporters and readers take what this makes. The SDK's types are followed by
// shape and its enums by value, so that this package needs none of it to run.
import type { Attributes, HistogramMetric, Metric, NumberMetric } from "./metrics.ts";

export interface ResourceMetricsOptions<Resource> {
  /** Who reports: `resourceFromAttributes({ "service.name": … })` of `@opentelemetry/resources`. */
  readonly resource: Resource;
  /** Since when was counted, in milliseconds since the epoch. The same for every export of one process. */
  readonly startTimeMs: number;
  /** When the metrics were collected, in milliseconds since the epoch. */
  readonly timeMs: number;
}

/** What `ResourceMetrics` of `@opentelemetry/sdk-metrics` is made of, as far as it is used here. */
export interface ResourceMetrics<Resource> {
  resource: Resource;
  scopeMetrics: { scope: { name: string }; metrics: (SumData | GaugeData | HistogramData)[] }[];
}

export interface SumData extends Data {
  readonly dataPointType: typeof sumType;
  readonly dataPoints: Point<number>[];
  readonly isMonotonic: boolean;
}

export interface GaugeData extends Data {
  readonly dataPointType: typeof gaugeType;
  readonly dataPoints: Point<number>[];
}

export interface HistogramData extends Data {
  readonly dataPointType: typeof histogramType;
  readonly dataPoints: Point<{ buckets: { boundaries: number[]; counts: number[] }; sum: number; count: number }>[];
}

interface Data {
  readonly descriptor: {
    readonly name: string;
    readonly description: string;
    readonly unit: string;
    readonly valueType: typeof integer | typeof double;
  };
  readonly aggregationTemporality: typeof cumulative;
}

interface Point<Value> {
  readonly startTime: HrTime;
  readonly endTime: HrTime;
  readonly attributes: Attributes;
  readonly value: Value;
}

/** Seconds since the epoch, and nanoseconds. */
type HrTime = [number, number];

// AggregationTemporality, DataPointType and ValueType of the SDK.
const cumulative = 1;
const histogramType = 0;
const gaugeType = 2;
const sumType = 3;
const integer = 0;
const double = 1;

/**
 * What the exporters of OpenTelemetry's SDK send: `exporter.export(toResourceMetrics(telemetry.collect(), …), done)`.
 * All numbers are cumulative, so that an export that is lost loses nothing but its moment.
 */
export function toResourceMetrics<Resource>(
  metrics: readonly Metric[],
  options: ResourceMetricsOptions<Resource>,
): ResourceMetrics<Resource> {
  const { resource, startTimeMs, timeMs } = options;
  const startTime = hrTime(startTimeMs);
  const endTime = hrTime(timeMs);
  const data = metrics.filter((metric) => metric.points.length > 0).map((metric) => toData(metric, startTime, endTime));
  return { resource, scopeMetrics: data.length === 0 ? [] : [{ scope: { name: "@headgate/otel" }, metrics: data }] };
}

function toData(metric: Metric, startTime: HrTime, endTime: HrTime): SumData | GaugeData | HistogramData {
  return metric.kind === "histogram"
    ? histogramData(metric, startTime, endTime)
    : numberData(metric, startTime, endTime);
}

function numberData(metric: NumberMetric, startTime: HrTime, endTime: HrTime): SumData | GaugeData {
  const { name, description, unit, kind } = metric;
  const dataPoints = metric.points.map(({ attributes, value }) => ({ startTime, endTime, attributes, value }));
  const valueType = metric.points.every(({ value }) => Number.isInteger(value)) ? integer : double;
  const data = { descriptor: { name, description, unit, valueType }, aggregationTemporality: cumulative } as const;
  return kind === "gauge"
    ? { ...data, descriptor: { ...data.descriptor, valueType: double }, dataPointType: gaugeType, dataPoints }
    : { ...data, dataPointType: sumType, isMonotonic: kind === "counter", dataPoints };
}

function histogramData(metric: HistogramMetric, startTime: HrTime, endTime: HrTime): HistogramData {
  const { name, description, unit, boundaries } = metric;
  return {
    descriptor: { name, description, unit, valueType: double },
    aggregationTemporality: cumulative,
    dataPointType: histogramType,
    dataPoints: metric.points.map(({ attributes, count, sum, bucketCounts }) => ({
      startTime,
      endTime,
      attributes,
      value: { buckets: { boundaries: [...boundaries], counts: [...bucketCounts] }, sum, count },
    })),
  };
}

function hrTime(epochMs: number): HrTime {
  const wholeMs = Math.floor(epochMs);
  return [Math.floor(wholeMs / 1000), (wholeMs % 1000) * 1_000_000];
}
