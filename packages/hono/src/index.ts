export type { RespondOptions } from "./answer.ts";
export { bodyLimit } from "./body-limit.ts";
export type { BodyLimitOptions } from "./body-limit.ts";
export { concurrencyLimit } from "./concurrency-limit.ts";
export type { ConcurrencyLimitOptions } from "./concurrency-limit.ts";
export { deadline, remainingHeaders } from "./deadline.ts";
export type { DeadlineOptions, RemainingHeadersOptions } from "./deadline.ts";
export { health } from "./health.ts";
export type { HealthCheck, HealthOptions } from "./health.ts";
export { httpMetrics } from "./http-metrics.ts";
export type { HttpMetricsOptions, HttpServerMeter, ServedRequest } from "./http-metrics.ts";
export { idempotency } from "./idempotency.ts";
export type { IdempotencyOptions } from "./idempotency.ts";
export { IdempotencyError } from "./idempotency-key.ts";
export type { IdempotencyErrorCode } from "./idempotency-key.ts";
export { memoryIdempotencyStore } from "./idempotency-store.ts";
export type {
  Awaitable,
  IdempotencyRecord,
  IdempotencyStore,
  MemoryIdempotencyStore,
  MemoryIdempotencyStoreOptions,
  StoredResponse,
} from "./idempotency-store.ts";
export { loadShed, priorityHeaders } from "./load-shed.ts";
export type { LoadShedOptions } from "./load-shed.ts";
export { minDataRate } from "./min-data-rate.ts";
export type { MinDataRateOptions } from "./min-data-rate.ts";
export { problem, toProblem } from "./problem.ts";
export type { Problem, ProblemKind, ProblemParts } from "./problem.ts";
export { rateLimit } from "./rate-limit.ts";
export type { RateLimitOptions } from "./rate-limit.ts";
export { resilience } from "./resilience.ts";
export type { ResilienceOptions } from "./resilience.ts";
export type { CallInit } from "./run-chain.ts";
export { timeout } from "./timeout.ts";
export type { TimeoutOptions } from "./timeout.ts";
export type { ResilienceEnv, ResilienceVariables } from "./variables.ts";
