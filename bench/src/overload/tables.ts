// The demonstration's tables.
import { atLeast, atMost, count, table, type Target, times } from "../report.ts";
import type { PhaseFigures, Run } from "./measure.ts";
import type { Setting } from "./setting.ts";

const percent = (share: number): string => `${(100 * share).toFixed(0)} %`;
const backAfter = (recoveredMs: number): string =>
  Number.isFinite(recoveredMs) ? `${(recoveredMs / 1000).toFixed(1)} s` : "never";
/** Of the phases in which somebody was refused. */
const refusedP99s = (phases: readonly PhaseFigures[]): number[] =>
  phases.map(({ refusedP99Ms }) => refusedP99Ms).filter(Number.isFinite);
type FourPhases = [PhaseFigures, PhaseFigures, PhaseFigures, PhaseFigures];
const ms = (value: number): string => (Number.isFinite(value) ? count(value) : "–");

export function phaseTable(runs: readonly Run[]): string {
  const rows = runs.flatMap(({ contender, phases, recoveredMs }) =>
    phases.map((phase, i) => [
      i === 0 ? contender : "",
      phase.name,
      percent(phase.share),
      `${ms(phase.p50Ms)} / ${ms(phase.p95Ms)} / ${ms(phase.p99Ms)}`,
      Number.isFinite(phase.refusedP99Ms) ? phase.refusedP99Ms.toFixed(1) : "–",
      count(phase.gaveUp),
      count(phase.maxInFlight),
      count(phase.rssBytes / 2 ** 20),
      phase.callsPerAdmitted.toFixed(2),
      i === phases.length - 1 ? backAfter(recoveredMs) : "",
    ]),
  );
  return table(
    [
      "",
      "phase",
      "goodput, of the attainable",
      "p50 / p95 / p99 of 2xx, ms",
      "refused, p99 ms",
      "gave up",
      "in flight, most",
      "MiB",
      "upstream calls",
      "back after",
    ],
    rows,
  );
}

/** One contender in front of several upstreams. */
export function settingsTable(runs: readonly (readonly [Setting, Run])[]): string {
  const rows = runs.map(([setting, { phases, recoveredMs }]) => {
    const [healthy, overload, brownOut, recovery] = phases as FourPhases;
    return [
      `${setting.workers} workers, ${setting.meanMs} ms, × ${setting.overload}`,
      ...[healthy, overload, brownOut, recovery].map(({ share }) => percent(share)),
      times(overload.p95Ms / healthy.p95Ms),
      Math.max(...refusedP99s(phases)).toFixed(1),
      Math.max(...phases.map((phase) => phase.callsPerAdmitted)).toFixed(2),
      backAfter(recoveredMs),
    ];
  });
  const header = ["", "healthy", "overload", "brown-out", "recovery", "p95, × healthy", "refused, p99 ms"];
  return table([...header, "upstream calls", "back after"], rows);
}

/** What Headgate has to show without a number in its configuration. */
export function targetsOf({ contender, phases, recoveredMs }: Run): Target[] {
  const [healthy, overload, brownOut, recovery] = phases as FourPhases;
  const of = (what: string) => `${contender}: ${what}`;
  return [
    atLeast(97, of("goodput in the overload, % of the attainable"), 100 * overload.share),
    atLeast(97, of("goodput after it, %"), 100 * recovery.share),
    atLeast(80, of("goodput in the brown-out, %"), 100 * brownOut.share),
    atMost(1.5, of("p95 of successes in the overload, × healthy"), overload.p95Ms / healthy.p95Ms),
    atMost(5, of("refusals, p99 in ms"), Math.max(...refusedP99s(phases))),
    atMost(1.1, of("upstream calls for each request admitted"), Math.max(...phases.map((p) => p.callsPerAdmitted))),
    atMost(1, of("back at 90 % after, s"), recoveredMs / 1000),
    atMost(1.2, of("memory at the end, × healthy"), recovery.rssBytes / healthy.rssBytes),
  ];
}
