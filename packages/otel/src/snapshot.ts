// Turns what was counted into points. What can be derived is derived here, when somebody asks: counting stays cheap.
import type { CallCounts, PipelineCounts } from "./counts.ts";
import * as definitions from "./definitions.ts";
import type { Histogram } from "./histogram.ts";
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
import type {
  BreakerTotal,
  WatchedBalances,
  WatchedBreakers,
  WatchedLimits,
  WatchedPipelines,
  WatchedRates,
  WatchedSheds,
  WatchedThrottles,
} from "./watched.ts";

const { breakerName, breakerState, breakerTrigger, limitName, pipelineName, rejectReason } = definitions;

const states = ["closed", "open", "half_open", "forced_open", "disabled"] as const;

export function pipelineMetrics(counted: readonly PipelineCounts[], watched: readonly WatchedPipelines[]): Metric[] {
  const latencies: HistogramPoint[] = [];
  const failures: NumberPoint[] = [];
  const retries: NumberPoint[] = [];
  const attempts: HistogramPoint[] = [];
  const timeouts: NumberPoint[] = [];
  const hedgesWon: NumberPoint[] = [];
  const denied: NumberPoint[] = [];
  const each = (value: (pipeline: PipelineCounts) => number): NumberPoint[] =>
    counted.map((pipeline) => ({ attributes: { [pipelineName]: pipeline.name }, value: value(pipeline) }));
  for (const pipeline of counted) {
    const name = { [pipelineName]: pipeline.name };
    const failed = [...pipeline.failed.values()];
    const { success, cancelled, answered } = pipeline;
    const ended = [success, cancelled, answered, ...failed].filter((calls) => calls.count > 0);
    for (const calls of ended) latencies.push(durationPoint(calls.attributes, calls.latency));
    for (const { errorType, count } of failed) {
      failures.push({ attributes: { ...name, [definitions.errorType]: errorType as string }, value: count });
    }
    for (const [type, value] of pipeline.retries) {
      retries.push({ attributes: { ...name, [definitions.retryType]: "retry", [definitions.errorType]: type }, value });
    }
    const { hedges, hedgesDenied, hedgesPushedBack } = pipeline;
    if (hedges > 0) retries.push({ attributes: { ...name, [definitions.retryType]: "hedge" }, value: hedges });
    if (hedges + hedgesDenied + hedgesPushedBack > 0) {
      hedgesWon.push({ attributes: name, value: pipeline.hedgesWon });
      denied.push(...byKey(name, rejectReason, { budget: hedgesDenied, push_back: hedgesPushedBack }));
    }
    attempts.push(...attemptsPoints(name, ended));
    timeouts.push(timeoutPoint(name, "total", pipeline.totalTimeouts));
    timeouts.push(timeoutPoint(name, "attempt", pipeline.attemptTimeouts));
    timeouts.push(timeoutPoint(name, "upstream_deadline", pipeline.deadlineTimeouts));
  }
  const active = watched.map((pipelines) => ({
    attributes: { [pipelineName]: pipelines.name },
    value: pipelines.sum(({ inFlight }) => inFlight),
  }));
  return [
    histograms(definitions.latency, latencies),
    // Answered by a fallback is answered.
    numbers(
      definitions.success,
      each(({ success, answered }) => success.count + answered.count),
    ),
    numbers(definitions.failure, failures),
    numbers(definitions.pipelineActive, active),
    numbers(definitions.retryAttempt, retries),
    histograms(definitions.retryAttempts, attempts),
    numbers(
      definitions.retryExhausted,
      each(({ exhausted }) => exhausted),
    ),
    numbers(
      definitions.retryBudgetDenied,
      each(({ budgetDenied }) => budgetDenied),
    ),
    numbers(definitions.timeoutFired, timeouts),
    numbers(
      definitions.fallbackUsed,
      each(({ fallbacks }) => fallbacks),
    ),
    numbers(definitions.hedgeWon, hedgesWon),
    numbers(definitions.hedgeDenied, denied),
  ];
}

export function breakerMetrics(breakers: readonly WatchedBreakers[]): Metric[] {
  const totals = breakers.map((breaker) => ({ name: breaker.name, totals: breaker.totals() }));
  const transitions = (local: BreakerTotal, manual: BreakerTotal): NumberPoint[] =>
    totals.flatMap(({ name, totals: count }) => [
      { attributes: { [breakerName]: name, [breakerTrigger]: "local" }, value: count?.[local] ?? 0 },
      { attributes: { [breakerName]: name, [breakerTrigger]: "manual" }, value: count?.[manual] ?? 0 },
    ]);
  return [
    numbers(definitions.breakerOpened, transitions("opened", "openedByHand")),
    numbers(definitions.breakerClosed, transitions("closed", "closedByHand")),
    numbers(definitions.breakerHalfOpened, transitions("halfOpened", "halfOpenedByHand")),
    numbers(definitions.breakerStatus, breakers.flatMap(statusPoints)),
    numbers(
      definitions.breakerRejected,
      totals.map(({ name, totals: count }) => ({ attributes: { [breakerName]: name }, value: count?.rejected ?? 0 })),
    ),
    numbers(
      definitions.breakerFailureRatio,
      breakers.flatMap((breaker) => ratioPoint(breaker, "failureRatio")),
    ),
    numbers(
      definitions.breakerSlowRatio,
      breakers.flatMap((breaker) => ratioPoint(breaker, "slowRatio")),
    ),
  ];
}

export function limitMetrics(limits: readonly WatchedLimits[], waits: readonly Histogram[]): Metric[] {
  const now = (key: "inUse" | "queued" | "maxConcurrent"): NumberPoint[] =>
    limits
      .filter((limit) => limit.now.size > 0)
      .map((limit) => ({ attributes: { [limitName]: limit.name }, value: limit.sum((one) => one[key]) }));
  return [
    numbers(definitions.limitActive, now("inUse")),
    numbers(definitions.limitQueued, now("queued")),
    numbers(definitions.limitSize, now("maxConcurrent")),
    histograms(
      definitions.queueDuration,
      waits.map((wait) => durationPoint({ [limitName]: wait.name }, wait)),
    ),
    numbers(
      definitions.limitRejected,
      limits.flatMap((limit) => byKey({ [limitName]: limit.name }, rejectReason, limit.totals())),
    ),
  ];
}

export function rateMetrics(rates: readonly WatchedRates[]): Metric[] {
  const { rateName, rateResult, rateRequests } = definitions;
  return [
    numbers(
      rateRequests,
      rates.flatMap((rate) => byKey({ [rateName]: rate.name }, rateResult, rate.totals())),
    ),
  ];
}

export function shedMetrics(sheds: readonly WatchedSheds[]): Metric[] {
  const { shedClass, shedName, shedPressure, shedRejected } = definitions;
  return [
    numbers(
      shedRejected,
      sheds.flatMap((shed) =>
        Object.entries(shed.totals() ?? {}).map(([key, value]) => {
          const [, priorityClass = "", reason = ""] = /(\S+) (.*)/s.exec(key) ?? [];
          return { attributes: { [shedName]: shed.name, [shedClass]: priorityClass, [rejectReason]: reason }, value };
        }),
      ),
    ),
    numbers(shedPressure, sheds.flatMap(pressurePoints)),
  ];
}

export function throttleMetrics(throttles: readonly WatchedThrottles[]): Metric[] {
  const { throttleName, throttleRatio, throttleRejected } = definitions;
  return [
    numbers(
      throttleRejected,
      throttles.map((throttle) => ({
        attributes: { [throttleName]: throttle.name },
        value: throttle.totals()?.rejected ?? 0,
      })),
    ),
    numbers(
      throttleRatio,
      throttles
        .filter(({ now }) => now.size > 0)
        .map(({ name, now }) => ({
          attributes: { [throttleName]: name },
          value: Math.max(...Array.from(now, ({ rejectRatio }) => rejectRatio)),
        })),
    ),
  ];
}

export function balanceMetrics(balances: readonly WatchedBalances[]): Metric[] {
  const { balanceEjections, balanceEndpoints, balanceName } = definitions;
  return [
    numbers(
      balanceEjections,
      balances.map((balance) => ({
        attributes: { [balanceName]: balance.name },
        value: balance.totals()?.ejections ?? 0,
      })),
    ),
    numbers(balanceEndpoints, balances.filter(({ now }) => now.size > 0).flatMap(endpointPoints)),
  ];
}

/** Endpoints of all that share a name, by their state. */
function endpointPoints({ name, now }: WatchedBalances): NumberPoint[] {
  const counts = { healthy: 0, ejected: 0, probing: 0 };
  for (const balance of now) for (const { state } of balance.snapshot()) counts[state]++;
  return byKey({ [definitions.balanceName]: name }, definitions.endpointState, counts);
}

/** Of load shedders that share a name the highest. */
function pressurePoints(sheds: WatchedSheds): NumberPoint[] {
  const pressures = Array.from(sheds.now).flatMap((shed) => shed.pressures);
  return [...Map.groupBy(pressures, ({ signal }) => signal)].map(([signal, all]) => ({
    attributes: { [definitions.shedName]: sheds.name, [definitions.shedSignal]: signal },
    value: Math.max(...all.map(({ ratio }) => ratio)),
  }));
}

/** A point for each total, the total's name as an attribute. */
function byKey(
  name: Attributes,
  attribute: string,
  totals: Readonly<Record<string, number>> | undefined,
): NumberPoint[] {
  return Object.entries(totals ?? {}).map(([key, value]) => ({ attributes: { ...name, [attribute]: key }, value }));
}

function numbers(definition: NumberDefinition, points: readonly NumberPoint[]): NumberMetric {
  return { ...definition, points };
}

function histograms(definition: HistogramDefinition, points: readonly HistogramPoint[]): HistogramMetric {
  return { ...definition, points };
}

/** Of a histogram in milliseconds. */
function durationPoint(attributes: Attributes, { count, sum, counts }: Histogram): HistogramPoint {
  return { attributes, count, sum: sum / 1000, bucketCounts: [...counts] };
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

function timeoutPoint(name: Attributes, scope: "total" | "attempt" | "upstream_deadline", value: number): NumberPoint {
  return { attributes: { ...name, [definitions.timeoutScope]: scope }, value };
}

/** Breakers that share a name add up: so many of them are in each state. */
function statusPoints(breakers: WatchedBreakers): NumberPoint[] {
  if (breakers.now.size === 0) return [];
  return states.map((state) => ({
    attributes: { [breakerName]: breakers.name, [breakerState]: state },
    value: breakers.sum((breaker) => (statusOf(breaker) === state ? 1 : 0)),
  }));
}

function statusOf({ mode, state }: { readonly mode: string; readonly state: string }): string {
  return (mode === "forced-open" || mode === "disabled" ? mode : state).replace("-", "_");
}

/** Of breakers that share a name the highest. */
function ratioPoint(breakers: WatchedBreakers, ratio: "failureRatio" | "slowRatio"): NumberPoint[] {
  const values = Array.from(breakers.now, (breaker) => breaker[ratio]).filter((value) => value !== undefined);
  return values.length === 0 ? [] : [{ attributes: { [breakerName]: breakers.name }, value: Math.max(...values) }];
}
