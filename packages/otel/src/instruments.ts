// The same numbers for whoever has an SDK already: observable instruments on a meter provider, and a producer for its
// readers. The API is followed by shape, so that nothing of OpenTelemetry is needed to run.
import type { Attributes, HistogramDefinition, Metric, NumberMetric } from "./metrics.ts";
import * as definitions from "./definitions.ts";
import { toResourceMetrics, type ResourceMetrics } from "./otlp.ts";
import type { Telemetry } from "./telemetry.ts";

/** What is used of a `MeterProvider` of `@opentelemetry/api`, from 1.9 on. */
export interface MeterProviderLike<Observable = unknown> {
  getMeter(name: string): {
    createObservableCounter(name: string, options: InstrumentOptions): Observable;
    createObservableUpDownCounter(name: string, options: InstrumentOptions): Observable;
    createObservableGauge(name: string, options: InstrumentOptions): Observable;
    createHistogram(
      name: string,
      options: InstrumentOptions & { advice: { explicitBucketBoundaries: number[] } },
    ): { record(value: number, attributes: Attributes): void };
    addBatchObservableCallback(callback: BatchCallback<Observable>, observables: Observable[]): void;
    removeBatchObservableCallback(callback: BatchCallback<Observable>, observables: Observable[]): void;
  };
}

interface InstrumentOptions {
  readonly description: string;
  readonly unit: string;
}

type BatchCallback<Observable> = (result: {
  observe(observable: Observable, value: number, attributes: Attributes): void;
}) => void;

export interface RegisterInstrumentsOptions {
  /**
   * Whether each value of a histogram is recorded in a histogram of the SDK, which costs several times what our own does.
   * Only for a provider whose readers cannot be given `metricProducer`. @default false
   */
  readonly recordHistograms?: boolean;
}

export interface MetricProducerOptions<Resource> {
  /** Who reports. Readers that belong to a provider take the provider's. */
  readonly resource: Resource;
  /** Since when was counted, in milliseconds since the epoch. */
  readonly startTimeMs: number;
  /** The time, in milliseconds since the epoch: `Date.now`. */
  readonly epochMs: () => number;
  /** Only histograms, for a provider that has `registerInstruments` for the rest. @default false */
  readonly histogramsOnly?: boolean;
}

/** Every metric that is a number: what can be observed. */
const numbers = Object.values(definitions).filter(
  (one) => typeof one === "object" && "kind" in one && one.kind !== "histogram",
);

/**
 * Registers all counters, up-down counters and gauges as observable instruments, which are read when the provider's readers
 * collect. Histograms come through `metricProducer`, or by `recordHistograms`.
 *
 * @returns takes the callback back, and stops recording.
 */
export function registerInstruments<Observable>(
  telemetry: Telemetry,
  provider: MeterProviderLike<Observable>,
  options: RegisterInstrumentsOptions = {},
): () => void {
  const { recordHistograms = false } = options;
  const meter = provider.getMeter("@headgate/otel");
  const create = {
    counter: "createObservableCounter",
    "up-down-counter": "createObservableUpDownCounter",
    gauge: "createObservableGauge",
  } as const;
  const instruments = new Map<string, Observable>();
  for (const { name, kind, description, unit } of numbers) {
    instruments.set(name, meter[create[kind]](name, { description, unit }));
  }
  const observe: BatchCallback<Observable> = (result) => {
    for (const metric of telemetry.collect()) {
      const instrument = instruments.get(metric.name);
      if (instrument === undefined || isHistogram(metric)) continue;
      for (const { value, attributes } of metric.points) result.observe(instrument, value, attributes);
    }
  };
  const observables = [...instruments.values()];
  meter.addBatchObservableCallback(observe, observables);
  if (recordHistograms) {
    const histograms = new Map<string, { record(value: number, attributes: Attributes): void }>();
    const made = ({ name, description, unit, boundaries }: HistogramDefinition) => {
      const advice = { explicitBucketBoundaries: [...boundaries] };
      const histogram = meter.createHistogram(name, { description, unit, advice });
      histograms.set(name, histogram);
      return histogram;
    };
    telemetry.recordTo((definition, value, attributes) => {
      (histograms.get(definition.name) ?? made(definition)).record(value, attributes);
    });
  }
  return () => {
    meter.removeBatchObservableCallback(observe, observables);
    if (recordHistograms) telemetry.recordTo(undefined);
  };
}

/**
 * A `MetricProducer` for the readers of an SDK: `new PeriodicExportingMetricReader({ exporter, metricProducers: [producer] })`.
 * Cumulative, whatever the reader prefers.
 */
export function metricProducer<Resource>(
  telemetry: Telemetry,
  options: MetricProducerOptions<Resource>,
): { collect(): Promise<{ resourceMetrics: ResourceMetrics<Resource>; errors: unknown[] }> } {
  const { resource, startTimeMs, epochMs, histogramsOnly = false } = options;
  return {
    async collect() {
      const metrics = telemetry.collect().filter((metric) => !histogramsOnly || isHistogram(metric));
      return { resourceMetrics: toResourceMetrics(metrics, { resource, startTimeMs, timeMs: epochMs() }), errors: [] };
    },
  };
}

function isHistogram(metric: Metric): metric is Exclude<Metric, NumberMetric> {
  return metric.kind === "histogram";
}
