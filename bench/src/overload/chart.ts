// The demonstration as a picture: good answers in each second, beside the load and what was attainable.
import { chartOf, type Line, type Panel } from "@headgate/charts";
import type { Phase } from "./clients.ts";
import type { Run } from "./measure.ts";
import { attainable, goodMs, type Upstream } from "./setting.ts";

const colors = ["#c0392b", "#2471a3"];

/** Contenders of one library stand in one panel. */
export function overloadChart(upstream: Upstream, phases: readonly Phase[], runs: readonly Run[]): string {
  const secondsOf = (value: (phase: Phase) => number) =>
    phases.flatMap((phase) => Array.from({ length: phase.durationMs / 1000 }, () => value(phase)));
  const load = secondsOf(({ perSecond }) => perSecond);
  const references: Line[] = [
    { name: "load", color: "#ddd", values: load },
    { name: "attainable", color: "#999", values: secondsOf((phase) => attainable(upstream, phase)) },
  ];
  const top = Math.max(...load);
  const families = Map.groupBy(runs, ({ contender }) => contender.split(/[ ,]/)[0] as string);
  const panels = [...families].map(([title, family]): Panel => {
    const lines = family.map(({ contender, goodEachSecond }, i) => ({
      name: contender,
      color: colors[i] as string,
      values: goodEachSecond,
    }));
    return { title, lines: [...references, ...lines], top };
  });
  const names = phases.map(({ name }) => name).join(", then ");
  return chartOf(`Answers within ${goodMs(upstream)} ms, each second: ${names}`, panels, load.length);
}
