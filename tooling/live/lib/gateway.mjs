// Starts the gateway and what stands around it, from source, on free ports, and ends them again.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { root } from "../../checks/lib/workspace.mjs";

const printedUrl = /(http:\/\/127\.0\.0\.1:\d+)/;
const START_LIMIT_MS = 60_000;
const END_LIMIT_MS = 15_000;

/** @returns {ReturnType<typeof startServer>} */
export function startGateway(env = {}, options = {}) {
  return startServer("the gateway", ["apps/gateway/src/node.ts"], { DEMO_PORT: "0", ...env }, options);
}

/** The upstream that misbehaves on demand. */
export function startFlaky(name = "flaky") {
  return startServer(name, ["apps/flaky/src/node.ts"]);
}

/**
 * @param {string} name what to call it in errors
 * @param {string[]} script what Node is given; the server takes `PORT` and prints its URL
 * @param {Record<string, string>} [env] on top of ours
 * @param {{ program?: string, cwd?: string }} [options] which Node runs it, and in which folder of the repository
 */
export function startServer(name, script, env = {}, { program = process.execPath, cwd = "." } = {}) {
  const command = [program, "--conditions=headgate-source", ...script];
  return startProgram(name, command, { PORT: "0", ...env }, { cwd });
}

/**
 * @param {string} name what to call it in errors
 * @param {string[]} command
 * @param {Record<string, string>} env on top of ours
 * @param {{ cwd?: string, ready?: RegExp }} [options] in which folder of the repository it runs; what it prints once it
 *   answers, with the URL as the first group
 * @returns {Promise<{ url: string, pid: number, output(): string, stop(): Promise<void>, end(signal: string): Promise<number | string> }>}
 *   `end` sends a signal and resolves with the exit code, however long that takes
 */
export async function startProgram(name, [program, ...args], env, { cwd = ".", ready = printedUrl } = {}) {
  const child = spawn(program, args, {
    cwd: resolve(root, cwd),
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  // Whatever ends this process ends the program.
  const kill = () => child.kill("SIGKILL");
  process.once("exit", kill);
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.once(signal, () => process.exit(143));

  let output = "";
  const ended = once(child, "close");
  const url = await new Promise((settle, fail) => {
    const limit = setTimeout(() => {
      fail(new Error(`${name} did not say within ${START_LIMIT_MS} ms where it listens\n${output}`));
      kill();
    }, START_LIMIT_MS);
    const read = (text) => {
      output += text;
      const found = ready.exec(output);
      if (found) clearTimeout(limit);
      if (found) settle(found[1]);
    };
    child.stdout.setEncoding("utf8").on("data", read);
    child.stderr.setEncoding("utf8").on("data", read);
    child.on("error", fail);
    child.on("close", (code) => {
      clearTimeout(limit);
      fail(new Error(`${name} ended with ${code} before it answered\n${output}`));
    });
  });

  const stop = async () => {
    child.kill("SIGTERM");
    const inTime = await Promise.race([ended, delay(END_LIMIT_MS, undefined, { ref: false })]);
    process.off("exit", kill);
    if (inTime) return;
    kill();
    throw new Error(`${name} did not end within ${END_LIMIT_MS} ms of SIGTERM\n${output}`);
  };
  const end = async (signal) => {
    child.kill(signal);
    const [code, by] = await ended;
    process.off("exit", kill);
    return code ?? by;
  };
  return { url, pid: child.pid, output: () => output, stop, end };
}

/** A port of this machine that nobody listens on. */
export async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

/** An answer, read to its end. */
export async function get(url, init = {}) {
  const response = await fetch(url, { signal: AbortSignal.timeout(10_000), ...init });
  return { status: response.status, text: await response.text() };
}
