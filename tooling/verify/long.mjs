// The property tests over a million schedules instead of ten thousand: `npm run test:long`. Takes a filter as `npm test` does.
import { runCommand } from "./lib/command.mjs";

const LIMIT_MS = 60 * 60_000;
const filters = process.argv.slice(2).filter((argument) => argument !== "--");

process.env.HEADGATE_LONG = "1";
process.exitCode = await runCommand(
  ["vitest", "run", "--project", "node", ...(filters.length > 0 ? filters : [".property.test.ts", "interleavings"])],
  { limitMs: LIMIT_MS },
);
