// Counts calls, and reads what policies count themselves when somebody asks for the numbers. No SDK is involved: a counter
// of an SDK costs as much as a whole call through four policies.
import { InvalidOptionError, type Meter, type Pipeline, type Policy } from "@headgate/core";
import { ByName, PipelineCounts, type RecordValue, Shared } from "./counts.ts";
import { HttpServerCounts, type HttpServerTelemetry } from "./http-server.ts";
import type { Metric } from "./metrics.ts";
import {
  balanceMetrics,
  breakerMetrics,
  limitMetrics,
  pipelineMetrics,
  rateMetrics,
  shedMetrics,
  throttleMetrics,
} from "./snapshot.ts";
import { Watchlist } from "./watched.ts";

/** As a `Meter` it counts the calls of pipelines: `pipeline({ name, meter: telemetry }, …)`, one for any number of them. */
export interface Telemetry extends Meter {
  /**
   * From now on what this pipeline and its policies count and are is among the metrics, under their names; or that of a
   * single circuit breaker, concurrency limit, rate limit, load shedder, adaptive throttle or load balance. Watching one twice counts it once.
   *
   * @returns stops watching, for what is forgotten. Totals stay.
   * @throws {InvalidOptionError} for any other policy.
   */
  watch(watched: Pipeline | Policy): () => void;
  /** Where an HTTP server counts its requests: `httpMetrics({ meter: telemetry.httpServer })` of `@headgate/hono`. */
  readonly httpServer: HttpServerTelemetry;
  /** All numbers as they are now. Counters and histograms are totals since `createTelemetry()`. */
  collect(): readonly Metric[];
  /**
   * Hands each value of a histogram on when it is recorded, which costs what the receiver costs; undefined ends that. For
   * `registerInstruments`.
   */
  recordTo(record: RecordValue | undefined): void;
}

/**
 * Counts calls, refusals, retries and transitions. Makes no timer, reads no clock and starts nothing, so it may stand
 * at module scope on Workers.
 *
 * At most 200 names of pipelines, of breakers and of limits are kept apart, and 20 kinds of foreign errors; what is
 * past that is counted under `_OTHER`. So is what an HTTP server serves past 2,000 combinations of its attributes.
 */
export function createTelemetry(): Telemetry {
  const shared = new Shared();
  const pipelines = new ByName((name) => new PipelineCounts(name, shared));
  const watchlist = new Watchlist();
  const httpServer = new HttpServerCounts(shared);
  return {
    meterOf: (name) => pipelines.of(name),
    watch(watched) {
      if ("policies" in watched) return watchlist.pipeline(watched);
      const allowed =
        "a pipeline, a circuit breaker, a concurrency limit, a rate limit, a load shedder, an adaptive throttle or a load balance";
      return watchlist.policy(watched) ?? reject("telemetry.watch", allowed, String(watched.kind));
    },
    collect: () => [
      ...pipelineMetrics(pipelines.all(), watchlist.pipelines.all()),
      ...breakerMetrics(watchlist.breakers.all()),
      ...limitMetrics(watchlist.limits.all(), shared.waits.all()),
      ...rateMetrics(watchlist.rates.all()),
      ...shedMetrics(watchlist.sheds.all()),
      ...throttleMetrics(watchlist.throttles.all()),
      ...balanceMetrics(watchlist.balances.all()),
      ...httpServer.metrics(),
    ],
    httpServer,
    recordTo(record) {
      shared.record = record;
    },
  };
}

function reject(place: string, allowed: string, got: string): never {
  throw new InvalidOptionError(place, allowed, got);
}
