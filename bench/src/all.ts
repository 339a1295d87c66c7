// `npm run bench`: every comparison of calls, whether or not the one before has met its targets. Arguments go to each.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const ends = ["compose.bench.ts", "workerd.bench.ts"].map((part) => {
  const script = fileURLToPath(new URL(part, import.meta.url));
  return spawnSync(process.execPath, [...process.execArgv, script, ...process.argv.slice(2)], { stdio: "inherit" });
});
process.exit(ends.every(({ status }) => status === 0) ? 0 : 1);
