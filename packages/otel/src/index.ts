export { metricProducer, registerInstruments } from "./instruments.ts";
export type { MeterProviderLike, MetricProducerOptions, RegisterInstrumentsOptions } from "./instruments.ts";
export type { HttpServerTelemetry, ServedRequest } from "./http-server.ts";
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
export type { GaugeData, HistogramData, ResourceMetrics, ResourceMetricsOptions, SumData } from "./otlp.ts";
export type { RecordValue } from "./counts.ts";
export {
  openMetricsContentType,
  prometheusContentType,
  renderMetrics,
  toOpenMetricsText,
  toPrometheusText,
} from "./prometheus.ts";
export type { RenderedMetrics } from "./prometheus.ts";
export { createTelemetry } from "./telemetry.ts";
export type { Telemetry } from "./telemetry.ts";
