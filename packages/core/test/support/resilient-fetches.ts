import {
  circuitBreaker,
  concurrencyLimit,
  consecutiveFailures,
  constantBackoff,
  pipeline,
  retry,
} from "@headgate/core";
import { type ResilientFetchOptions, resilientFetch } from "@headgate/core/fetch";
import { EventRecorder, TestClock } from "@headgate/core/testing";
import { type Answer, stubFetch } from "./stub-fetch.ts";

export const url = "https://example.com/orders";

/** An answer with this status, made anew each time. */
export const status =
  (code: number, headers: HeadersInit = {}) =>
  (): Response =>
    new Response(`${code}`, { status: code, headers });

/** Retries at once, in a pipeline of the test's own. */
export function retrying(answers: Answer[], settings: ResilientFetchOptions = {}, maxAttempts = 3) {
  const clock = new TestClock();
  const events = new EventRecorder();
  const breaker = circuitBreaker({ trip: consecutiveFailures({ maxFailures: 100 }), clock });
  const limit = concurrencyLimit({ maxConcurrent: 1, clock });
  const again = retry({ maxAttempts, backoff: constantBackoff({ delayMs: 0 }), clock });
  const { fetch, requests } = stubFetch(...answers);
  const orders = pipeline({ name: "orders", clock, observer: events.observer }, again, breaker, limit);
  const api = resilientFetch({ ...settings, pipeline: orders, fetch } as ResilientFetchOptions);
  return { api, requests, clock, events, limit, breaker };
}
