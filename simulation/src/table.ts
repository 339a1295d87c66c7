// The figures of several seeds as tables in Markdown.
import { type Contender, run, type RunResult, type Scenario } from "./run.ts";

export interface Figures {
  /** Good calls per second in the overload, and their median latency. The mean over the seeds. */
  readonly goodPerSecond: number;
  readonly medianMs: number;
  /** Of all calls in the phase of trouble, from its beginning: how many waited for a whole timeout. */
  readonly timedOutShare: number;
  /** The largest share of calls that was refused in a healthy phase, of any seed. */
  readonly healthyRefused: number;
}

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

export function figuresOf(scenario: Scenario, results: readonly RunResult[]): Figures {
  const trouble = scenario.phases.find(({ healthy }) => !healthy) ?? scenario.phases[0];
  const name = trouble?.name ?? "";
  const healthy = scenario.phases.filter((phase) => phase.healthy).map((phase) => phase.name);
  const of = (value: (result: RunResult) => number) => mean(results.map(value));
  return {
    goodPerSecond: of(({ phases }) => phases[name]?.goodPerSecond ?? 0),
    medianMs: of(({ phases }) => phases[name]?.latencyMs(0.5) ?? 0),
    timedOutShare: of(({ whole }) => whole[name]?.timedOutShare ?? 0),
    healthyRefused: Math.max(
      ...results.flatMap(({ phases }) => healthy.map((phase) => phases[phase]?.refusedShare ?? 0)),
    ),
  };
}

export async function measure(scenario: Scenario, contender: Contender, seeds: readonly number[]): Promise<Figures> {
  const results: RunResult[] = [];
  for (const seed of seeds) results.push(await run(scenario, contender, seed));
  return figuresOf(scenario, results);
}

export const percent = (share: number): string => `${(share * 100).toFixed(share > 0 && share < 0.01 ? 2 : 1)} %`;

export function markdown(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}
