// SIGTERM under 500 requests a second: no request fails and the gateway exits with 0 in time, with and without keep-alive,
// on every supported Node. The client does what a load balancer does: it looks at /readyz, and sends no more once that
// says 503.
import { spawnSync } from "node:child_process";
import { Agent } from "node:http";
import { startGateway } from "./lib/gateway.mjs";
import { openLoop } from "./lib/load.mjs";

export const name = "a gateway that is stopped under load fails no request, on Node 22, 24 and 26";

const VERSIONS = ["22.23.3", "24.21.0", "26.10.0"];
const PER_SECOND = 500;
const GRACE_MS = 1000;
/** Grace, and then what it may take to drain and to exit. */
const DEADLINE_MS = GRACE_MS + 10_000;

/** @type {Map<string, string>} */
const programs = new Map();

export async function install() {
  for (const version of VERSIONS) {
    const { stdout, stderr, status } = spawnSync(
      "npx",
      ["-y", "--prefer-offline", "-p", `node@${version}`, "-c", "node -p process.execPath"],
      { encoding: "utf8" },
    );
    const program = stdout.trim().split("\n").at(-1);
    if (status !== 0 || !program) throw new Error(`node@${version} cannot be had: ${stderr}`);
    programs.set(version, program);
  }
}

export async function run() {
  for (const [version, program] of programs) {
    for (const keepAlive of [true, false]) await stopUnderLoad(version, program, keepAlive);
  }
}

async function stopUnderLoad(version, program, keepAlive) {
  const gateway = await startGateway({ READINESS_GRACE_MS: String(GRACE_MS) }, { program });
  const agent = new Agent({ keepAlive, maxSockets: 200 });
  let ready = true;
  const load = openLoop({
    url: `${gateway.url}/demo/echo`,
    perSecond: PER_SECOND,
    agent,
    maxMs: 15_000,
    stop: () => !ready,
  });
  await new Promise((resolve) => setTimeout(resolve, 2000));
  const startMs = performance.now();
  const ended = gateway.end("SIGTERM");
  while (ready) {
    const { status } = await fetch(`${gateway.url}/readyz`, { signal: AbortSignal.timeout(2000) });
    ready = status === 200;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const { sent, statuses, errors } = await load;
  const code = await ended;
  const tookMs = Math.round(performance.now() - startMs);
  agent.destroy();
  const told = `Node ${version}, ${keepAlive ? "with" : "without"} keep-alive: ${sent} sent, ${JSON.stringify(statuses)}, errors ${JSON.stringify(errors)}, exit ${code} after ${tookMs} ms`;
  console.log(told);
  if (statuses[200] !== sent || Object.keys(errors).length > 0) throw new Error(`requests failed: ${told}`);
  if (code !== 0 || tookMs > DEADLINE_MS) throw new Error(`it did not end as it should: ${told}`);
  if (sent < PER_SECOND) throw new Error(`that was no load: ${told}`);
}
