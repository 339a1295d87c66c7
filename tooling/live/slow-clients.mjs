// Ten thousand clients that hold the gateway up beside normal traffic: no normal request fails. How much slower the slowest
// of them get is printed and bounded, not compared: on two cores the slow clients, the gateway and who measures share what
// there is, and the figures scatter more than the effect.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { Agent } from "node:http";
import { fileURLToPath } from "node:url";
import { startGateway } from "./lib/gateway.mjs";
import { openLoop, quantile } from "./lib/load.mjs";

export const name = "10,000 slow clients make no request of the others fail";

const PER_SECOND = 300;
const WINDOW_MS = 2000;
const WINDOWS = 3;
const MAX_P99_MS = 250;
const SILENT = 5000;
const HEADS = 4900;
const BODIES = 100;

export async function install() {}

export async function run() {
  const gateway = await startGateway({ MAX_CONNECTIONS: "15000" });
  try {
    const before = await measureOften(gateway.url);
    const slow = await connectSlowClients(new URL(gateway.url).port);
    const beside = await measureOften(gateway.url);
    const closed = await slow.end();
    console.log(
      `p99 without them ${before.p99Ms.toFixed(1)} ms, beside ${SILENT + HEADS + BODIES} slow clients ${beside.p99Ms.toFixed(1)} ms (the quietest of ${WINDOWS} windows); ${closed} of the slow ones were closed meanwhile`,
    );
    if (beside.failed > 0) throw new Error(`${beside.failed} of ${beside.sent} normal requests failed`);
    if (closed > (SILENT + HEADS + BODIES) / 2) throw new Error("the slow clients were not there long enough");
    if (!(beside.p99Ms < MAX_P99_MS)) throw new Error(`the normal p99 is ${beside.p99Ms} ms beside slow clients`);
  } finally {
    await gateway.stop();
  }
}

/** The quietest of several windows: what else the machine does only ever adds to a latency. */
async function measureOften(url) {
  await measure(url); // warm-up
  const windows = [];
  for (let i = 0; i < WINDOWS; i++) windows.push(await measure(url));
  return {
    sent: windows.reduce((sum, { sent }) => sum + sent, 0),
    failed: windows.reduce((sum, { failed }) => sum + failed, 0),
    p99Ms: Math.min(...windows.map(({ p99Ms }) => p99Ms)),
  };
}

async function measure(url) {
  const agent = new Agent({ keepAlive: true, maxSockets: 50 });
  const { sent, statuses, latenciesMs } = await openLoop({
    url: `${url}/demo/echo`,
    perSecond: PER_SECOND,
    agent,
    maxMs: WINDOW_MS,
    stop: () => false,
  });
  agent.destroy();
  return { sent, failed: sent - (statuses[200] ?? 0), p99Ms: quantile(latenciesMs, 0.99) };
}

async function connectSlowClients(port) {
  const script = fileURLToPath(new URL("./lib/slow-clients.mjs", import.meta.url));
  const child = spawn(process.execPath, [script, port, SILENT, HEADS, BODIES].map(String), {
    stdio: ["pipe", "pipe", "inherit"],
  });
  child.stdout.setEncoding("utf8");
  const [said] = await once(child.stdout, "data");
  if (said.trim() !== "connected") throw new Error(`the slow clients said ${said}`);
  return {
    async end() {
      const ending = once(child.stdout, "data");
      child.stdin.end();
      const [text] = await ending;
      return Number(/closed (\d+)/.exec(text)?.[1]);
    },
  };
}
