// Counts what pipelines tell, and reads the state of breakers and limits when it is asked for the numbers. No SDK is
// involved: a counter of an SDK costs as much as a whole call through four policies.
import {
  type CircuitBreaker,
  type ConcurrencyLimit,
  type HeadgateEvent,
  InvalidOptionError,
  isRefusal,
  type Observer,
} from "@headgate/core";
import {
  BreakerCounts,
  ByName,
  type CallBounds,
  type CallCounts,
  ErrorTypes,
  LimitCounts,
  PipelineCounts,
} from "./counts.ts";
import { latency, retryAttempts } from "./definitions.ts";
import type { Metric } from "./metrics.ts";
import { breakerMetrics, limitMetrics, pipelineMetrics } from "./snapshot.ts";

/** Different names of pipelines, of breakers and of limits each. What is past it is counted as `_OTHER`. */
const maxNames = 200;

const bounds: CallBounds = {
  latencyMs: latency.boundaries.map((seconds) => Math.round(seconds * 1000)),
  attempts: retryAttempts.boundaries,
};

export interface Telemetry {
  /** Counts what happens: `pipeline({ name, observer: telemetry.observer }, …)`. One for any number of pipelines. */
  readonly observer: Observer;
  /** From now on the state of this breaker or limit is among the metrics, under its `name`. */
  watch(policy: CircuitBreaker | ConcurrencyLimit): void;
  /** All numbers as they are now. Counters and histograms are totals since `createTelemetry()`. */
  collect(): readonly Metric[];
}

/**
 * Counts calls, refusals, retries and transitions. Makes no timer, reads no clock and starts nothing, so it may stand
 * at module scope on Workers.
 *
 * At most 200 names of pipelines, of breakers and of limits are kept apart, and 20 kinds of foreign errors; what is
 * past that is counted under `_OTHER`.
 */
export function createTelemetry(): Telemetry {
  const pipelines = new ByName(maxNames, (name) => new PipelineCounts(name, bounds));
  const breakers = new ByName(maxNames, (name) => new BreakerCounts(name));
  const limits = new ByName(maxNames, (name) => new LimitCounts(name));
  const errorTypes = new ErrorTypes();

  function observer(event: HeadgateEvent): void {
    switch (event.type) {
      case "pipeline.settled":
        callCounts(pipelines.of(event.pipeline), event, errorTypes).record(event.durationMs, event.attempts);
        break;
      case "timeout.fired":
        if (event.scope === "total") pipelines.of(event.pipeline).totalTimeouts++;
        else pipelines.of(event.pipeline).attemptTimeouts++;
        break;
      case "retry.scheduled": {
        const { retries } = pipelines.of(event.pipeline);
        const type = errorTypes.of(event.result);
        retries.set(type, (retries.get(type) ?? 0) + 1);
        break;
      }
      case "retry.exhausted":
        pipelines.of(event.pipeline).exhausted++;
        break;
      case "circuit-breaker.opened":
        breakers.of(event.name).opened++;
        break;
      case "circuit-breaker.half-opened":
        breakers.of(event.name).halfOpened++;
        break;
      case "circuit-breaker.closed":
        breakers.of(event.name).closed++;
        break;
      case "circuit-breaker.rejected":
        breakers.of(event.name).rejected++;
        break;
      case "concurrency-limit.rejected":
        if (event.reason === "full") limits.of(event.name).rejectedFull++;
        else limits.of(event.name).rejectedWait++;
        break;
      default:
        // Not every event is a metric.
        break;
    }
  }

  return {
    observer,
    watch(policy) {
      if (policy.kind === "circuit-breaker") breakers.of(policy.name).watched.add(policy);
      else if (policy.kind === "concurrency-limit") limits.of(policy.name).watched.add(policy);
      else rejectPolicy(policy);
    },
    collect: () => [...pipelineMetrics([...pipelines]), ...breakerMetrics([...breakers]), ...limitMetrics([...limits])],
  };
}

function rejectPolicy(policy: { readonly kind?: unknown }): never {
  throw new InvalidOptionError("telemetry.watch", "a circuit breaker or a concurrency limit", String(policy.kind));
}

function callCounts(
  counts: PipelineCounts,
  event: Extract<HeadgateEvent, { type: "pipeline.settled" }>,
  errorTypes: ErrorTypes,
): CallCounts {
  const { outcome, error } = event;
  if (outcome === "success") return counts.success;
  // What is ignored is a refusal of ours, or the caller's own end of the call, with whatever reason.
  if (outcome === "ignored" && !isRefusal(error)) return counts.cancelled;
  return counts.failedWith(errorTypes.of(error));
}
