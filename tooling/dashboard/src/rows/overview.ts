// How the calls are, at a glance: the row to look at first.
import { type PanelSource, stat, timeseries } from "../panels.ts";
import { calls, quantile, rate, ratio, series, sum } from "../queries.ts";

const success = "async_pipeline_success_total";
const latency = "async_pipeline_latency_seconds";
const refused = `${rate("concurrency_rejected_total")} or ${rate("rate_limiter_requests_total", 'rate_limiter_result="rejected"')}`;

/** Green as long as the SLO of the alerts, 99.9 %, holds. */
const successSteps = [
  [null, "red"],
  [0.99, "orange"],
  [0.999, "green"],
] as const;

export function overview(): PanelSource[] {
  return [
    stat({
      title: "Calls",
      description: "Calls in a second that were answered or failed.",
      width: 4,
      unit: "reqps",
      decimals: 1,
      queries: [[calls(), "calls"]],
    }),
    stat({
      title: "Success",
      description: "The share of calls that were answered. Cancelled calls are not counted.",
      width: 4,
      unit: "percentunit",
      decimals: 2,
      max: 1,
      steps: successSteps,
      queries: [[ratio(sum(rate(success)), calls()), "success"]],
    }),
    stat({
      title: "p95",
      description: "The latency that 95 % of calls do not exceed. The alert is at 100 ms.",
      width: 4,
      unit: "s",
      steps: [
        [null, "green"],
        [0.1, "orange"],
        [1, "red"],
      ],
      queries: [[quantile(0.95, latency), "p95"]],
    }),
    stat({
      title: "Open circuits",
      description: "Circuits that let no call through, of all instances.",
      width: 4,
      unit: "short",
      decimals: 0,
      steps: [
        [null, "green"],
        [1, "red"],
      ],
      queries: [[sum(series("circuit_breaker_status", 'circuit_breaker_state=~"open|forced_open"')), "open"]],
    }),
    stat({
      title: "Refused by limits",
      description: "The share of calls that concurrency limits and rate limiters refused.",
      width: 4,
      unit: "percentunit",
      decimals: 2,
      steps: [
        [null, "green"],
        [0.01, "orange"],
      ],
      queries: [[ratio(sum(refused), calls()), "refused"]],
    }),
    stat({
      title: "Under way",
      description: "Calls that have not ended yet.",
      width: 4,
      unit: "short",
      decimals: 0,
      queries: [[sum(series("async_pipeline_active")), "under way"]],
    }),
    timeseries({
      title: "Calls by outcome",
      description: "How calls ended, in a second.",
      width: 12,
      unit: "reqps",
      stacked: true,
      colors: { success: "green", failure: "red", timeout: "orange", rejected_breaker: "purple", fallback: "blue" },
      queries: [[sum(rate(`${latency}_count`), "pipeline_outcome"), "{{pipeline_outcome}}"]],
    }),
    timeseries({
      title: "Latency",
      description: "From execute() to the answer of the caller, whatever that was.",
      width: 12,
      unit: "s",
      queries: [
        [quantile(0.5, latency), "p50"],
        [quantile(0.95, latency), "p95"],
        [quantile(0.99, latency), "p99"],
      ],
    }),
    timeseries({
      title: "Success by pipeline",
      description: "The share of calls that were answered. The line is the SLO of the alerts.",
      width: 12,
      unit: "percentunit",
      max: 1,
      limit: [0.999, "green"],
      queries: [[ratio(sum(rate(success), "pipeline_name"), calls("pipeline_name")), "{{pipeline_name}}"]],
    }),
    timeseries({
      title: "Failures by error",
      description: "What calls failed with, in a second.",
      width: 12,
      unit: "reqps",
      stacked: true,
      queries: [
        [sum(rate("async_pipeline_failure_total"), "pipeline_name", "error_type"), "{{pipeline_name}} {{error_type}}"],
      ],
    }),
  ];
}
