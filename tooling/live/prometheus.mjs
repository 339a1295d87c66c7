// A real Prometheus scrapes the running gateway: the counters it has are those of the requests that were sent, and every rule
// of deploy/observability can be evaluated on them.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { freePort, startGateway } from "./lib/gateway.mjs";
import { ensureProgram } from "./lib/programs.mjs";

export const name = "Prometheus scrapes the gateway, and its rules find what they ask for";

const root = resolve(fileURLToPath(import.meta.url), "../../..");
const LIMIT_MS = 30_000;
const SUCCEED = 200;
/** Fewer than open a circuit in a row, and none of them repeated. */
const FAIL = 4;

export async function install() {
  ensureProgram("prometheus", "prometheus");
}

export async function run() {
  const gateway = await startGateway();
  const folder = mkdtempSync(join(tmpdir(), "headgate-prometheus-"));
  let prometheus;
  try {
    prometheus = await startPrometheus(folder, new URL(gateway.url).host);
    // What has risen is seen only by whoever has seen it before.
    await eventually("the gateway has been scraped", async () => (await prometheus.query("up == 1")).length === 1);
    await send(gateway.url);
    const sums = { async_pipeline_success_total: SUCCEED, async_pipeline_failure_total: FAIL };
    for (const [metric, sent] of Object.entries(sums)) {
      await eventually(`sum(${metric}) is ${sent}`, async () => {
        const [sample] = await prometheus.query(`sum(${metric})`);
        return Number(sample?.value[1] ?? 0) === sent;
      });
    }
    // Asked for here: groups of long intervals are not evaluated within the time of a check.
    const rules = await prometheus.rules();
    if (rules.length === 0) throw new Error("Prometheus has loaded no rule");
    for (const { name: rule, query } of rules) {
      await prometheus.query(query).catch((error) => {
        throw new Error(`${rule}: ${error.message}`);
      });
    }
    const recorded = rules.flatMap(({ type, name: rule }) =>
      /^pipeline:.+_rate5m$/.test(rule) && type === "recording" ? [rule] : [],
    );
    if (recorded.length === 0) throw new Error("no rule records what pipelines do");
    await eventually(`${recorded.join(", ")} have values`, async () => {
      const found = await prometheus.query('count by (__name__) ({__name__=~"pipeline:.+_rate5m"})');
      return recorded.every((rule) => found.some(({ metric }) => metric.__name__ === rule));
    });
    const [up] = await prometheus.query("up");
    if (up?.value[1] !== "1") throw new Error("the last scrape of the gateway has failed");
    console.log(`${SUCCEED} successes and ${FAIL} failures have arrived; ${rules.length} rules can be evaluated`);
  } finally {
    await prometheus?.stop();
    await gateway.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** POST is not repeated, so that each request is one call and one attempt. */
async function send(url) {
  const get = (path, method) => fetch(url + path, { method, signal: AbortSignal.timeout(10_000) });
  for (let i = 0; i < SUCCEED; i++) {
    const response = await get("/demo/echo", "GET");
    await response.arrayBuffer();
    if (response.status !== 200) throw new Error(`/demo/echo answered ${response.status}`);
  }
  for (let i = 0; i < FAIL; i++) {
    const response = await get("/demo/status/500", "POST");
    await response.arrayBuffer();
    if (response.status !== 500) throw new Error(`/demo/status/500 answered ${response.status}`);
  }
}

async function startPrometheus(folder, target) {
  const rules = join(root, "deploy/observability/rules/*.yml");
  writeFileSync(
    join(folder, "prometheus.yml"),
    JSON.stringify({
      global: { scrape_interval: "1s", evaluation_interval: "1s" },
      rule_files: [rules],
      scrape_configs: [{ job_name: "headgate", static_configs: [{ targets: [target] }] }],
    }),
  );
  const url = `http://127.0.0.1:${await freePort()}`;
  const child = spawn(
    "prometheus",
    [
      `--config.file=${join(folder, "prometheus.yml")}`,
      `--storage.tsdb.path=${join(folder, "data")}`,
      `--web.listen-address=${new URL(url).host}`,
    ],
    { stdio: ["ignore", "ignore", "pipe"] },
  );
  const kill = () => child.kill("SIGKILL");
  process.once("exit", kill);
  let output = "";
  child.stderr.setEncoding("utf8").on("data", (text) => {
    output += text;
  });
  const ended = once(child, "close");
  const ask = async (path) => {
    const response = await fetch(url + path, { signal: AbortSignal.timeout(5000) });
    const { status, data, error } = await response.json();
    if (status !== "success") throw new Error(`Prometheus: ${error}`);
    return data;
  };
  const ready = () => fetch(`${url}/-/ready`, { signal: AbortSignal.timeout(1000) }).then(({ ok }) => ok);
  await eventually("Prometheus is ready", () => {
    if (child.exitCode !== null) throw new Error(`Prometheus ended with ${child.exitCode}\n${output}`);
    return ready().catch(() => false);
  });
  return {
    query: async (expr) => (await ask(`/api/v1/query?query=${encodeURIComponent(expr)}`)).result,
    rules: async () => (await ask("/api/v1/rules")).groups.flatMap((group) => group.rules),
    async stop() {
      child.kill("SIGTERM");
      await Promise.race([ended, delay(10_000, undefined, { ref: false })]);
      kill();
      process.off("exit", kill);
    },
  };
}

/** What `look` gives as soon as that is something. */
async function eventually(what, look) {
  const untilMs = performance.now() + LIMIT_MS;
  for (;;) {
    const seen = await look();
    if (seen) return seen;
    if (performance.now() > untilMs) throw new Error(`not within ${LIMIT_MS} ms: ${what}`);
    await delay(200);
  }
}
