// Runs a command on the pinned toolchain after bringing the install up to date.
// `pnpm <script>` on a recent Node uses what is there; plain npm, or an older Node,
// gets pnpm (and Node) from the npm registry first.
import { spawn, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const NODE = "26.10.0";
const root = join(dirname(fileURLToPath(import.meta.url)), "../..");
const { packageManager } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
const nodeIsRecent = major > 22 || (major === 22 && minor >= 18);
const underPnpm = (process.env.npm_config_user_agent ?? "").startsWith("pnpm/");
const env = { ...process.env };
const windows = process.platform === "win32";

function runNow(command, args, options) {
  const result = spawnSync(command, args, { cwd: root, env, shell: windows, ...options });
  if (result.error) throw result.error;
  if (result.status !== 0) process.exit(result.status ?? 1);
  return result.stdout;
}

if (!(nodeIsRecent && underPnpm)) {
  const tools = ["-p", packageManager, ...(nodeIsRecent ? [] : ["-p", `node@${NODE}`])];
  env.PATH = runNow("npx", ["-y", "--prefer-offline", ...tools, "-c", "node -p process.env.PATH"], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  }).trim();
  const fresh = runNow("pnpm", ["install", "--frozen-lockfile", "--prefer-offline", "--reporter=append-only"], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  });
  if (!fresh.includes("Already up to date")) process.stdout.write(fresh);
}
env.PATH = join(root, "node_modules/.bin") + delimiter + env.PATH;

const [command, ...args] = process.argv.slice(2);
const child = spawn(command, args, { cwd: root, env, stdio: "inherit", shell: windows });
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
// npm's `sh -c` dies without passing a SIGTERM on: watch for the parent's end as well.
const parent = process.ppid;
setInterval(() => process.ppid !== parent && child.kill("SIGTERM"), 250).unref();
child.on("error", (error) => {
  console.error(error.message);
  process.exit(127);
});
child.on("exit", (code, signal) => process.exit(code ?? (signal === "SIGINT" ? 130 : 143)));
