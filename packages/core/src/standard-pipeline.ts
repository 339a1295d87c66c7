// The pipeline that is right for a call to something remote: every part in its place, and nothing to get in the wrong order.
import { adaptiveLimit, type AdaptiveLimitOptions } from "./adaptive-limit.ts";
import { adaptiveThrottle, type AdaptiveThrottleOptions } from "./adaptive-throttle.ts";
import { chaos, type ChaosOptions } from "./chaos.ts";
import { circuitBreaker, type CircuitBreakerOptions } from "./circuit-breaker.ts";
import { systemClock } from "./clock.ts";
import { concurrencyLimit, type ConcurrencyLimitOptions } from "./concurrency-limit.ts";
import { fallback, type FallbackOptions } from "./fallback.ts";
import { hedge, type HedgeOptions } from "./hedge.ts";
import { checkName } from "./options.ts";
import { pipeline, type Pipeline, type PipelineOptions } from "./pipeline.ts";
import type { Policy } from "./policy.ts";
import { type Random, systemRandom } from "./random.ts";
import { rateLimit, type RateLimitOptions } from "./rate-limit.ts";
import { retry, type RetryOptions } from "./retry.ts";
import { type RetryBudget, retryBudget } from "./retry-budget.ts";
import { timeout } from "./timeout.ts";
import { timeWindow } from "./trip-time-window.ts";

/** The options of a part: its name, its clock and its source of chance are those of the whole. */
type Part<Options> = Omit<Options, "name" | "clock" | "random">;

export interface StandardPipelineOptions extends Omit<PipelineOptions, "checkOrder"> {
  /** How long a call may take, queueing, retries and back-off included. Above 0, at most 2^31 - 1. @default 30000 */
  readonly totalTimeoutMs?: number;
  /** How long an attempt may take. Above 0, less than `totalTimeoutMs`. @default a third of `totalTimeoutMs` */
  readonly attemptTimeoutMs?: number;
  /** Answers for calls that did not succeed. @default none */
  readonly fallback?: FallbackOptions | undefined;
  /** How many calls may come in each window. @default none */
  readonly rateLimit?: Part<RateLimitOptions> | undefined;
  /** `false` for an operation that must not run twice. @default 3 attempts, 100 ms doubling, full jitter */
  readonly retry?: Omit<Part<RetryOptions>, "budget"> | false;
  /**
   * What retries and hedges may cost in all. Give one to every pipeline in front of the same dependency; `false` for no bound.
   * @default retryBudget(): 20 % of the calls of the last 10 s and 10 a second, 20 % of those in flight and 3
   */
  readonly retryBudget?: RetryBudget | false;
  /** For an operation that may run twice at the same time: a second attempt beside one that is slow. @default none */
  readonly hedge?: Omit<Part<HedgeOptions>, "budget"> | undefined;
  /** Refuses a share of the attempts while the dependency turns them away. @default none */
  readonly adaptiveThrottle?: Part<AdaptiveThrottleOptions> | undefined;
  /** @default opens when half of at least 10 calls in 30 s failed, for 30 s at first */
  readonly circuitBreaker?: Part<CircuitBreakerOptions> | false;
  /**
   * Finds out how many calls the dependency can serve at once, unless `maxConcurrent` says so.
   * @default adaptiveLimit(): 100 more wait for a second at most, and hardly at all while the queue stands (`adaptive-lifo`)
   */
  readonly concurrencyLimit?: Part<ConcurrencyLimitOptions> | Part<AdaptiveLimitOptions> | false;
  /** Faults on purpose, to try the rest. @default none */
  readonly chaos?: Part<ChaosOptions> | undefined;
  /** @default systemRandom */
  readonly random?: Random;
}

/**
 * Builds: fallback > total timeout > rate limit > retry > hedge > adaptive throttle > circuit breaker > concurrency limit >
 * attempt timeout > chaos > operation.
 *
 * @throws {InvalidOptionError} for options out of bounds.
 * @throws {PolicyOrderError} for an attempt timeout that is not shorter than the total one.
 */
export function standardPipeline(options: StandardPipelineOptions): Pipeline {
  const { name, totalTimeoutMs = 30_000, attemptTimeoutMs = totalTimeoutMs / 3 } = options;
  const { clock = systemClock, random = systemRandom } = options;
  const budget = options.retryBudget === false ? undefined : (options.retryBudget ?? retryBudget({ clock }));
  checkName("standardPipeline.name", name);
  const parts: (Policy | false | undefined)[] = [
    options.fallback && fallback(options.fallback),
    timeout({ timeoutMs: totalTimeoutMs, clock }),
    options.rateLimit && rateLimit({ ...options.rateLimit, name, clock }),
    options.retry !== false && retry({ ...options.retry, budget, clock, random }),
    options.hedge && hedge({ ...options.hedge, budget: budget ?? false, clock }),
    options.adaptiveThrottle && adaptiveThrottle({ ...options.adaptiveThrottle, name, clock, random }),
    options.circuitBreaker !== false &&
      circuitBreaker({ trip: timeWindow(), ...options.circuitBreaker, name, clock, random }),
    options.concurrencyLimit !== false && limitOf({ ...options.concurrencyLimit, name, clock }),
    timeout({ timeoutMs: attemptTimeoutMs, clock }),
    options.chaos && chaos({ ...options.chaos, name, clock, random }),
  ];
  return pipeline({ ...options, clock }, ...parts.filter((part) => typeof part === "object"));
}

function limitOf(options: ConcurrencyLimitOptions | AdaptiveLimitOptions): Policy {
  return "maxConcurrent" in options
    ? concurrencyLimit({ maxQueue: 100, ...options })
    : adaptiveLimit({ maxQueue: 100, order: "adaptive-lifo", ...options });
}
