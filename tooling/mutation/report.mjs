// What the reports say: a score for each file, and the mutants that survived, each with the reason that `reasons` gives.
import { reasons } from "./reasons/index.mjs";

const detected = new Set(["Killed", "Timeout"]);
const undetected = new Set(["Survived", "NoCoverage"]);

/** The mutants of the reports' files: what was there, what stood in its place, and what became of it. */
export function mutantsOf(reports) {
  return reports.flatMap(({ files }) =>
    Object.entries(files).flatMap(([path, { source, mutants }]) => {
      const lines = source.split("\n");
      return mutants.map(({ status, location: { start, end }, replacement = "" }) => ({
        file: path.split("/").at(-1),
        line: start.line,
        code: (lines[start.line - 1] ?? "").trim(),
        before: slice(lines, start, end),
        after: replacement.replace(/\s+/g, " "),
        status,
      }));
    }),
  );
}

function slice(lines, start, end) {
  const last = start.line === end.line ? end.column - 1 : undefined;
  const first = (lines[start.line - 1] ?? "").slice(start.column - 1, last);
  return last === undefined ? `${first} …` : first;
}

export const survived = ({ status }) => undetected.has(status);

/** In percent: of the mutants that run at all, how many a test notices. */
export function scoreOf(mutants) {
  const noticed = mutants.filter(({ status }) => detected.has(status)).length;
  const counted = noticed + mutants.filter(survived).length;
  return { noticed, counted, score: counted === 0 ? 100 : (100 * noticed) / counted };
}

export function scoreTable(mutants) {
  const files = [...new Set(mutants.map(({ file }) => file))].toSorted((a, b) => a.localeCompare(b));
  const row = (name, { noticed, counted, score }) =>
    `${name.padEnd(32)} ${`${noticed} of ${counted}`.padStart(14)} ${score.toFixed(1).padStart(6)} %`;
  const rows = files.map((name) => row(name, scoreOf(mutants.filter(({ file }) => file === name))));
  return [...rows, row("in all", scoreOf(mutants))].join("\n");
}

/** The first reason that fits: the file, a part of the line, and of the change where the reason says one. */
export function reasonFor({ file, code, before, after }) {
  const fits = ([inFile, inCode, change]) =>
    inFile === file && code.includes(inCode) && (change === undefined || `${before} → ${after}`.includes(change));
  return reasons.find(fits)?.[3];
}

export function survivorsPage(mutants) {
  const cell = (text) => `\`\` ${text.replaceAll("|", "\\|")} \`\``;
  const rows = mutants
    .filter(survived)
    .toSorted((a, b) => a.file.localeCompare(b.file) || a.line - b.line)
    .map(
      (mutant) =>
        `| ${mutant.file} | ${mutant.line} | ${cell(mutant.before)} | ${cell(mutant.after)} | ${reasonFor(mutant) ?? "none yet"} |`,
    );
  return [
    "# Mutants that survive",
    "",
    "Written by `npm run test:mutation -- --write`. The reasons stand in `reasons/`.",
    "",
    "```text",
    scoreTable(mutants),
    "```",
    "",
    "| file | line | code | becomes | why no test notices |",
    "|---|---|---|---|---|",
    ...rows,
    "",
  ].join("\n");
}
