// The public API of @headgate/otel. Written by `npm run api`.

// ── @headgate/otel

export type Attributes = Readonly<Record<string, string>>;

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

export type Metric = NumberMetric | HistogramMetric;

export interface NumberDefinition extends Definition {
    readonly kind: "counter" | "up-down-counter";
}

export interface NumberMetric extends NumberDefinition {
    readonly points: readonly NumberPoint[];
}

export interface NumberPoint {
    readonly attributes: Attributes;
    readonly value: number;
}

export interface ResourceMetrics<Resource> {
    resource: Resource;
    scopeMetrics: {
        scope: {
            name: string;
        };
        metrics: (SumData | HistogramData)[];
    }[];
}

export interface ResourceMetricsOptions<Resource> {
    readonly resource: Resource;
    readonly startTimeMs: number;
    readonly timeMs: number;
}

export interface SumData extends Data {
    readonly dataPointType: typeof sumType;
    readonly dataPoints: Point<number>[];
    readonly isMonotonic: boolean;
}

export interface Telemetry {
    readonly observer: Observer;
    watch(policy: CircuitBreaker | ConcurrencyLimit): void;
    collect(): readonly Metric[];
}

export declare function createTelemetry(): Telemetry;

export declare const prometheusContentType = "text/plain; version=0.0.4; charset=utf-8";

export declare function toPrometheusText(metrics: readonly Metric[]): string;

export declare function toResourceMetrics<Resource>(metrics: readonly Metric[], options: ResourceMetricsOptions<Resource>): ResourceMetrics<Resource>;
