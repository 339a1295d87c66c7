// The pipeline that `resilientFetch` builds when it is given none, in the order that is right for a remote call.
import { adaptiveLimit } from "../adaptive-limit.ts";
import { circuitBreaker } from "../circuit-breaker.ts";
import { type Clock, systemClock } from "../clock.ts";
import { concurrencyLimit } from "../concurrency-limit.ts";
import type { Meter } from "../meter.ts";
import type { Observer } from "../observer.ts";
import { type Pipeline, pipeline } from "../pipeline.ts";
import type { Policy } from "../policy.ts";
import { type Random, systemRandom } from "../random.ts";
import { retry } from "../retry.ts";
import { type RetryBudget, retryBudget } from "../retry-budget.ts";
import { timeout } from "../timeout.ts";
import type { Tracer } from "../tracer.ts";

export interface StandardFetchOptions {
  /** Of the pipeline, its breaker and its limit, in errors, events and metrics. @default "fetch" */
  readonly name?: string;
  /** How long a call may take from `fetch` to the end of the response's body. Above 0, at most 2^31 - 1. @default 30000 */
  readonly totalTimeoutMs?: number;
  /** How long each attempt may take until the response's headers. Above 0. @default a third of `totalTimeoutMs` */
  readonly headersTimeoutMs?: number;
  /** Requests in all, the first included. An integer of at least 1. @default 3 */
  readonly maxAttempts?: number;
  /**
   * What retries may cost in all. Give one to everything that calls the same dependency; `false` for no bound.
   * @default retryBudget(): 20 % of the calls of the last 10 s and 10 a second, 20 % of those in flight and 3
   */
  readonly retryBudget?: RetryBudget | false;
  /**
   * Requests under way at once, until the end of the response's body. An integer of at least 1.
   * @default adaptiveLimit(): as many as turn out to be served without waiting
   */
  readonly maxConcurrent?: number | undefined;
  /** Requests that may wait for a place. An integer of at least 0. @default 100 */
  readonly maxQueue?: number;
  /** How long the circuit stays open before it lets a probe through. Above 0. @default 30000 */
  readonly openMs?: number;
  /** Is told what happens. @default none */
  readonly observer?: Observer | undefined;
  /** Counts the calls, for metrics. @default none */
  readonly meter?: Meter | undefined;
  /** Makes spans of the calls and their attempts. @default none */
  readonly tracer?: Tracer | undefined;
  /** @default systemClock */
  readonly clock?: Clock;
  /** @default systemRandom */
  readonly random?: Random;
}

/** The names of the options above, as long as the compiler finds none missing: they mean nothing beside a pipeline. */
export const standardOptions: Readonly<Record<keyof StandardFetchOptions, true>> = {
  name: true,
  totalTimeoutMs: true,
  headersTimeoutMs: true,
  maxAttempts: true,
  retryBudget: true,
  maxConcurrent: true,
  maxQueue: true,
  openMs: true,
  observer: true,
  meter: true,
  tracer: true,
  clock: true,
  random: true,
};

/** Total timeout > retry > circuit breaker > concurrency limit > endpoints, where there are several > attempt timeout. */
export function standardPolicies(options: StandardFetchOptions, endpoints?: Policy): Pipeline {
  const {
    name = "fetch",
    totalTimeoutMs = 30_000,
    headersTimeoutMs = totalTimeoutMs / 3,
    maxAttempts = 3,
    maxConcurrent,
    maxQueue = 100,
    openMs = 30_000,
    observer,
    meter,
    tracer,
    clock = systemClock,
    random = systemRandom,
  } = options;
  const budget = options.retryBudget === false ? undefined : (options.retryBudget ?? retryBudget({ clock }));
  return pipeline(
    { name, clock, observer, meter, tracer },
    timeout({ timeoutMs: totalTimeoutMs, clock }),
    retry({ maxAttempts, budget, clock, random }),
    circuitBreaker({ name, openMs, clock }),
    maxConcurrent === undefined
      ? adaptiveLimit({ name, maxQueue, order: "adaptive-lifo", clock })
      : concurrencyLimit({ name, maxConcurrent, maxQueue, clock }),
    ...(endpoints === undefined ? [] : [endpoints]),
    timeout({ timeoutMs: headersTimeoutMs, clock }),
  );
}
