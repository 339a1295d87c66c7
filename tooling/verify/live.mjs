// Checks against real programs: `npm run test:live`. Each module in tooling/live exports `name`, `install()` (gets what
// it needs onto this machine) and `run()` (throws when something is wrong). Each runs in a process of its own; none is
// skipped. `npm run test:live -- promtool` runs the ones whose file name holds "promtool".
import { globSync } from "node:fs";
import { basename, join } from "node:path";
import { pathToFileURL } from "node:url";
import { root } from "../checks/lib/workspace.mjs";
import { runCommand } from "./lib/command.mjs";
import { closingLine } from "./lib/counts.mjs";

const CHECK_LIMIT_MS = 10 * 60_000;
const RUN_ONE = "const check = await import(process.argv[1]); await check.install(); await check.run();";

const filters = process.argv.slice(2).filter((argument) => argument !== "--");
const wanted = (path) => filters.length === 0 || filters.some((filter) => basename(path).includes(filter));
const checks = globSync("tooling/live/*.mjs", { cwd: root }).sort().filter(wanted);
const counts = { passed: 0, failed: 0 };

if (checks.length === 0) {
  console.error("no live check of that name in tooling/live");
  counts.failed += 1;
}
for (const path of checks) {
  const url = pathToFileURL(join(root, path)).href;
  const startedAt = performance.now();
  console.log(`\n── ${path}: ${await nameOf(url)}`);
  const command = [process.execPath, "--input-type=module", "--eval", RUN_ONE, url];
  const ok = (await runCommand(command, { limitMs: CHECK_LIMIT_MS })) === 0;
  counts[ok ? "passed" : "failed"] += 1;
  console.log(`${ok ? "ok" : `FAIL  ${path}`} after ${((performance.now() - startedAt) / 1000).toFixed(1)} s`);
}
if (counts.failed > 0) process.exitCode = 1;
console.log(`\n${closingLine(counts)}`);

/** What the check says it shows. A module that does not load says so when it is run. */
async function nameOf(url) {
  try {
    return (await import(url)).name;
  } catch {
    return "(does not load)";
  }
}
