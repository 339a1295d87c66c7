// Starts the gateway and what stands around it, from source, on free ports, and ends them again.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const root = resolve(fileURLToPath(import.meta.url), "../../../..");
const START_LIMIT_MS = 20_000;
const END_LIMIT_MS = 15_000;

/**
 * The gateway on Node.
 *
 * @param {Record<string, string>} [env] on top of ours
 * @param {{ program?: string }} [options] which Node runs it
 */
export async function startGateway(env = {}, { program = process.execPath } = {}) {
  return startProgram("the gateway", [program, "--conditions=headgate-source", "apps/gateway/src/node.ts"], {
    PORT: String(await freePort()),
    DEMO_PORT: "0",
    ...env,
  });
}

/** The upstream that misbehaves on demand. */
export function startFlaky() {
  return startProgram("flaky", [process.execPath, "--conditions=headgate-source", "apps/flaky/src/node.ts"], {
    PORT: "0",
  });
}

/**
 * @param {string} name what to call it in errors
 * @param {string[]} command
 * @param {Record<string, string>} env on top of ours
 * @param {RegExp} [ready] what it prints once it answers; its first group is the URL
 * @returns {Promise<{ url: string, pid: number, output(): string, stop(): Promise<void>, end(signal: string): Promise<number | string> }>}
 *   `end` sends a signal and resolves with the exit code, however long that takes
 */
export async function startProgram(name, [program, ...args], env, ready = /(http:\/\/127\.0\.0\.1:\d+)/) {
  const child = spawn(program, args, {
    cwd: root,
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
