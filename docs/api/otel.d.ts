// The public API of @headgate/otel. Written by `npm run api`.

// ── @headgate/otel

export type Attributes = Readonly<Record<string, string | number>>;

export interface GaugeData extends Data {
    readonly dataPointType: typeof gaugeType;
    readonly dataPoints: Point<number>[];
}

export interface HistogramData extends Data {
    readonly dataPointType: typeof histogramType;
    readonly dataPoints: Point<{
        buckets: {
            boundaries: number[];
            counts: number[];
        };
        sum: number;
        count: number;
    }>[];
}

export interface HistogramDefinition extends Definition {
    readonly kind: "histogram";
    readonly boundaries: readonly number[];
}

export interface HistogramMetric extends HistogramDefinition {
    readonly points: readonly HistogramPoint[];
}

export interface HistogramPoint {
    readonly attributes: Attributes;
    readonly count: number;
    readonly sum: number;
    readonly bucketCounts: readonly number[];
}

export interface HttpServerTelemetry {
    active(change: 1 | -1, method: string, scheme: string): void;
    served(request: ServedRequest, seconds: number): void;
}

export interface MeterProviderLike<Observable = unknown> {
    getMeter(name: string): {
        createObservableCounter(name: string, options: InstrumentOptions): Observable;
        createObservableUpDownCounter(name: string, options: InstrumentOptions): Observable;
        createObservableGauge(name: string, options: InstrumentOptions): Observable;
        createHistogram(name: string, options: InstrumentOptions & {
            advice: {
                explicitBucketBoundaries: number[];
            };
        }): {
            record(value: number, attributes: Attributes): void;
        };
        addBatchObservableCallback(callback: BatchCallback<Observable>, observables: Observable[]): void;
        removeBatchObservableCallback(callback: BatchCallback<Observable>, observables: Observable[]): void;
    };
}

export type Metric = NumberMetric | HistogramMetric;

export interface MetricProducerOptions<Resource> {
    readonly resource: Resource;
    readonly startTimeMs: number;
    readonly epochMs: () => number;
    readonly histogramsOnly?: boolean;
}

export interface NumberDefinition extends Definition {
    readonly kind: "counter" | "up-down-counter" | "gauge";
}

export interface NumberMetric extends NumberDefinition {
    readonly points: readonly NumberPoint[];
}

export interface NumberPoint {
    readonly attributes: Attributes;
    readonly value: number;
}

export type RecordValue = (definition: HistogramDefinition, value: number, attributes: Attributes) => void;

export interface RegisterInstrumentsOptions {
    readonly recordHistograms?: boolean;
}

export interface RenderedMetrics {
    readonly contentType: string;
    readonly text: string;
}

export interface ResourceMetrics<Resource> {
    resource: Resource;
    scopeMetrics: {
        scope: {
            name: string;
        };
        metrics: (SumData | GaugeData | HistogramData)[];
    }[];
}

export interface ResourceMetricsOptions<Resource> {
    readonly resource: Resource;
    readonly startTimeMs: number;
    readonly timeMs: number;
}

export interface ServedRequest {
    readonly method: string;
    readonly scheme: string;
    readonly route: string | undefined;
    readonly status: number;
    readonly error: unknown;
}

export interface SumData extends Data {
    readonly dataPointType: typeof sumType;
    readonly dataPoints: Point<number>[];
    readonly isMonotonic: boolean;
}

export interface Telemetry extends Meter {
    watch(watched: Pipeline | Policy): () => void;
    readonly httpServer: HttpServerTelemetry;
    collect(): readonly Metric[];
    recordTo(record: RecordValue | undefined): void;
}

export declare function createTelemetry(): Telemetry;

export declare function metricProducer<Resource>(telemetry: Telemetry, options: MetricProducerOptions<Resource>): {
    collect(): Promise<{
        resourceMetrics: ResourceMetrics<Resource>;
        errors: unknown[];
    }>;
};

export declare const openMetricsContentType = "application/openmetrics-text; version=1.0.0; charset=utf-8";

export declare const prometheusContentType = "text/plain; version=0.0.4; charset=utf-8";

export declare function registerInstruments<Observable>(telemetry: Telemetry, provider: MeterProviderLike<Observable>, options?: RegisterInstrumentsOptions): () => void;

export declare function renderMetrics(metrics: readonly Metric[], accept?: string | null): RenderedMetrics;

export declare function toOpenMetricsText(metrics: readonly Metric[]): string;

export declare function toPrometheusText(metrics: readonly Metric[]): string;

export declare function toResourceMetrics<Resource>(metrics: readonly Metric[], options: ResourceMetricsOptions<Resource>): ResourceMetrics<Resource>;

// ── @headgate/otel/tracing

export interface CreateTracerOptions {
    readonly tracerProvider?: TracerProvider | undefined;
    readonly attempts?: "client" | "internal";
}

export interface TracedRequest {
    readonly method: string;
    readonly url: string;
}

export declare function createTracer(options?: CreateTracerOptions): Tracer;

export declare function traceRequest(request: TracedRequest, set: (name: string, value: string) => void): void;

export declare function tracedFetch(fetch?: FetchFunction): FetchFunction;
