export { background } from "./background.ts";
export type { Background, BackgroundOptions } from "./background.ts";
export type {
  CacheLike,
  DurableObjectNamespaceLike,
  DurableObjectStateLike,
  DurableObjectStorageLike,
  DurableObjectStubLike,
  ExecutionContextLike,
  KVNamespaceLike,
  RateLimitBinding,
} from "./bindings.ts";
export { cacheApiStore } from "./cache-api-store.ts";
export type { CacheApiStoreOptions } from "./cache-api-store.ts";
export type { CircuitView } from "./circuit-records.ts";
export { assertCompatibility, CompatibilityError, minCompatibilityDate } from "./compatibility.ts";
export { durableMetrics } from "./durable-metrics.ts";
export type { DurableMetrics, DurableMetricsOptions } from "./durable-metrics.ts";
export { durableState } from "./durable-state.ts";
export type { DurableState, DurableStateOptions } from "./durable-state.ts";
export { HeadgateMetrics } from "./headgate-metrics.ts";
export type { HeadgateMetricsOptions, MetricsReport } from "./headgate-metrics.ts";
export { HeadgateState } from "./headgate-state.ts";
export { kvStore } from "./kv-store.ts";
export type { KvStoreOptions } from "./kv-store.ts";
export type { MetricLike } from "./metric-message.ts";
export { rateLimitBinding } from "./rate-limit-binding.ts";
export type { RateLimitBindingOptions } from "./rate-limit-binding.ts";
export type { AcceptCircuit } from "./shared-circuits.ts";
export type { ValueTextOptions } from "./value-text.ts";
export type { WallClock } from "./wall-clock.ts";
