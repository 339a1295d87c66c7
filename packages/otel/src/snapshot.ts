// Turns what was counted into points. What can be derived is derived here, when somebody asks: counting stays cheap.
import type { CircuitState } from "@headgate/core";
import type { BreakerCounts, CallCounts, LimitCounts, PipelineCounts } from "./counts.ts";
import * as definitions from "./definitions.ts";
import type {
  Attributes,
  HistogramDefinition,
  HistogramMetric,
  HistogramPoint,
  Metric,
  NumberDefinition,
  NumberMetric,
  NumberPoint,
} from "./metrics.ts";

const { breakerName, breakerState, breakerTrigger, limitName, pipelineName, rejectReason } = definitions;

const states: readonly CircuitState[] = ["closed", "open", "half-open"];

export function pipelineMetrics(pipelines: readonly PipelineCounts[]): Metric[] {
  const latencies: HistogramPoint[] = [];
  const successes: NumberPoint[] = [];
  const failures: NumberPoint[] = [];
  const retries: NumberPoint[] = [];
  const attempts: HistogramPoint[] = [];
  const exhausted: NumberPoint[] = [];
  const timeouts: NumberPoint[] = [];
  for (const pipeline of pipelines) {
    const name = { [pipelineName]: pipeline.name };
    const failed = [...pipeline.failed.values()];
    const ended = [pipeline.success, pipeline.cancelled, ...failed].filter((calls) => calls.count > 0);
    for (const calls of ended) latencies.push(latencyPoint(name, calls));
    successes.push({ attributes: name, value: pipeline.success.count });
    for (const calls of failed) {
      failures.push({ attributes: withError(name, calls.errorType), value: calls.count });
    }
    for (const [type, value] of pipeline.retries) {
      retries.push({ attributes: { ...name, [definitions.retryType]: "retry", [definitions.errorType]: type }, value });
    }
    attempts.push(...attemptsPoints(name, ended));
    exhausted.push({ attributes: name, value: pipeline.exhausted });
    timeouts.push(timeoutPoint(name, "total", pipeline.totalTimeouts));
    timeouts.push(timeoutPoint(name, "attempt", pipeline.attemptTimeouts));
  }
  return [
    histograms(definitions.latency, latencies),
    numbers(definitions.success, successes),
    numbers(definitions.failure, failures),
    numbers(definitions.retryAttempt, retries),
    histograms(definitions.retryAttempts, attempts),
    numbers(definitions.retryExhausted, exhausted),
    numbers(definitions.timeoutFired, timeouts),
  ];
}

export function breakerMetrics(breakers: readonly BreakerCounts[]): Metric[] {
  const transitions = (value: (breaker: BreakerCounts) => number): NumberPoint[] =>
    breakers.map((breaker) => ({
      attributes: { [breakerName]: breaker.name, [breakerTrigger]: "local" },
      value: value(breaker),
    }));
  return [
    numbers(
      definitions.breakerOpened,
      transitions(({ opened }) => opened),
    ),
    numbers(
      definitions.breakerClosed,
      transitions(({ closed }) => closed),
    ),
    numbers(
      definitions.breakerHalfOpened,
      transitions(({ halfOpened }) => halfOpened),
    ),
    numbers(definitions.breakerStatus, breakers.flatMap(statusPoints)),
    numbers(
      definitions.breakerRejected,
      breakers.map(({ name, rejected }) => ({ attributes: { [breakerName]: name }, value: rejected })),
    ),
  ];
}

export function limitMetrics(limits: readonly LimitCounts[]): Metric[] {
  const watched = limits.filter((limit) => limit.watched.size > 0);
  const sums = (value: (limit: { inUse: number; queued: number; maxConcurrent: number }) => number): NumberPoint[] =>
    watched.map((limit) => ({
      attributes: { [limitName]: limit.name },
      value: [...limit.watched].reduce((sum, one) => sum + value(one), 0),
    }));
  return [
    numbers(
      definitions.limitActive,
      sums(({ inUse }) => inUse),
    ),
    numbers(
      definitions.limitQueued,
      sums(({ queued }) => queued),
    ),
    numbers(
      definitions.limitSize,
      sums(({ maxConcurrent }) => maxConcurrent),
    ),
    numbers(
      definitions.limitRejected,
      limits.flatMap(({ name, rejectedFull, rejectedWait }) => [
        { attributes: { [limitName]: name, [rejectReason]: "full" }, value: rejectedFull },
        { attributes: { [limitName]: name, [rejectReason]: "timeout" }, value: rejectedWait },
      ]),
    ),
  ];
}

function numbers(definition: NumberDefinition, points: readonly NumberPoint[]): NumberMetric {
  return { ...definition, points };
}

function histograms(definition: HistogramDefinition, points: readonly HistogramPoint[]): HistogramMetric {
  return { ...definition, points };
}

function withError(attributes: Attributes, type: string | undefined): Attributes {
  return type === undefined ? attributes : { ...attributes, [definitions.errorType]: type };
}

function latencyPoint(name: Attributes, calls: CallCounts): HistogramPoint {
  return {
    attributes: withError({ ...name, [definitions.pipelineOutcome]: calls.outcome }, calls.errorType),
    count: calls.count,
    sum: calls.latency.sum / 1000,
    bucketCounts: [...calls.latency.counts],
  };
}

/** One point for each outcome: calls that failed with different errors add up. */
function attemptsPoints(name: Attributes, ended: readonly CallCounts[]): HistogramPoint[] {
  const byOutcome = Map.groupBy(ended, (calls) => calls.outcome);
  return [...byOutcome].map(([outcome, group]) => ({
    attributes: { ...name, [definitions.pipelineOutcome]: outcome },
    count: group.reduce((sum, calls) => sum + calls.count, 0),
    sum: group.reduce((sum, calls) => sum + calls.attempts.sum, 0),
    bucketCounts: Array.from({ length: definitions.retryAttempts.boundaries.length + 1 }, (_, i) =>
      group.reduce((sum, calls) => sum + (calls.attempts.counts[i] ?? 0), 0),
    ),
  }));
}

function timeoutPoint(name: Attributes, scope: "total" | "attempt", value: number): NumberPoint {
  return { attributes: { ...name, [definitions.timeoutScope]: scope }, value };
}

/** Breakers that share a name add up: so many of them are in each state. */
function statusPoints({ name, watched }: BreakerCounts): NumberPoint[] {
  if (watched.size === 0) return [];
  return states.map((state) => ({
    attributes: { [breakerName]: name, [breakerState]: state.replace("-", "_") },
    value: [...watched].filter((breaker) => breaker.state === state).length,
  }));
}
