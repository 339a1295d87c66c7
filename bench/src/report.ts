// Turns figures into Markdown, and puts them into the README between its markers.
import { readFileSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus, loadavg } from "node:os";
import { fileURLToPath } from "node:url";
import type { Figures } from "./harness.ts";
import { medianRatio } from "./statistics.ts";

const readme = fileURLToPath(new URL("../README.md", import.meta.url));

/** Columns after the first are numbers. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(header), line(header.map((_, i) => (i === 0 ? "---" : "--:"))), ...rows.map(line)].join("\n");
}

/** Figures of one suite. `reference` names the case that the last column compares with. */
export function figuresTable(figures: readonly Figures[], reference: string): string {
  const against = find(figures, reference).rounds;
  const rows = figures.map(({ name, medianNs, minNs, ratio, bytes, rounds }) => [
    name,
    count(medianNs),
    count(minNs),
    times(ratio),
    times(medianRatio(rounds, against)),
    count(bytes),
  ]);
  return table(["", "ns a call, median", "min", "× bare", "× Headgate", "bytes a call"], rows);
}

export function find(figures: readonly Figures[], name: string): Figures {
  const found = figures.find((each) => each.name === name);
  if (found === undefined) throw new Error(`No case is called ${JSON.stringify(name)}`);
  return found;
}

export function count(value: number): string {
  return Math.round(value).toLocaleString("en-US");
}

export function times(ratio: number): string {
  return ratio.toFixed(ratio < 10 ? 2 : ratio < 100 ? 1 : 0);
}

export interface Target {
  readonly what: string;
  readonly limit: string;
  readonly got: string;
  readonly met: boolean;
}

/** How many times the time of the second case the first takes: the median of the ratios within a round. */
export function ratioOf(figures: readonly Figures[], name: string, reference: string): number {
  return medianRatio(find(figures, name).rounds, find(figures, reference).rounds);
}

export function atMost(limit: number, what: string, got: number): Target {
  return { what, limit: `at most ${count1(limit)}`, got: count1(got), met: got <= limit };
}

export function atLeast(limit: number, what: string, got: number): Target {
  return { what, limit: `at least ${count1(limit)}`, got: count1(got), met: got >= limit };
}

function count1(value: number): string {
  return value >= 100 ? count(value) : times(value);
}

export function targetsTable(targets: readonly Target[]): string {
  const rows = targets.map(({ what, limit, got, met }) => [what, limit, got, met ? "pass" : "**fail**"]);
  return table(["target", "limit", "measured", ""], rows);
}

/** What a run was made on. */
export function machine(packages: readonly string[]): string {
  const [first] = cpus();
  const versions = packages.map((name) => {
    // By its path: not every package exports its manifest.
    const manifest = new URL(`../node_modules/${name}/package.json`, import.meta.url);
    const { version } = JSON.parse(readFileSync(manifest, "utf8")) as { version: string };
    return `${name} ${version}`;
  });
  const cores = `${availableParallelism()} × ${first?.model.trim() ?? "unknown processor"}`;
  const load = `load ${loadavg()[0]?.toFixed(2)} at the start`;
  const day = new Date().toISOString().slice(0, 10);
  return `${day}, ${cores}, ${load}. Node ${process.versions.node} (V8 ${process.versions.v8}); ${versions.join(", ")}.`;
}

/** Replaces what stands between `<!-- name -->` and `<!-- /name -->` in the README. */
export function writeToReadme(name: string, text: string): void {
  const old = readFileSync(readme, "utf8");
  const [open, close] = [`<!-- ${name} -->`, `<!-- /${name} -->`];
  const start = old.indexOf(open);
  const end = old.indexOf(close);
  if (start < 0 || end < start) throw new Error(`bench/README.md has no ${open} … ${close}`);
  writeFileSync(readme, `${old.slice(0, start + open.length)}\n\n${text}\n\n${old.slice(end)}`);
}
