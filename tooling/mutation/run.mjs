// Mutation tests of the policies: `npm run test:mutation`, or `npm run test:mutation -- retry` for the group of that name,
// or else the files whose name holds it. Prints a score for each file and fails below the least one. `--summary` runs nothing
// and looks at the reports of the last run of each group; `--write` renews survivors.md afterwards.
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Stryker } from "@stryker-mutator/core";
import { groups, source } from "./groups.mjs";
import { options } from "./options.mjs";
import { mutantsOf, reasonFor, scoreOf, scoreTable, survived, survivorsPage } from "./report.mjs";

const LEAST_SCORE = 85;
const here = dirname(fileURLToPath(import.meta.url));
process.chdir(join(here, "../.."));

const given = process.argv.slice(2).filter((argument) => argument !== "--");
const filters = given.filter((argument) => !argument.startsWith("--"));
const summaryOnly = given.includes("--summary");
const fits = (filter, group, file) => (filter in groups ? filter === group : file.includes(filter));
const wanted = (group) => (file) => filters.length === 0 || filters.some((filter) => fits(filter, group, file));

async function mutate(name, files) {
  console.log(`\n${name}: ${files.join(", ")}`);
  await new Stryker({
    ...options,
    mutate: files.map((file) => source + file),
    jsonReporter: { fileName: reportOf(name, files) },
  }).runMutationTest();
}

// A part of a group has a report of its own, so that the group's stays whole.
const reportOf = (name, files) =>
  join(here, "dist", files.length === groups[name].length ? "" : "part", `${name}.json`);
const startedMs = performance.now();
const parts = Object.entries(groups)
  .map(([name, files]) => [name, files.filter(wanted(name))])
  .filter(([, files]) => files.length > 0);
if (parts.length === 0) throw new Error(`no file that is mutated has ${filters.join(" or ")} in its name`);
if (!summaryOnly) for (const [name, files] of parts) await mutate(name, files);

const mutants = mutantsOf(parts.map(([name, files]) => JSON.parse(readFileSync(reportOf(name, files), "utf8"))));
const unexplained = mutants.filter((mutant) => survived(mutant) && reasonFor(mutant) === undefined);
for (const { file, line, before, after } of unexplained) console.log(`${file}:${line}  ${before}  →  ${after}`);
if (unexplained.length > 0) console.log(`${unexplained.length} survived without a reason in reasons/\n`);
console.log(scoreTable(mutants));
console.log(`${Math.round((performance.now() - startedMs) / 1000)} s`);
if (given.includes("--write")) writeFileSync(join(here, "survivors.md"), survivorsPage(mutants));
const { score } = scoreOf(mutants);
if (score < LEAST_SCORE) {
  console.error(`the score of ${score.toFixed(1)} % is below ${LEAST_SCORE} %`);
  process.exitCode = 1;
}
