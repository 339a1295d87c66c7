// Verifies the whole repository: `npm test`. Every step runs, whatever became of the ones before it; the last line
// says how many steps and tests passed and failed. `npm test -- retry` runs only the tests whose path holds "retry".
import { globSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { root } from "../checks/lib/workspace.mjs";
import { runCommand } from "./lib/command.mjs";
import { closingLine, countTests, failuresOf } from "./lib/counts.mjs";

const STEP_LIMIT_MS = 10 * 60_000;
const filters = process.argv.slice(2).filter((argument) => argument !== "--");

const turbo = (task) => ["turbo", "run", task, "--continue", "--output-logs=errors-only"];
const checks = globSync("tooling/checks/*.mjs", { cwd: root }).sort();
const steps = [
  // First: the linter's types of other packages, and the checks of what is packed, are those of dist.
  {
    name: "build",
    command: turbo("build"),
    hint: "lint, exports, sizes and api read dist: they may fail for this reason alone",
  },
  { name: "lint", command: ["oxlint"] },
  { name: "format", command: ["biome", "format", "--reporter=summary", "."], hint: "npm run format writes it" },
  { name: "types", command: turbo("typecheck") },
  ...checks.map((path) => ({ name: basename(path, ".mjs"), command: ["node", path] })),
];

const results = [];
if (filters.length === 0) for (const step of steps) results.push(await runStep(step));
const tests = await runTests();

console.log("\n── summary");
for (const { name, ok, seconds } of [...results, tests]) {
  console.log(`${ok ? "ok  " : "FAIL"}  ${name.padEnd(12)}${seconds.padStart(7)} s`);
}
for (const failure of tests.failures) console.log(`FAIL  ${failure}`);
const total = {
  passed: results.filter((each) => each.ok).length + tests.counts.passed,
  failed: results.filter((each) => !each.ok).length + tests.counts.failed,
  skipped: tests.counts.skipped,
};
if (total.failed > 0) process.exitCode = 1;
console.log(closingLine(total));

async function runStep({ name, command, hint }) {
  console.log(`\n── ${name}: ${command.join(" ")}`);
  const startedAt = performance.now();
  const ok = (await runCommand(command, { limitMs: STEP_LIMIT_MS })) === 0;
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  console.log(ok ? `${name} took ${seconds} s` : `${name} FAILED after ${seconds} s${hint ? ` (${hint})` : ""}`);
  return { name, ok, seconds };
}

async function runTests() {
  const folder = mkdtempSync(join(tmpdir(), "headgate-tests-"));
  const file = join(folder, "report.json");
  try {
    const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${file}`];
    console.log(`\n── tests: vitest run ${filters.join(" ")}`.trimEnd());
    const startedAt = performance.now();
    const exitCode = await runCommand(["vitest", "run", ...reporters, ...filters], { limitMs: STEP_LIMIT_MS });
    const report = readReport(file);
    const counts = countTests(report, exitCode);
    const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
    return {
      name: "tests",
      ok: counts.failed === 0 && exitCode === 0,
      seconds,
      counts,
      failures: failuresOf(report, root),
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The report, or nothing when vitest did not get as far as writing it. */
function readReport(file) {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch {
    return undefined;
  }
}
