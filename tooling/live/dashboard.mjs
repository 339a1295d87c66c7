// The dashboard of deploy/observability in front of a real Prometheus that has watched a demo run: what it asks for is shown
// under /metrics, and every query of it returns data.
import { dashboard, queriesOf } from "../dashboard/src/dashboard.ts";
import { namesIn, withoutVariables } from "../dashboard/src/promql.ts";
import { runDemo } from "./lib/demo.mjs";
import { get } from "./lib/gateway.mjs";
import { seriesNames, typesIn } from "./lib/metric-names.mjs";
import { ensureProgram } from "./lib/programs.mjs";

export const name = "every metric of the dashboard is live, and every query of it returns data";

const DURATION_MS = 45_000;
const VARIABLES = { job: ".*", instance: ".*", __rate_interval: "5s" };

/** What a gateway has none of. The shop shows these; once the gateway does, they do not belong here any more. */
const NOT_OF_THE_GATEWAY = [
  "circuit_breaker_failure_ratio",
  "circuit_breaker_slow_ratio",
  "rate_limiter_requests_total",
];

export async function install() {
  ensureProgram("prometheus", "prometheus");
}

export async function run() {
  const queries = queriesOf(dashboard()).map(({ title, expr }) => ({ title, expr: withoutVariables(expr, VARIABLES) }));
  const demo = await runDemo(DURATION_MS);
  try {
    const problems = [...(await nameProblems(queries, demo.urls)), ...(await dataProblems(queries, demo))];
    if (problems.length > 0) throw new Error(problems.join("\n"));
  } finally {
    await demo.stop();
  }
}

async function nameProblems(queries, urls) {
  const ofGateway = await namesAt(urls.gateway);
  const ofShop = await namesAt(urls.shop);
  const wanted = new Set(queries.flatMap(({ expr }) => namesIn(expr).metrics));
  console.log(`${wanted.size} series of metrics are asked for, ${NOT_OF_THE_GATEWAY.length} of them of the shop alone`);
  const problems = [];
  for (const metric of wanted) {
    const others = NOT_OF_THE_GATEWAY.includes(metric);
    if (!others && !ofGateway.has(metric)) problems.push(`${metric} is not under /metrics of the gateway`);
    if (others && ofGateway.has(metric))
      problems.push(`${metric} is under /metrics of the gateway: take it off the list`);
    if (others && !ofShop.has(metric)) problems.push(`${metric} is not under /metrics of the shop`);
  }
  for (const metric of NOT_OF_THE_GATEWAY) {
    if (!wanted.has(metric)) problems.push(`${metric} is not asked for any more: take it off the list`);
  }
  return problems;
}

async function namesAt(url) {
  const { status, text } = await get(`${url}/metrics`);
  if (status !== 200) throw new Error(`${url}/metrics answered ${status}\n${text}`);
  return new Set(typesIn(text).flatMap(seriesNames));
}

/** Each query has a number, and each panel one above zero: what it is there to show has happened. */
async function dataProblems(queries, { prometheus, startS, endS }) {
  const problems = [];
  const shows = new Map();
  for (const { title, expr } of queries) {
    const found = await prometheus.queryRange(expr, { startS, endS, stepS: 1 });
    const values = found.flatMap((series) => series.values.map(([, value]) => Number(value))).filter(Number.isFinite);
    if (values.length === 0) problems.push(`${title}: no data: ${expr}`);
    shows.set(title, Boolean(shows.get(title)) || values.some((value) => value > 0));
  }
  for (const [title, above] of shows) if (!above) problems.push(`${title}: never above zero in the demo run`);
  console.log(`${queries.length} queries in ${shows.size} places asked over ${Math.round(endS - startS)} s`);
  return problems;
}
