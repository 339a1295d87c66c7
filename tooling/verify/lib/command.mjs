// Runs one command with a limit on its time, passing on the signals that end us.
import { spawn } from "node:child_process";
import { delimiter, join } from "node:path";
import { root } from "../../checks/lib/workspace.mjs";

/** No tool reports home or asks for news while it verifies. */
const QUIET = {
  TURBO_TELEMETRY_DISABLED: "1",
  WRANGLER_SEND_METRICS: "false",
  CLOUDFLARE_CF_FETCH_ENABLED: "false",
};

/**
 * @param {string[]} command a program of the workspace, or one on the path, and its arguments
 * @param {{ limitMs: number }} options after which the command is told to end, and 5 s later is killed
 * @returns {Promise<number>} its exit code; 124 when it ran out of time, 127 when it could not be started
 */
export function runCommand([program, ...args], { limitMs }) {
  const PATH = join(root, "node_modules/.bin") + delimiter + process.env.PATH;
  const child = spawn(program, args, {
    cwd: root,
    env: { ...process.env, ...QUIET, PATH },
    stdio: ["ignore", "inherit", "inherit"],
    shell: process.platform === "win32",
  });
  return new Promise((settle) => {
    let late = false;
    const signals = ["SIGINT", "SIGTERM", "SIGHUP"];
    const pass = (signal) => {
      child.once("exit", () => process.exit(143));
      child.kill(signal);
    };
    for (const signal of signals) process.on(signal, pass);
    const limit = setTimeout(() => {
      late = true;
      console.error(`${program} did not end within ${limitMs / 1000} s`);
      child.kill("SIGTERM");
      setTimeout(() => child.kill("SIGKILL"), 5_000).unref();
    }, limitMs);
    const end = (code) => {
      clearTimeout(limit);
      for (const signal of signals) process.off(signal, pass);
      settle(code);
    };
    child.on("error", (error) => {
      console.error(`${program}: ${error.message}`);
      end(127);
    });
    child.on("exit", (code) => end(late ? 124 : (code ?? 143)));
  });
}
