// Ten thousand clients that hold the gateway up beside normal traffic, from when they come until the last of them has been sent
// away: no normal request fails, and normal requests do not wait longer.
//
// On two cores the slow clients, the gateway and who measures share what there is (on an idle machine medians by the clock are 1.3 to 2 times
// as long while the slow clients are there, on a busy one anything), so two things are looked at, each as the median of
// several rounds. How long requests wait for the event loop is taken from the CPU that it uses, which nothing else on the machine
// changes. What they take by the clock must not be of another order. When the clients come, their own kernel work is what is felt
// and their ten thousand sockets are what is collected: that is shown, beside what they do to a server of `node:http` alone.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { Agent } from "node:http";
import { createInterface } from "node:readline";
import { fileURLToPath, pathToFileURL } from "node:url";
import { startGateway, startServer } from "./lib/gateway.mjs";
import { openLoop, quantile } from "./lib/load.mjs";

export const name =
  "10,000 slow clients make no request of the others fail, or slow, until the last has been sent away";

const PER_SECOND = 300;
const ROUNDS = 3;
const WARM_UP_MS = 2000;
const BEFORE_MS = 3000;
/** The time is up for the first of them after 10 s, and for the last as long after it has come. */
const HEADERS_TIMEOUT_MS = 10_000;
/** They come in five seconds, and are sent away in as many. */
const ARRIVALS_PER_SECOND = 2000;
const MIN_STEADY_MS = 3000;
/** For the last of them to be sent away, once its time is up. */
const MAX_CLOSING_MS = 8000;
const MAX_RATIO = 2;
/** What normal requests may wait longer for the loop, by its CPU time: that is the gateway's own doing. */
const MAX_WAIT_MS = 5;
/** By the clock they also wait for the slow clients' process and for whoever measures, which share its cores. */
const MAX_MORE_MS = 50;
const SLOW_CLIENTS = 10_000;
const LOOP_WAITS = pathToFileURL(fileURLToPath(new URL("./lib/loop-waits.mjs", import.meta.url))).href;

export async function install() {}

export async function run() {
  const rounds = [];
  for (let round = 0; round < ROUNDS; round++) {
    const bare = await arriving();
    rounds.push({ ...(await wholeRun()), bare });
    const { before, arrival, steady, expiry } = rounds.at(-1);
    console.log(
      `p99 in ms by the clock (waiting for the loop, by CPU): before ${shown(before)}, arrival ${shown(arrival)},`,
    );
    console.log(
      `  there ${shown(steady)}, sent away ${shown(expiry)}; node:http alone: before ${shown(bare.before)}, arrival ${shown(bare.arrival)}`,
    );
  }
  const slow = [];
  for (const phase of ["arrival", "steady", "expiry"]) {
    const waitMs = median(rounds.map((round) => round[phase].wait.p99Ms - round.before.wait.p99Ms));
    const moreMs = median(rounds.map((round) => round[phase].p99Ms - round.before.p99Ms));
    const ratio = median(rounds.map((round) => round[phase].p99Ms / round.before.p99Ms));
    console.log(
      `${phase}: ${ratio.toFixed(2)} x, ${moreMs.toFixed(1)} ms more, ${waitMs.toFixed(1)} ms of them for the loop (medians)`,
    );
    if (phase === "arrival") continue;
    if (waitMs >= MAX_WAIT_MS) slow.push(`${phase} (loop)`);
    if (ratio >= MAX_RATIO && moreMs >= MAX_MORE_MS) slow.push(phase);
  }
  if (slow.length > 0) throw new Error(`slow clients make normal requests slow: ${slow.join(", ")}`);
}

const shown = ({ p99Ms, wait }) =>
  `${p99Ms.toFixed(1)} (${wait.p99Ms.toFixed(1)}, longest ${wait.longestMs.toFixed(0)})`;
const median = (values) => values.toSorted((a, b) => a - b)[(values.length - 1) / 2];

/** The gateway before, while they come, while they are there, and while they are sent away. */
async function wholeRun() {
  const gateway = await startGateway({ MAX_CONNECTIONS: "15000", NODE_OPTIONS: `--import=${LOOP_WAITS}` });
  const normal = traffic(gateway, "/demo/echo");
  let slow;
  try {
    await normal.send(WARM_UP_MS);
    const before = await normal.send(BEFORE_MS);
    slow = connectSlowClients(gateway.url);
    const startMs = performance.now();
    const arrival = await normal.send(HEADERS_TIMEOUT_MS, () => slow.connected);
    const steadyMs = HEADERS_TIMEOUT_MS - (performance.now() - startMs);
    if (!(steadyMs >= MIN_STEADY_MS))
      throw new Error("the slow clients took too long to connect: this machine is too busy to tell");
    const steady = await normal.send(steadyMs);
    const expiry = await normal.send(HEADERS_TIMEOUT_MS + MAX_CLOSING_MS, () => slow.closed);
    if (!slow.closed) throw new Error("not all of the slow clients were sent away in time");
    return { before, arrival, steady, expiry };
  } finally {
    normal.end();
    await slow?.end();
    await gateway.stop();
  }
}

/** A server of `node:http` alone, before and while they come. */
async function arriving() {
  const server = await startServer("the bare server", [`--import=${LOOP_WAITS}`, "tooling/live/lib/bare-server.mjs"]);
  const normal = traffic(server, "/");
  let slow;
  try {
    await normal.send(WARM_UP_MS);
    const before = await normal.send(BEFORE_MS);
    slow = connectSlowClients(server.url);
    const arrival = await normal.send(HEADERS_TIMEOUT_MS, () => slow.connected);
    return { before, arrival };
  } finally {
    normal.end();
    await slow?.end();
    await server.stop();
  }
}

/** Normal requests: every one must be answered. */
function traffic(server, path) {
  const agent = new Agent({ keepAlive: true, maxSockets: 50 });
  return {
    async send(maxMs, stop = () => false) {
      await loopWaits(server);
      const { sent, statuses, latenciesMs } = await openLoop({
        url: server.url + path,
        perSecond: PER_SECOND,
        agent,
        maxMs,
        stop,
      });
      if (statuses[200] !== sent) throw new Error(`${sent - (statuses[200] ?? 0)} of ${sent} normal requests failed`);
      return { p99Ms: quantile(latenciesMs, 0.99), wait: await loopWaits(server) };
    },
    end: () => agent.destroy(),
  };
}

/** How long the server's event loop has let others wait since this was last asked. */
async function loopWaits(server) {
  const said = () => server.output().match(/^waits .*$/gm) ?? [];
  const count = said().length;
  process.kill(server.pid, "SIGUSR2");
  for (let left = 500; left > 0; left--) {
    if (said().length > count) return JSON.parse(said().at(-1).slice("waits ".length));
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error("the server did not tell how long its event loop lets others wait");
}

function connectSlowClients(url) {
  const script = fileURLToPath(new URL("./lib/slow-clients.mjs", import.meta.url));
  const child = spawn(process.execPath, [script, new URL(url).port, SLOW_CLIENTS, ARRIVALS_PER_SECOND].map(String), {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const ended = once(child, "close");
  const state = { connected: false, closed: false };
  createInterface(child.stdout).on("line", (line) => {
    state[line] = true;
  });
  return {
    get connected() {
      return state.connected;
    },
    get closed() {
      return state.closed;
    },
    async end() {
      child.stdin.end();
      await ended;
    },
  };
}
