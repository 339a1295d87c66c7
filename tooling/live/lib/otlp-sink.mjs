// Takes OTLP metrics as JSON over HTTP, holds them against the protocol, and keeps what each reporter has said last.
import { once } from "node:events";
import { createServer } from "node:http";

const CUMULATIVE = 2;

/**
 * @returns {Promise<{ url: string, posts(): number, reporters(): string[], totals(): Map<string, number>, problems(): string[], stop(): Promise<void> }>}
 *   `totals` has counters, and how many values histograms have, of all reporters together, by `seriesKey`
 */
export async function startOtlpSink() {
  /** What a reporter has said last, by its instance id: all that is sent is cumulative. */
  const last = new Map();
  const problems = [];
  let posts = 0;
  const take = (path, type, body) => {
    posts += 1;
    if (path !== "/v1/metrics" || type !== "application/json") problems.push(`posted to ${path} as ${type}`);
    for (const { resource, scopeMetrics } of JSON.parse(body).resourceMetrics) {
      const { "service.instance.id": id, "service.name": service } = attributesOf(resource.attributes);
      if (!id || !service) problems.push("a reporter without service.name or service.instance.id");
      const metrics = scopeMetrics.flatMap((scope) => scope.metrics);
      problems.push(...metrics.flatMap(metricProblems));
      last.set(id, metrics);
    }
  };
  const server = createServer((request, response) => {
    let body = "";
    request.setEncoding("utf8").on("data", (text) => {
      body += text;
    });
    request.on("end", () => {
      try {
        take(request.url, request.headers["content-type"], body);
      } catch (error) {
        problems.push(`no OTLP: ${error.message}: ${body.slice(0, 200)}`);
      }
      response.writeHead(200, { "content-type": "application/json" }).end("{}");
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    posts: () => posts,
    reporters: () => [...last.keys()],
    totals: () => totalsOf([...last.values()].flat()),
    problems: () => [...new Set(problems)],
    async stop() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

/** The same for the same series, in whatever order its attributes stand. */
export function seriesKey(name, attributes) {
  const sorted = Object.entries(attributes).sort(([a], [b]) => (a < b ? -1 : 1));
  return `${name}{${sorted.map(([key, value]) => `${key}=${value}`).join(",")}}`;
}

function totalsOf(metrics) {
  const totals = new Map();
  for (const { name, sum, histogram } of metrics) {
    const points = sum?.isMonotonic ? sum.dataPoints : (histogram?.dataPoints ?? []);
    for (const { attributes = [], asInt, asDouble, count } of points) {
      const key = seriesKey(name, attributesOf(attributes));
      totals.set(key, (totals.get(key) ?? 0) + Number(asInt ?? asDouble ?? count));
    }
  }
  return totals;
}

function attributesOf(list) {
  return Object.fromEntries(list.map(({ key, value }) => [key, String(Object.values(value)[0])]));
}

/** What of the protocol a metric breaks. */
function metricProblems({ name, unit, sum, gauge, histogram }) {
  const found = [];
  const data = sum ?? gauge ?? histogram;
  if (!data || !name || !unit) return [`${name}: no metric with unit and points`];
  const problem = (text) => found.push(`${name}: ${text}`);
  if (data !== gauge && data.aggregationTemporality !== CUMULATIVE) problem("not cumulative");
  const seen = new Set();
  for (const point of data.dataPoints) {
    const key = seriesKey(name, attributesOf(point.attributes ?? []));
    if (seen.has(key)) problem(`twice the same attributes: ${key}`);
    seen.add(key);
    if (BigInt(point.startTimeUnixNano ?? 0) > BigInt(point.timeUnixNano)) problem("ends before it begins");
    if (!histogram) continue;
    const counts = point.bucketCounts.map(Number);
    if (counts.length !== point.explicitBounds.length + 1) problem(`${counts.length} buckets`);
    if (counts.reduce((a, b) => a + b, 0) !== Number(point.count)) problem("buckets that are not its count");
  }
  return found;
}
