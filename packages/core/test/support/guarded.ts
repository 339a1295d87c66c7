import {
  circuitBreaker,
  concurrencyLimit,
  consecutiveFailures,
  constantBackoff,
  pipeline,
  retry,
  timeout,
} from "@headgate/core";
import { TestClock } from "@headgate/core/testing";
import { manualOperation } from "./operations.ts";

/** All four policies around a manual operation, with one permit, and what a test looks at afterwards. */
export function guardedOperation() {
  const clock = new TestClock();
  const limit = concurrencyLimit({ maxConcurrent: 1, maxQueue: 5, maxWaitMs: 50, clock });
  const breaker = circuitBreaker({ trip: consecutiveFailures({ maxFailures: 1 }), openMs: 20, clock });
  const backoff = constantBackoff({ delayMs: 10 });
  const standard = [timeout({ timeoutMs: 100, clock }), retry({ backoff, clock }), breaker, limit];
  const guarded = pipeline({ name: "guarded", clock }, ...standard);
  const controller = new AbortController();
  return { clock, limit, breaker, guarded, controller, signal: controller.signal, ...manualOperation() };
}
