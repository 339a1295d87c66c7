// Ten thousand clients that hold the gateway up beside normal traffic: no normal request fails, and the slowest of them are as
// fast as without. Compared once the gateway has taken in the connections and before their time is up: on two cores the
// slow clients, the gateway and who measures share what there is, so the median of several rounds counts, and a difference
// of a few milliseconds does not.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { Agent } from "node:http";
import { fileURLToPath } from "node:url";
import { startGateway } from "./lib/gateway.mjs";
import { openLoop, quantile } from "./lib/load.mjs";

export const name = "10,000 slow clients make no request of the others fail, or slow";

const PER_SECOND = 300;
const ROUNDS = 3;
/** Until the gateway has taken everybody in, and those have been sent away whose bodies stand still. */
const SETTLE_MS = 5500;
/** Ends before the time is up that a request's head may take (10 s). */
const WINDOW_MS = 2500;
const MAX_RATIO = 2;
const MAX_NOISE_MS = 5;
const SILENT = 5000;
const HEADS = 4900;
const BODIES = 100;

export async function install() {}

export async function run() {
  const rounds = [];
  for (let round = 0; round < ROUNDS; round++) rounds.push(await compare());
  const ratio = median(rounds.map(({ before, beside }) => beside / before));
  const moreMs = median(rounds.map(({ before, beside }) => beside - before));
  console.log(
    `beside them the p99 is ${ratio.toFixed(2)} x, ${moreMs.toFixed(1)} ms more (medians of ${ROUNDS} rounds)`,
  );
  if (!(ratio < MAX_RATIO || moreMs < MAX_NOISE_MS)) throw new Error("slow clients make normal requests slow");
}

const median = (values) => values.toSorted((a, b) => a - b)[(values.length - 1) / 2];

/** One gateway, first without slow clients and then with them. */
async function compare() {
  const gateway = await startGateway({ MAX_CONNECTIONS: "15000" });
  try {
    const before = await measure(gateway.url);
    const slow = await connectSlowClients(new URL(gateway.url).port);
    const beside = await measure(gateway.url);
    const closed = await slow.end();
    console.log(
      `p99 without them ${before.p99Ms.toFixed(1)} ms, beside ${SILENT + HEADS + BODIES} slow clients ${beside.p99Ms.toFixed(1)} ms; ${closed} of the slow ones were closed meanwhile`,
    );
    if (beside.failed > 0) throw new Error(`${beside.failed} of ${beside.sent} normal requests failed`);
    if (closed > (SILENT + HEADS + BODIES) / 10) throw new Error("the slow clients were not there long enough");
    return { before: before.p99Ms, beside: beside.p99Ms };
  } finally {
    await gateway.stop();
  }
}

/** Sends all the time, and looks at how long requests take once things have settled. */
async function measure(url) {
  const agent = new Agent({ keepAlive: true, maxSockets: 50 });
  const send = (maxMs) => openLoop({ url: `${url}/demo/echo`, perSecond: PER_SECOND, agent, maxMs, stop: () => false });
  const settling = await send(SETTLE_MS);
  const { sent, statuses, latenciesMs } = await send(WINDOW_MS);
  agent.destroy();
  const answered = (statuses[200] ?? 0) + (settling.statuses[200] ?? 0);
  return { sent: sent + settling.sent, failed: sent + settling.sent - answered, p99Ms: quantile(latenciesMs, 0.99) };
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
