export type {
  Attributes,
  HistogramDefinition,
  HistogramMetric,
  HistogramPoint,
  Metric,
  NumberDefinition,
  NumberMetric,
  NumberPoint,
} from "./metrics.ts";
export { toResourceMetrics } from "./otlp.ts";
export type { HistogramData, ResourceMetrics, ResourceMetricsOptions, SumData } from "./otlp.ts";
export { prometheusContentType, toPrometheusText } from "./prometheus.ts";
export { createTelemetry } from "./telemetry.ts";
export type { Telemetry } from "./telemetry.ts";
