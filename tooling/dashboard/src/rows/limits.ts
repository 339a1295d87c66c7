// How full the limits are, who waits, and who is sent away.
import { type PanelSource, timeseries } from "../panels.ts";
import { max, quantile, rate, series, sum } from "../queries.ts";

const name = "concurrency_limit_name";

export function limits(): PanelSource[] {
  const taken = sum(series("concurrency_active"), "instance", name);
  // A limit without a bound is +Inf and is never full.
  const all = sum(series("concurrency_limit"), "instance", name);
  return [
    timeseries({
      title: "Permits taken",
      description: "The share of a limit's permits, in the fullest instance. The line is where the alert begins.",
      width: 8,
      unit: "percentunit",
      max: 1,
      limit: [0.9, "red"],
      queries: [[max(`${taken} / (${all} > 0 < +Inf)`, name), `{{${name}}}`]],
    }),
    timeseries({
      title: "Running and waiting",
      description: "Calls that hold a permit, and those that wait for one.",
      width: 8,
      unit: "short",
      queries: [
        [sum(series("concurrency_active"), name), `{{${name}}} running`],
        [sum(series("concurrency_queued"), name), `{{${name}}} waiting`],
      ],
    }),
    timeseries({
      title: "Time spent waiting",
      description: "Of calls that were given a permit in the end.",
      width: 8,
      unit: "s",
      queries: [
        [quantile(0.5, "concurrency_queue_duration_seconds", name), `{{${name}}} p50`],
        [quantile(0.99, "concurrency_queue_duration_seconds", name), `{{${name}}} p99`],
      ],
    }),
    timeseries({
      title: "Refused by concurrency limits",
      description: "Attempts that were given no permit, in a second, and why.",
      width: 12,
      unit: "reqps",
      queries: [[sum(rate("concurrency_rejected_total"), name, "reason"), `{{${name}}} {{reason}}`]],
    }),
    timeseries({
      title: "Rate limiters",
      description: "What was asked for, in a second, and what the limiter said.",
      width: 12,
      unit: "reqps",
      stacked: true,
      queries: [
        [
          sum(rate("rate_limiter_requests_total"), "rate_limiter_name", "rate_limiter_result"),
          "{{rate_limiter_name}} {{rate_limiter_result}}",
        ],
      ],
    }),
  ];
}
