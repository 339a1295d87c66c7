// Runs a program to its end, or to its limit, and gives back what it printed.
import { execFile } from "node:child_process";

/**
 * @param {string} command
 * @param {string[]} args
 * @param {{ cwd: string, limitMs: number }} options
 * @returns {Promise<{ ok: boolean, late: boolean, output: string }>}
 */
export function run(command, args, { cwd, limitMs }) {
  const options = { cwd, timeout: limitMs, killSignal: "SIGKILL", maxBuffer: 64 * 1024 * 1024 };
  return new Promise((settle) => {
    execFile(command, args, options, (error, stdout, stderr) => {
      const startFailed = error?.syscall ? `${error.message}\n` : "";
      settle({ ok: error === null, late: error?.killed === true, output: startFailed + stdout + stderr });
    });
  });
}
