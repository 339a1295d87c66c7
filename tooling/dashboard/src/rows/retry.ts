// What is done a second time, and what is given up. Retries and hedges are told apart by `retry_type`.
import { heatmap, type PanelSource, timeseries } from "../panels.ts";
import { calls, increase, rate, ratio, sum } from "../queries.ts";

export function retry(): PanelSource[] {
  return [
    timeseries({
      title: "Retries for each call",
      description: "Attempts after the first, for each call. The line is where the alert begins.",
      width: 12,
      unit: "percentunit",
      limit: [0.2, "red"],
      queries: [
        [ratio(sum(rate("retry_attempt_total"), "pipeline_name"), calls("pipeline_name")), "{{pipeline_name}}"],
      ],
    }),
    timeseries({
      title: "Attempts after the first",
      description: "By what asked for them, and the error of the attempt before.",
      width: 12,
      unit: "reqps",
      stacked: true,
      queries: [[sum(rate("retry_attempt_total"), "retry_type", "error_type"), "{{retry_type}} {{error_type}}"]],
    }),
    heatmap({
      title: "Attempts that calls took",
      description: "The first one included.",
      width: 12,
      unit: "short",
      queries: [[sum(increase("retry_attempts_bucket"), "le"), "{{le}}"]],
    }),
    timeseries({
      title: "Given up",
      description:
        "Calls whose last attempt failed, that the budget did not let try again, or that a fallback answered.",
      width: 6,
      unit: "reqps",
      queries: [
        [sum(rate("retry_exhausted_total")), "no attempts left"],
        [sum(rate("retry_budget_denied_total")), "budget used up"],
        [sum(rate("fallback_used_total")), "fallback"],
      ],
    }),
    timeseries({
      title: "Timeouts",
      description: "Deadlines that passed, by what they hold for.",
      width: 6,
      unit: "reqps",
      queries: [[sum(rate("timeout_fired_total"), "timeout_scope"), "{{timeout_scope}}"]],
    }),
  ];
}
