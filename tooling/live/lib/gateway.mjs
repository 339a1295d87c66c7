// Starts the gateway on Node, from source, on a free port, and ends it again; or another server.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const root = resolve(fileURLToPath(import.meta.url), "../../../..");
const START_LIMIT_MS = 20_000;
const END_LIMIT_MS = 15_000;

/** @returns {ReturnType<typeof startServer>} */
export function startGateway(env = {}, options = {}) {
  return startServer(["--conditions=headgate-source", "apps/gateway/src/node.ts"], env, options);
}

/**
 * @param {readonly string[]} args for Node, from the root of the repository; it prints where it listens
 * @param {Record<string, string>} [env] on top of ours
 * @param {{ program?: string }} [options] which Node runs it
 * @returns {Promise<{ url: string, pid: number, output(): string, stop(): Promise<void>, end(signal: string): Promise<number | string> }>}
 *   `end` sends a signal and resolves with the exit code, however long that takes
 */
export async function startServer(args, env = {}, { program = process.execPath } = {}) {
  const child = spawn(program, args, {
    cwd: root,
    env: { ...process.env, PORT: String(await freePort()), DEMO_PORT: "0", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  // Whatever ends this process ends the gateway.
  const kill = () => child.kill("SIGKILL");
  process.once("exit", kill);
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.once(signal, () => process.exit(143));

  let output = "";
  const ended = once(child, "close");
  const url = await new Promise((settle, fail) => {
    const limit = setTimeout(() => {
      fail(new Error(`the server printed no URL within ${START_LIMIT_MS} ms\n${output}`));
      kill();
    }, START_LIMIT_MS);
    const read = (text) => {
      output += text;
      const found = /http:\/\/127\.0\.0\.1:\d+/.exec(output);
      if (found) clearTimeout(limit);
      if (found) settle(found[0]);
    };
    child.stdout.setEncoding("utf8").on("data", read);
    child.stderr.setEncoding("utf8").on("data", read);
    child.on("error", fail);
    child.on("close", (code) => {
      clearTimeout(limit);
      fail(new Error(`the server ended with ${code} before it answered\n${output}`));
    });
  });

  const stop = async () => {
    child.kill("SIGTERM");
    const inTime = await Promise.race([ended, delay(END_LIMIT_MS, undefined, { ref: false })]);
    process.off("exit", kill);
    if (inTime) return;
    kill();
    throw new Error(`the server did not end within ${END_LIMIT_MS} ms of SIGTERM\n${output}`);
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
