// Every name that leaves this package, with unit, description and attributes. OpenTelemetry has no conventions for
// resilience; these follow its rules for names. Dashboards and alerts rely on them: a change here is a breaking one.
import type { HistogramDefinition, NumberDefinition } from "./metrics.ts";

export const pipelineName = "pipeline.name";
export const pipelineOutcome = "pipeline.outcome";
export const errorType = "error.type";
export const breakerName = "circuit_breaker.name";
export const breakerState = "circuit_breaker.state";
export const breakerTrigger = "circuit_breaker.trigger";
export const limitName = "concurrency_limit.name";
export const rateName = "rate_limiter.name";
export const rateResult = "rate_limiter.result";
export const shedName = "load_shed.name";
export const shedClass = "load_shed.class";
export const shedSignal = "load_shed.signal";
export const throttleName = "adaptive_throttle.name";
export const balanceName = "load_balance.name";
export const endpointState = "load_balance.endpoint.state";
export const rejectReason = "reason";
export const retryType = "retry.type";
export const timeoutScope = "timeout.scope";
export const httpMethod = "http.request.method";
export const httpRoute = "http.route";
export const httpStatus = "http.response.status_code";
export const urlScheme = "url.scheme";

/** Stands for whatever is past a bound on different values: the value that OpenTelemetry reserves for it. */
export const other = "_OTHER";

/** Those of OpenTelemetry's HTTP durations, in seconds. */
const durationBoundaries = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];

export const latency: HistogramDefinition = {
  name: "async.pipeline.latency",
  kind: "histogram",
  unit: "s",
  description: "How long calls took, from execute() to the answer of the caller.",
  attributes: [pipelineName, pipelineOutcome, errorType],
  boundaries: durationBoundaries,
};

export const success: NumberDefinition = {
  name: "async.pipeline.success",
  kind: "counter",
  unit: "{execution}",
  description: "Calls that succeeded, those included that a fallback has answered.",
  attributes: [pipelineName],
};

export const failure: NumberDefinition = {
  name: "async.pipeline.failure",
  kind: "counter",
  unit: "{execution}",
  description: "Calls that failed, timed out or were refused. Cancelled ones are not among them.",
  attributes: [pipelineName, errorType],
};

export const pipelineActive: NumberDefinition = {
  name: "async.pipeline.active",
  kind: "up-down-counter",
  unit: "{execution}",
  description: "Calls that have not ended yet.",
  attributes: [pipelineName],
};

export const breakerOpened: NumberDefinition = {
  name: "circuit.breaker.open",
  kind: "counter",
  unit: "{transition}",
  description: "How often the circuit opened.",
  attributes: [breakerName, breakerTrigger],
};

export const breakerClosed: NumberDefinition = {
  name: "circuit.breaker.closed",
  kind: "counter",
  unit: "{transition}",
  description: "How often the circuit closed again.",
  attributes: [breakerName, breakerTrigger],
};

export const breakerHalfOpened: NumberDefinition = {
  name: "circuit.breaker.half_open",
  kind: "counter",
  unit: "{transition}",
  description: "How often the circuit let probes through after it had been open.",
  attributes: [breakerName, breakerTrigger],
};

export const breakerStatus: NumberDefinition = {
  name: "circuit.breaker.status",
  kind: "up-down-counter",
  unit: "1",
  description: "1 for the state that the circuit is in, 0 for the others.",
  attributes: [breakerName, breakerState],
};

export const breakerRejected: NumberDefinition = {
  name: "circuit.breaker.rejected",
  kind: "counter",
  unit: "{execution}",
  description: "Attempts that the circuit refused.",
  attributes: [breakerName],
};

export const breakerFailureRatio: NumberDefinition = {
  name: "circuit.breaker.failure.ratio",
  kind: "gauge",
  unit: "1",
  description: "The share of failures that the trip looks at.",
  attributes: [breakerName],
};

export const breakerSlowRatio: NumberDefinition = {
  name: "circuit.breaker.slow.ratio",
  kind: "gauge",
  unit: "1",
  description: "The share of slow calls that the trip looks at.",
  attributes: [breakerName],
};

export const retryAttempt: NumberDefinition = {
  name: "retry.attempt",
  kind: "counter",
  unit: "{attempt}",
  description: "Attempts after the first one of a call; retries by the error of the attempt before.",
  attributes: [pipelineName, retryType, errorType],
};

export const retryAttempts: HistogramDefinition = {
  name: "retry.attempts",
  kind: "histogram",
  unit: "{attempt}",
  description: "Attempts that calls took, the first one included.",
  attributes: [pipelineName, pipelineOutcome],
  boundaries: [1, 2, 3, 5, 8],
};

export const retryExhausted: NumberDefinition = {
  name: "retry.exhausted",
  kind: "counter",
  unit: "{execution}",
  description: "Calls whose last permitted attempt failed.",
  attributes: [pipelineName],
};

export const retryBudgetDenied: NumberDefinition = {
  name: "retry.budget.denied",
  kind: "counter",
  unit: "{execution}",
  description: "Calls that were not retried because the budget refused.",
  attributes: [pipelineName],
};

export const timeoutFired: NumberDefinition = {
  name: "timeout.fired",
  kind: "counter",
  unit: "{timeout}",
  description: "Deadlines that passed.",
  attributes: [pipelineName, timeoutScope],
};

export const fallbackUsed: NumberDefinition = {
  name: "fallback.used",
  kind: "counter",
  unit: "{execution}",
  description: "Calls that a fallback has answered.",
  attributes: [pipelineName],
};

export const hedgeWon: NumberDefinition = {
  name: "hedge.won",
  kind: "counter",
  unit: "{execution}",
  description: "Calls that a hedge has answered before the attempts that were sent earlier.",
  attributes: [pipelineName],
};

export const hedgeDenied: NumberDefinition = {
  name: "hedge.denied",
  kind: "counter",
  unit: "{attempt}",
  description: "Hedges that were due and not sent. Those that were sent are in retry.attempt.",
  attributes: [pipelineName, rejectReason],
};

export const limitActive: NumberDefinition = {
  name: "concurrency.active",
  kind: "up-down-counter",
  unit: "{execution}",
  description: "Permits that are taken.",
  attributes: [limitName],
};

export const limitQueued: NumberDefinition = {
  name: "concurrency.queued",
  kind: "up-down-counter",
  unit: "{execution}",
  description: "Calls that wait for a permit.",
  attributes: [limitName],
};

export const limitSize: NumberDefinition = {
  name: "concurrency.limit",
  kind: "up-down-counter",
  unit: "{execution}",
  description: "Permits in all.",
  attributes: [limitName],
};

export const queueDuration: HistogramDefinition = {
  name: "concurrency.queue.duration",
  kind: "histogram",
  unit: "s",
  description: "How long calls waited that were given a permit in the end.",
  attributes: [limitName],
  boundaries: durationBoundaries,
};

export const limitRejected: NumberDefinition = {
  name: "concurrency.rejected",
  kind: "counter",
  unit: "{execution}",
  description: "Attempts that were given no permit.",
  attributes: [limitName, rejectReason],
};

export const rateRequests: NumberDefinition = {
  name: "rate_limiter.requests",
  kind: "counter",
  unit: "{request}",
  description: "Calls and acquisitions that were asked for.",
  attributes: [rateName, rateResult],
};

export const shedRejected: NumberDefinition = {
  name: "load_shed.rejected",
  kind: "counter",
  unit: "{execution}",
  description: "Calls that were turned away, by their class and the signal that pressed most.",
  attributes: [shedName, shedClass, rejectReason],
};

export const shedPressure: NumberDefinition = {
  name: "load_shed.pressure.ratio",
  kind: "gauge",
  unit: "1",
  description: "How much overload each signal tells of.",
  attributes: [shedName, shedSignal],
};

export const throttleRejected: NumberDefinition = {
  name: "adaptive_throttle.rejected",
  kind: "counter",
  unit: "{execution}",
  description: "Attempts that were not sent, because the dependency turns so many away.",
  attributes: [throttleName],
};

export const throttleRatio: NumberDefinition = {
  name: "adaptive_throttle.reject.ratio",
  kind: "gauge",
  unit: "1",
  description: "The share of attempts that is refused.",
  attributes: [throttleName],
};

export const balanceEjections: NumberDefinition = {
  name: "load_balance.ejections",
  kind: "counter",
  unit: "{ejection}",
  description: "How often an endpoint went out of use, failed trials included.",
  attributes: [balanceName],
};

export const balanceEndpoints: NumberDefinition = {
  name: "load_balance.endpoints",
  kind: "up-down-counter",
  unit: "{endpoint}",
  description: "Endpoints in each state.",
  attributes: [balanceName, endpointState],
};

export const httpServerDuration: HistogramDefinition = {
  name: "http.server.request.duration",
  kind: "histogram",
  unit: "s",
  description: "How long requests took, to the end of the response's body.",
  attributes: [httpMethod, urlScheme, httpRoute, httpStatus, errorType],
  boundaries: durationBoundaries,
};

export const httpServerActive: NumberDefinition = {
  name: "http.server.active_requests",
  kind: "up-down-counter",
  unit: "{request}",
  description: "Requests under way, those included whose response's body is still being sent.",
  attributes: [httpMethod, urlScheme],
};
