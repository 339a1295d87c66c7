// A real Prometheus scrapes the running gateway: the counters it has are those of the requests that were sent, and every rule
// of deploy/observability can be evaluated on them.
import { get, startGateway } from "./lib/gateway.mjs";
import { ensureProgram } from "./lib/programs.mjs";
import { eventually } from "./lib/eventually.mjs";
import { startPrometheus } from "./lib/prometheus.mjs";

export const name = "Prometheus scrapes the gateway, and its rules find what they ask for";

const SUCCEED = 200;
/** Fewer than open a circuit in a row, and none of them repeated. */
const FAIL = 4;

export async function install() {
  ensureProgram("prometheus", "prometheus");
}

export async function run() {
  const gateway = await startGateway();
  let prometheus;
  try {
    prometheus = await startPrometheus({ headgate: gateway.url });
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
  }
}

/** POST is not repeated, so that each request is one call and one attempt. */
async function send(url) {
  for (let i = 0; i < SUCCEED; i++) {
    const { status } = await get(`${url}/demo/echo`);
    if (status !== 200) throw new Error(`/demo/echo answered ${status}`);
  }
  for (let i = 0; i < FAIL; i++) {
    const { status } = await get(`${url}/demo/status/500`, { method: "POST" });
    if (status !== 500) throw new Error(`/demo/status/500 answered ${status}`);
  }
}
