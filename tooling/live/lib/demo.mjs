// A demo run: a gateway with two routes, a shop that is a service of its own, and an upstream for each, which misbehave one
// after the other while clients go on at a steady rate. A real Prometheus looks at it.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { Agent } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { get, startFlaky, startGateway, startServer } from "./gateway.mjs";
import { openLoop } from "./load.mjs";
import { startPrometheus } from "./prometheus.mjs";
import { eventually } from "./eventually.mjs";

const UPSTREAMS = ["catalog", "payments", "stock"];

/** What each upstream does, in which share of the time. An upstream that is not named is well. */
const SCRIPT = [
  { share: 0.15, modes: {} },
  { share: 0.15, modes: { catalog: { errorRatio: 0.15 } }, says: "catalog fails in three of twenty requests" },
  {
    share: 0.25,
    modes: { payments: { errorRatio: 1 }, stock: { errorRatio: 0.7 } },
    says: "payments is down, stock nearly",
  },
  {
    share: 0.25,
    modes: { catalog: { latencyMs: 250, capacity: 12 }, stock: { latencyMs: 350 } },
    says: "catalog and stock are slow",
  },
  { share: 0.2, modes: {} },
];

/** Requests in a second. Some of stock's are more than its rate limiter admits; catalog is asked for what never comes, too. */
const LOADS = [
  { to: "gateway", path: "/catalog/echo", perSecond: 60 },
  { to: "gateway", path: "/catalog/hang", perSecond: 1 },
  { to: "gateway", path: "/payments/echo", perSecond: 15 },
  { to: "shop", path: "/stock/7", perSecond: 33 },
];

/**
 * @param {number} durationMs at most ten minutes
 * @returns {Promise<{ startS: number, endS: number, prometheus: Awaited<ReturnType<typeof startPrometheus>>,
 *   urls: { gateway: string, shop: string }, stop(): Promise<void> }>} after the run, with everything still up
 */
export async function runDemo(durationMs) {
  if (!(durationMs > 0 && durationMs <= 600_000)) throw new RangeError(`durationMs is out of bounds: ${durationMs}`);
  const folder = mkdtempSync(join(tmpdir(), "headgate-demo-"));
  const running = [];
  const stop = async () => {
    for (const each of running.toReversed()) await each.stop();
    rmSync(folder, { recursive: true, force: true });
  };
  const start = async (starting) => {
    const started = await starting;
    running.push(started);
    return started;
  };
  try {
    const flaky = {};
    for (const name of UPSTREAMS) flaky[name] = (await start(startFlaky(name))).url;
    const config = join(folder, "gateway.json");
    writeFileSync(config, JSON.stringify({ routes: [routeOf("catalog", flaky), routeOf("payments", flaky)] }));
    const gateway = await start(
      startGateway({ HEADGATE_CONFIG: config, READINESS_GRACE_MS: "0", DRAIN_TIMEOUT_MS: "2000" }),
    );
    const shop = await start(startShop(flaky.stock));
    const prometheus = await start(startPrometheus({ headgate: gateway.url, shop: shop.url }));
    // What has risen is seen only by whoever has seen it before.
    await eventually("both have been scraped", async () => (await prometheus.query("up == 1")).length === 2);
    const urls = { gateway: gateway.url, shop: shop.url };
    const startS = Date.now() / 1000;
    await Promise.all([...LOADS.map((load) => send(load, urls, durationMs)), misbehave(flaky, durationMs)]);
    return { startS, endS: Date.now() / 1000, prometheus, urls, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Limits of a small upstream, so that little traffic shows what they do. */
function routeOf(name, flaky) {
  return {
    name,
    pathPrefix: `/${name}`,
    upstream: flaky[name],
    timeout: { timeoutMs: 1000 },
    retry: { maxAttempts: 3, initialMs: 20 },
    circuitBreaker: { maxFailures: 5, openMs: 4000 },
    concurrencyLimit: { maxConcurrent: 12, maxQueue: 20, maxWaitMs: 300 },
  };
}

function startShop(upstream) {
  const source = readFileSync(new URL("shop.mjs", import.meta.url), "utf8");
  // What is evaluated finds packages from the folder that it runs in.
  const script = ["--input-type=module", "--eval", source];
  return startServer("the shop", script, { UPSTREAM: upstream }, { cwd: "apps/gateway" });
}

function send({ to, path, perSecond }, urls, durationMs) {
  const agent = new Agent({ keepAlive: true, maxSockets: 200 });
  const running = openLoop({ url: urls[to] + path, perSecond, agent, maxMs: durationMs, stop: () => false });
  return running.finally(() => agent.destroy());
}

async function misbehave(flaky, durationMs) {
  for (const { share, modes, says } of SCRIPT) {
    for (const name of UPSTREAMS) {
      const { status } = await get(`${flaky[name]}/_mode`, { method: "PUT", body: JSON.stringify(modes[name] ?? {}) });
      if (status !== 200) throw new Error(`the upstream ${name} has not taken its mode: ${status}`);
    }
    console.log(says ?? "all upstreams are well");
    await delay(share * durationMs);
  }
}
