export { adaptiveLimit } from "./adaptive-limit.ts";
export type { AdaptiveLimit, AdaptiveLimitOptions, AdaptiveLimitSnapshot } from "./adaptive-limit.ts";
export { aimdLimit } from "./aimd-limit.ts";
export type { AimdLimitOptions } from "./aimd-limit.ts";
export { adaptiveThrottle, AdaptiveThrottleError } from "./adaptive-throttle.ts";
export type { AdaptiveThrottle, AdaptiveThrottleOptions } from "./adaptive-throttle.ts";
export { constantBackoff, exponentialBackoff, linearBackoff } from "./backoff.ts";
export type {
  Backoff,
  ConstantBackoffOptions,
  ExponentialBackoffOptions,
  Jitter,
  LinearBackoffOptions,
} from "./backoff.ts";
export type { OperationContext } from "./attempt.ts";
export type { Call } from "./call.ts";
export { forkInside, runInside } from "./call-inside.ts";
export type { ExecuteOptions, Judgement, Operation } from "./execute-options.ts";
export { cache } from "./cache.ts";
export type { Cache, CacheOptions } from "./cache.ts";
export { memoryCacheStore } from "./cache-store.ts";
export type { CacheEntry, CacheStore, MemoryCacheStore, MemoryCacheStoreOptions } from "./cache-store.ts";
export { circuitBreaker } from "./circuit-breaker.ts";
export type {
  CircuitBreaker,
  CircuitBreakerOptions,
  CircuitMode,
  CircuitSnapshot,
  CircuitState,
} from "./circuit-breaker.ts";
export { chaos, ChaosError } from "./chaos.ts";
export type { Chaos, ChaosOptions, Injection } from "./chaos.ts";
export { systemClock } from "./clock.ts";
export type { Clock, ClockTimer } from "./clock.ts";
export { concurrencyLimit } from "./concurrency-limit.ts";
export type {
  AcquireOptions,
  ConcurrencyLimit,
  ConcurrencyLimitOptions,
  QueueOrder,
} from "./concurrency-limit.ts";
export type { Permit } from "./concurrency-limit-permit.ts";
export type { OperationResult } from "./engine.ts";
export {
  CircuitOpenError,
  ConcurrencyLimitError,
  HeadgateError,
  InvalidOptionError,
  isHeadgateError,
  isRefusal,
  SupersededError,
  TimeoutError,
} from "./errors.ts";
export type { ConcurrencyLimitReason, TimeoutScope } from "./errors.ts";
export { explain } from "./explain.ts";
export type { Explanation } from "./explain.ts";
export { logTransitions } from "./log-transitions.ts";
export type { Logger, LogTransitionsOptions } from "./log-transitions.ts";
export { fixedLimit } from "./fixed-limit.ts";
export type { FixedLimitOptions } from "./fixed-limit.ts";
export { gradientLimit } from "./gradient-limit.ts";
export type { GradientLimitOptions } from "./gradient-limit.ts";
export { kneeLimit } from "./knee-limit.ts";
export type { KneeLimitOptions } from "./knee-limit.ts";
export type { Limit, LimitLearnt, LimitSample } from "./limit.ts";
export { loadShed } from "./load-shed.ts";
export type { LoadShed, LoadShedOptions, ShedCount } from "./load-shed.ts";
export { LoadShedError } from "./load-shed-error.ts";
export { latencySignal, limitSignal, queueWaitSignal } from "./load-shed-signals.ts";
export type {
  LatencySignalOptions,
  LimitSignalOptions,
  OverloadBounds,
  QueueWaitSignalOptions,
  ShedSignal,
} from "./load-shed-signals.ts";
export { loadBalance } from "./load-balance.ts";
export type { EndpointSnapshot, LoadBalance, LoadBalanceOptions } from "./load-balance.ts";
export type { EndpointState } from "./load-balance-endpoint.ts";
export type { Meter, PipelineMeter } from "./meter.ts";
export type { HeadgateEvent, Observer } from "./observer.ts";
export { PolicyOrderError } from "./order.ts";
export { fallback } from "./fallback.ts";
export type { FailedCall, Fallback, FallbackHandler, FallbackOptions } from "./fallback.ts";
export { pipeline } from "./pipeline.ts";
export type { Pipeline, PipelineOptions } from "./pipeline.ts";
export type { EnterStep, GaveUp, LeaveStep, OrderRule, Outcome, Policy } from "./policy.ts";
export { lowerPriority, priorityClassOf, priorityLevelOf, toPriority } from "./priority.ts";
export type { PriorityClass } from "./priority.ts";
export { gcra, gcraWaitMs, takeGcra } from "./gcra.ts";
export type { GcraState } from "./gcra.ts";
export { rateLimit } from "./rate-limit.ts";
export type { RateLimit, RateLimitOptions, RateLimitResult } from "./rate-limit.ts";
export { RateLimitError } from "./rate-limit-error.ts";
export type { RateLimitReason } from "./rate-limit-error.ts";
export type { RateLimitAnswer, RateLimitBackend } from "./rate-limit-backend.ts";
export type { RateAlgorithm, RateDecision, RateQuota } from "./rate-quota.ts";
export { takeToken, tokenBucket, tokenWaitMs } from "./token-bucket.ts";
export type { TokenBucketState } from "./token-bucket.ts";
export { systemRandom } from "./random.ts";
export type { Random } from "./random.ts";
export { registry, RegistryFullError } from "./registry.ts";
export type { Keep, Registry, RegistryOptions } from "./registry.ts";
export { retry } from "./retry.ts";
export type { FailedAttempt, Retry, RetryOptions } from "./retry.ts";
export { hedge } from "./hedge.ts";
export type { Hedge, HedgeOptions } from "./hedge.ts";
export { retryBudget } from "./retry-budget.ts";
export type { CountedRetryBudget, RetryBudget, RetryBudgetOptions, RetryPermit } from "./retry-budget.ts";
export { singleFlight } from "./single-flight.ts";
export type { SingleFlight, SingleFlightOptions } from "./single-flight.ts";
export { standardPipeline } from "./standard-pipeline.ts";
export type { StandardPipelineOptions } from "./standard-pipeline.ts";
export { timeout } from "./timeout.ts";
export type { Timeout, TimeoutOptions } from "./timeout.ts";
export type { Tracer } from "./tracer.ts";
export { countWindow } from "./trip-count-window.ts";
export type { CountWindowOptions } from "./trip-count-window.ts";
export type { RatioOptions } from "./trip-thresholds.ts";
export { timeWindow } from "./trip-time-window.ts";
export type { TimeWindowOptions } from "./trip-time-window.ts";
export { consecutiveFailures } from "./trip.ts";
export type { ConsecutiveFailuresOptions, Trip, TripCounts, TripResult } from "./trip.ts";
export { vegasLimit } from "./vegas-limit.ts";
export type { VegasLimitOptions } from "./vegas-limit.ts";
