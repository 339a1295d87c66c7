export { acceptQueueLength } from "./accept-queue.ts";
export { admission } from "./admission.ts";
export type { Admission, AdmissionOptions } from "./admission.ts";
export { runCluster } from "./cluster.ts";
export type { ClusterEvent, ClusterOptions, ClusterPeers, ClusterService } from "./cluster.ts";
export type { ClusterPrimary } from "./cluster-primary.ts";
export type { ConnectionCounts, HttpServer } from "./connections.ts";
export { ambient, currentContext, runWithContext } from "./context.ts";
export type { AmbientContext, TraceContext } from "./context.ts";
export { gracefulShutdown } from "./graceful-shutdown.ts";
export type { GracefulShutdownOptions, Shutdown, ShutdownPhase, ShutdownReport } from "./graceful-shutdown.ts";
export { ListenError } from "./listen-error.ts";
export { runtimeMetrics } from "./runtime-metrics.ts";
export type { RuntimeMetrics, RuntimeMetricsOptions } from "./runtime-metrics.ts";
export type {
  RuntimeHistogramMetric,
  RuntimeHistogramPoint,
  RuntimeMetric,
  RuntimeNumberMetric,
  RuntimeNumberPoint,
} from "./runtime-metrics-definitions.ts";
export type {
  DelayReading,
  DelayWatch,
  GcType,
  HeapSpace,
  LoopTime,
  RuntimeProbe,
} from "./runtime-metrics-probe.ts";
export { saturation, saturationPressure } from "./saturation.ts";
export type {
  Saturation,
  SaturationBounds,
  SaturationOptions,
  SaturationProbe,
  SaturationReading,
  SaturationReason,
} from "./saturation.ts";
export { serve } from "./serve.ts";
export type { ServeOptions, ServerHandle } from "./serve.ts";
export { ShutdownError } from "./shutdown-error.ts";
