// What is mutated: the policies of core and what they are made of, in groups that are run one after the other.
export const source = "packages/core/src/";

export const groups = {
  engine: ["engine.ts", "call.ts", "attempt.ts", "pipeline.ts", "order.ts", "explain.ts", "standard-pipeline.ts"],
  time: ["timeout.ts", "timers.ts", "host-timers.ts", "signal-link.ts", "retry.ts", "backoff.ts"],
  breaker: [
    "circuit-breaker.ts",
    "circuit-breaker-evidence.ts",
    "circuit-breaker-in-flight.ts",
    "circuit-breaker-open-time.ts",
    "circuit-breaker-policy.ts",
    "circuit-breaker-snapshot.ts",
    "trip.ts",
    "trip-count-window.ts",
    "trip-thresholds.ts",
    "trip-time-window.ts",
  ],
  limits: [
    "concurrency-limit.ts",
    "concurrency-limit-permit.ts",
    "concurrency-limit-policy.ts",
    "wait-queue.ts",
    "adaptive-limit.ts",
    "adaptive-limit-policy.ts",
    "rate-limit.ts",
    "rate-limit-backend.ts",
    "rate-limit-error.ts",
    "rate-limit-keys.ts",
    "rate-limit-memory.ts",
    "gcra.ts",
    "token-bucket.ts",
    "rate-quota.ts",
  ],
  answers: [
    "fallback.ts",
    "cache.ts",
    "cache-policy.ts",
    "cache-store.ts",
    "single-flight.ts",
    "chaos.ts",
    "registry.ts",
  ],
};
