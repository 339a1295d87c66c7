// Which circuits are open, since when, and what opens them.
import { type PanelSource, stateTimeline, timeseries } from "../panels.ts";
import { increase, max, rate, series, sum } from "../queries.ts";

const name = "circuit_breaker_name";

/** Worse states have higher values, so that the worst of the instances is shown. */
const states = {
  0: { text: "closed", color: "green" },
  1: { text: "disabled", color: "blue" },
  2: { text: "half open", color: "yellow" },
  3: { text: "open", color: "red" },
  4: { text: "forced open", color: "purple" },
} as const;

export function breakers(): PanelSource[] {
  return [
    stateTimeline({
      title: "State",
      description: "The worst state that a circuit of this name is in, in any instance.",
      width: 12,
      states,
      queries: [[stateOfCircuits(), `{{${name}}}`]],
    }),
    timeseries({
      title: "Transitions",
      description: "How often circuits opened, let probes through and closed again, all of them together.",
      width: 12,
      unit: "short",
      stacked: true,
      bars: true,
      colors: { opened: "red", "half open": "yellow", closed: "green" },
      queries: [
        [sum(increase("circuit_breaker_open_total")), "opened"],
        [sum(increase("circuit_breaker_half_open_total")), "half open"],
        [sum(increase("circuit_breaker_closed_total")), "closed"],
      ],
    }),
    timeseries({
      title: "Refused by open circuits",
      description: "Attempts that were not made, in a second.",
      width: 12,
      unit: "reqps",
      queries: [[sum(rate("circuit_breaker_rejected_total"), name), `{{${name}}}`]],
    }),
    timeseries({
      title: "Failure and slow ratio",
      description: "The shares that trips look at. Circuits that count failures in a row have none.",
      width: 12,
      unit: "percentunit",
      max: 1,
      queries: [
        [max(series("circuit_breaker_failure_ratio"), name), `{{${name}}} failures`],
        [max(series("circuit_breaker_slow_ratio"), name), `{{${name}}} slow`],
      ],
    }),
  ];
}

function stateOfCircuits(): string {
  const inState = (state: string) => series("circuit_breaker_status", `circuit_breaker_state="${state}"`);
  const value = (state: string, number: number) => `(${inState(state)} > bool 0) * ${number}`;
  const values = [value("disabled", 1), value("half_open", 2), value("open", 3), value("forced_open", 4)];
  return `max by (${name}) (\n  ${values.join("\n  or ")}\n)`;
}
