// `npm run simulate`: the tables of every scenario and contender, and the charts. With `-- --write` the tables go into
// README.md; `-- A B` runs only these scenarios, `-- sizes clients` only those tables.
import { readFileSync, writeFileSync } from "node:fs";
import { chart } from "./chart.ts";
import { contenders, knee, oracle } from "./contenders.ts";
import type { Slice } from "./measures.ts";
import { run } from "./run.ts";
import { scenarios, type Setting } from "./scenarios.ts";
import { type Figures, figuresOf, markdown, measure, percent } from "./table.ts";

type Name = keyof typeof scenarios;

const seeds = [1, 2];
/** An hour of virtual time is its own mean: one seed is enough. */
const seedsOf = (name: Name) => ("DEHJ".includes(name) ? [1] : seeds);
const args = process.argv.slice(2).filter((argument) => argument !== "--");
const write = args.includes("--write");
const chosen = args.filter((argument) => !argument.startsWith("--"));
const names = (Object.keys(scenarios) as Name[]).filter((name) => chosen.length === 0 || chosen.includes(name));
const place = (path: string) => new URL(`../${path}`, import.meta.url);

/** A round number of calls and a round number of milliseconds. */
const shown = ({ goodPerSecond, medianMs }: Figures) => `${Math.round(goodPerSecond)} / ${Math.round(medianMs)}`;

const colors: Record<string, string> = { oracle: "#2a9d4e", knee: "#1565c0", vegas: "#e08a00", gradient: "#c62828" };
/** Of the first seed, by scenario and contender: what the charts show. */
const charted: Partial<Record<Name, { name: string; color: string; slices: readonly Slice[] }[]>> = {};

async function comparison(): Promise<string> {
  const rows: string[][] = [];
  for (const contender of contenders) {
    const cells: string[] = [];
    let refused = 0;
    for (const name of names) {
      const scenario = scenarios[name]();
      const results = [];
      for (const seed of seedsOf(name)) results.push(await run(scenario, contender, seed));
      const figures = figuresOf(scenario, results);
      const color = colors[contender.name];
      const [first] = results;
      if (color && first) (charted[name] ??= []).push({ name: contender.name, color, slices: first.slices });
      refused = Math.max(refused, figures.healthyRefused);
      if (name === "C") cells.push(percent(figures.timedOutShare));
      else if (name !== "G") cells.push(shown(figures));
    }
    rows.push([contender.name, ...cells, percent(refused)]);
    console.log(`| ${(rows.at(-1) as string[]).join(" | ")} |`);
  }
  return markdown(["", ...names.filter((name) => name !== "G"), "healthy"], rows);
}

/** The same on servers of other sizes. The long scenarios are shortened: what drifts in forty minutes is shown above. */
async function sizes(): Promise<string> {
  const rows: string[][] = [];
  for (const workers of [4, 20, 100, 400]) {
    const setting: Setting = { workers, scale: workers > 100 ? 0.25 : 1 };
    const cells: string[] = [];
    let refused = 0;
    for (const name of ["A", "B", "C", "F"] as const) {
      const scenario = scenarios[name](setting);
      const ours = await measure(scenario, knee, seeds);
      refused = Math.max(refused, ours.healthyRefused);
      if (name === "C") {
        cells.push(percent(ours.timedOutShare));
        continue;
      }
      const best = await measure(scenario, oracle, seeds);
      cells.push(
        `${percent(ours.goodPerSecond / best.goodPerSecond)}, × ${(ours.medianMs / best.medianMs).toFixed(2)}`,
      );
    }
    rows.push([String(workers), ...cells, percent(refused)]);
    console.log(`| ${(rows.at(-1) as string[]).join(" | ")} |`);
  }
  return markdown(["workers", "A", "B", "C", "F", "healthy"], rows);
}

/** The same with several clients of one server, none of which knows of the others. */
async function clients(): Promise<string> {
  const rows: string[][] = [];
  for (const count of [1, 2, 4, 10]) {
    const cells: string[] = [];
    let refused = 0;
    for (const name of ["A", "B", "E", "F"] as const) {
      const scenario = scenarios[name]({ workers: 40, clients: count, scale: name === "E" ? 0.25 : 1 });
      const ours = await measure(scenario, knee, seeds);
      const best = await measure(scenario, oracle, seeds);
      refused = Math.max(refused, ours.healthyRefused);
      cells.push(
        `${percent(ours.goodPerSecond / best.goodPerSecond)}, × ${(ours.medianMs / best.medianMs).toFixed(2)}`,
      );
    }
    rows.push([String(count), ...cells, percent(refused)]);
    console.log(`| ${(rows.at(-1) as string[]).join(" | ")} |`);
  }
  return markdown(["clients", "A", "B", "E", "F", "healthy"], rows);
}

function charts(): void {
  for (const name of names)
    writeFileSync(place(`charts/${name}.svg`), chart(`${name}: ${scenarios[name]().about}`, charted[name] ?? []));
}

/** Puts a table between its two marks in README.md. */
function put(readme: string, mark: string, table: string): string {
  const pattern = new RegExp(`(<!-- ${mark} -->\n)[\\s\\S]*?(<!-- /${mark} -->)`);
  if (!pattern.test(readme)) throw new Error(`README.md has no place for ${mark}`);
  return readme.replace(pattern, (_, open: string, close: string) => `${open}\n${table}\n\n${close}`);
}

const tables: Record<string, string> = {};
const wants = (part: string) => chosen.length === 0 || chosen.includes(part);
if (names.length > 0) {
  tables.comparison = await comparison();
  charts();
}
if (wants("sizes")) tables.sizes = await sizes();
if (wants("clients")) tables.clients = await clients();
if (write) {
  let readme = readFileSync(place("README.md"), "utf8");
  for (const [mark, table] of Object.entries(tables)) {
    // A table of a few scenarios is to be looked at, not to be published.
    if (mark === "comparison" && names.length < Object.keys(scenarios).length) continue;
    readme = put(readme, mark, table);
  }
  writeFileSync(place("README.md"), readme);
}
