// What the engine and the policies tell the outside. One function, one union; no observer, no cost.
import type { ConcurrencyLimitReason } from "./errors.ts";
import type { Outcome } from "./policy.ts";
import type { PriorityClass } from "./priority.ts";

/** Something that happened to a call or to a policy. `pipeline` is the pipeline's name; durations in milliseconds. */
export type HeadgateEvent =
  | {
      readonly type: "pipeline.settled";
      readonly pipeline: string;
      readonly outcome: Outcome;
      /** What the caller was given when the call threw. */
      readonly error: unknown;
      readonly durationMs: number;
      /** How often the operation was sent for, the first time included. */
      readonly attempts: number;
    }
  | {
      readonly type: "timeout.fired";
      readonly pipeline: string;
      readonly scope: "total" | "attempt";
      readonly timeoutMs: number;
    }
  | {
      readonly type: "retry.scheduled";
      readonly pipeline: string;
      /** The attempt that will run: 2 for the first retry. */
      readonly attempt: number;
      readonly delayMs: number;
      /** The error or the failed value of the last attempt. */
      readonly result: unknown;
    }
  | { readonly type: "retry.exhausted"; readonly pipeline: string; readonly attempts: number; readonly result: unknown }
  | {
      readonly type: "retry.budget-denied";
      readonly pipeline: string;
      readonly attempts: number;
      readonly result: unknown;
    }
  | {
      readonly type: "circuit-breaker.opened";
      readonly pipeline: string;
      readonly name: string;
      readonly openMs: number;
      readonly cause: unknown;
    }
  | { readonly type: "circuit-breaker.half-opened"; readonly pipeline: string; readonly name: string }
  | { readonly type: "circuit-breaker.closed"; readonly pipeline: string; readonly name: string }
  | {
      readonly type: "circuit-breaker.rejected";
      readonly pipeline: string;
      readonly name: string;
      readonly retryAfterMs: number;
    }
  | {
      readonly type: "concurrency-limit.rejected";
      readonly pipeline: string;
      readonly name: string;
      readonly reason: ConcurrencyLimitReason;
    }
  | {
      /** A call that had to wait was given its permit. */
      readonly type: "concurrency-limit.waited";
      readonly pipeline: string;
      readonly name: string;
      readonly waitMs: number;
    }
  | {
      /** The end of one of this pipeline's attempts has moved the limit. */
      readonly type: "adaptive-limit.changed";
      readonly pipeline: string;
      readonly name: string;
      readonly limit: number;
      readonly previous: number;
    }
  | {
      readonly type: "fallback.used";
      readonly pipeline: string;
      /** Which handler has answered: 0 for the first. */
      readonly handler: number;
      /** The error or the failed value of the call. */
      readonly result: unknown;
    }
  | {
      readonly type: "fallback.failed";
      readonly pipeline: string;
      readonly handler: number;
      /** The error or the failed value of the call. */
      readonly result: unknown;
      /** The error or the failed value of the handler. */
      readonly handlerResult: unknown;
    }
  | {
      /** A response's body ended with an error, after its headers had counted as the outcome of the call. */
      readonly type: "resilient-fetch.body-failed";
      readonly pipeline: string;
      readonly error: unknown;
    }
  | {
      readonly type: "rate-limit.rejected";
      readonly pipeline: string;
      readonly name: string;
      readonly reason: "limit" | "queue" | "wait" | "weight" | "backend";
      /** How long until the call goes through if nobody else comes; undefined when never, or when nobody knows. */
      readonly retryAfterMs: number | undefined;
    }
  | {
      /** A key had to make room before it had its whole burst again. */
      readonly type: "rate-limit.forgotten";
      readonly pipeline: string;
      readonly name: string;
      readonly key: string;
      /** How long until it would have had it. */
      readonly resetMs: number;
    }
  | {
      /** The backend failed, and `onBackendFailure` has decided. */
      readonly type: "rate-limit.degraded";
      readonly pipeline: string;
      readonly name: string;
      readonly error: unknown;
      readonly admitted: boolean;
    }
  | {
      /** Calls are being shed from now on. */
      readonly type: "load-shed.started";
      readonly pipeline: string;
      readonly name: string;
      /** The signal that pressed most. */
      readonly signal: string;
      /** The share of the calls that is shed at first, 0 to 1. */
      readonly ratio: number;
    }
  | { readonly type: "load-shed.stopped"; readonly pipeline: string; readonly name: string }
  | {
      readonly type: "load-shed.rejected";
      readonly pipeline: string;
      readonly name: string;
      readonly signal: string;
      readonly ratio: number;
      readonly priorityClass: PriorityClass;
    }
  | {
      readonly type: "chaos.injected";
      readonly pipeline: string;
      readonly name: string;
      readonly injection: "latency" | "failure" | "value" | "hang" | "drip";
      readonly attempt: number;
    }
  | {
      readonly type: "single-flight.joined";
      readonly pipeline: string;
      readonly key: string;
      /** How many calls wait for the operation of another one, this one included. */
      readonly followers: number;
    }
  | {
      /** A call has waited as long as it may for the operation of another one. */
      readonly type: "single-flight.expired";
      readonly pipeline: string;
      readonly key: string;
    }
  | {
      readonly type: "cache.hit";
      readonly pipeline: string;
      readonly name: string;
      readonly key: string;
      readonly ageMs: number;
    }
  | { readonly type: "cache.missed"; readonly pipeline: string; readonly name: string; readonly key: string }
  | {
      readonly type: "cache.served-stale";
      readonly pipeline: string;
      readonly name: string;
      /** A new value is being fetched in the background, or the call did not succeed. */
      readonly because: "revalidating" | "failed";
      readonly ageMs: number;
    }
  | {
      /** Fetching a new value in the background has ended. */
      readonly type: "cache.refreshed";
      readonly pipeline: string;
      readonly name: string;
      readonly key: string;
      readonly outcome: Outcome;
    }
  | {
      /** A value was not stored because it can be read once only. */
      readonly type: "cache.skipped";
      readonly pipeline: string;
      readonly name: string;
      readonly key: string;
    }
  | {
      /** The store, or what the cache needs to use it, has failed or was too slow. The call goes on without. */
      readonly type: "cache.store-failed";
      readonly pipeline: string;
      readonly name: string;
      readonly operation: "get" | "set" | "clone" | "defer";
      readonly error: unknown;
    }
  | { readonly type: "operation.abandoned"; readonly pipeline: string; readonly attempt: number }
  | {
      /** The dependency has asked that this call is not sent again. */
      readonly type: "retry.pushed-back";
      readonly pipeline: string;
      readonly attempts: number;
      readonly result: unknown;
    }
  | {
      /** A call was sent once more, beside the attempts that still run. */
      readonly type: "hedge.started";
      readonly pipeline: string;
      /** Which attempt that is: 2 for the first hedge of a call that was not retried. */
      readonly attempt: number;
      readonly delayMs: number;
    }
  | {
      /** A hedge has answered the call. */
      readonly type: "hedge.won";
      readonly pipeline: string;
      readonly attempt: number;
    }
  | {
      /** The budget has refused a hedge; the call goes on without. */
      readonly type: "hedge.budget-denied";
      readonly pipeline: string;
      /** Attempts that were sent beside each other so far. */
      readonly attempts: number;
    }
  | {
      /** A hedge was due and is not sent, because the dependency has asked not to be sent the call again; the call goes on without. */
      readonly type: "hedge.pushed-back";
      readonly pipeline: string;
      /** Attempts that were sent beside each other so far. */
      readonly attempts: number;
    }
  | {
      readonly type: "adaptive-throttle.rejected";
      readonly pipeline: string;
      readonly name: string;
      /** The share of attempts that is refused now. */
      readonly rejectRatio: number;
    }
  | {
      /** An endpoint is out of use. */
      readonly type: "load-balance.ejected";
      readonly pipeline: string;
      readonly name: string;
      readonly endpoint: string;
      /** For how long. */
      readonly ejectMs: number;
      /** The failure that did it; undefined when slow calls did. */
      readonly cause: unknown;
    }
  | {
      /** It is in use again. */
      readonly type: "load-balance.restored";
      readonly pipeline: string;
      readonly name: string;
      readonly endpoint: string;
    };

/** Is told what happens. Must not throw; what it throws is dropped, because telling must not change a call. */
export type Observer = (event: HeadgateEvent) => void;
