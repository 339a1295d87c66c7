// Requests whose outcomes are known before they are sent, and what each counter must say afterwards.
import { Agent, request } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import { seriesKey } from "./otlp-sink.mjs";

const CONNECTIONS = 50;
const LIMIT_MS = 240_000;

/** Failures in a row that open the circuit of the route that is down. */
const OPENS_AFTER = 5;

/** Requests in all, and how many of them try to become a value of an attribute. */
const SIZE = 10_000;
const ATTEMPTED_VALUES = 2500;
const LOST = 100;
const NOT_FOUND = 600;
const FAILED = 500;
const REPEATED = 400;
const LATE = 200;
const DOWN = 100;
const CROWD = 100;
const SUCCEED = SIZE - ATTEMPTED_VALUES - LOST - NOT_FOUND - FAILED - REPEATED - LATE - DOWN - CROWD - 1;

const repeat = (times, make) => Array.from({ length: times }, (_, i) => make(i));
const get = (path, status) => ({ method: "GET", path, status });
const post = (path, status) => ({ method: "POST", path, status });

/** What is sent in no order. */
const anyOrder = [
  ...repeat(SUCCEED, () => get("/main/echo", 200)),
  ...repeat(NOT_FOUND, () => get("/main/status/404", 404)),
  ...repeat(FAILED, () => post("/main/status/500", 500)),
  ...repeat(REPEATED, () => get("/main/status/502", 502)),
  ...repeat(LATE, () => get("/brief/slow/5000", 504)),
  ...repeat(ATTEMPTED_VALUES, (i) => get(`/main/value-${i}?value=${i}`, 404)),
  ...repeat(LOST, (i) => get(`/nowhere/${i}`, 404)),
];

/** The gateway's configuration for it. */
export function configFor(upstream) {
  const route = (name, more) => ({
    name,
    pathPrefix: `/${name}`,
    upstream,
    retry: { maxAttempts: 2, initialMs: 1, budget: false },
    circuitBreaker: { maxFailures: 1_000_000, openMs: 600_000 },
    timeout: { timeoutMs: 30_000 },
    ...more,
  });
  return {
    routes: [
      route("main"),
      route("brief", { timeout: { timeoutMs: 100 } }),
      route("down", { circuitBreaker: { maxFailures: OPENS_AFTER, openMs: 600_000 } }),
      route("narrow", { concurrencyLimit: { maxConcurrent: 1, maxQueue: 0 } }),
    ],
  };
}

const counted = (name, attributes, value) => ({ name, attributes, value, suffix: "_total" });
const measured = (name, attributes, value, unit = "") => ({ name, attributes, value, suffix: `${unit}_count` });
const ended = (route, outcome, count, error) => [
  measured(
    "async.pipeline.latency",
    { "pipeline.name": route, "pipeline.outcome": outcome, ...(error && { "error.type": error }) },
    count,
    "_seconds",
  ),
  measured("retry.attempts", { "pipeline.name": route, "pipeline.outcome": outcome }, count),
];
const failed = (route, error, count) =>
  counted("async.pipeline.failure", { "pipeline.name": route, "error.type": error }, count);
const succeeded = (route, count) => counted("async.pipeline.success", { "pipeline.name": route }, count);

const good = SUCCEED + NOT_FOUND + ATTEMPTED_VALUES;
const refused = DOWN - OPENS_AFTER;

/** Every counter and every count of a histogram that is not 0 in the end. */
const expected = [
  succeeded("main", good),
  succeeded("narrow", 1),
  failed("main", "5xx", FAILED + REPEATED),
  failed("brief", "ERR_TIMEOUT", LATE),
  failed("down", "5xx", OPENS_AFTER),
  failed("down", "ERR_CIRCUIT_OPEN", refused),
  failed("narrow", "ERR_CONCURRENCY_LIMIT", CROWD),
  ...ended("main", "success", good),
  ...ended("main", "failure", FAILED + REPEATED, "5xx"),
  ...ended("brief", "timeout", LATE, "ERR_TIMEOUT"),
  ...ended("down", "failure", OPENS_AFTER, "5xx"),
  ...ended("down", "rejected_breaker", refused, "ERR_CIRCUIT_OPEN"),
  ...ended("narrow", "success", 1),
  ...ended("narrow", "rejected_concurrency", CROWD, "ERR_CONCURRENCY_LIMIT"),
  counted("retry.attempt", { "pipeline.name": "main", "retry.type": "retry", "error.type": "5xx" }, REPEATED),
  counted("retry.exhausted", { "pipeline.name": "main" }, REPEATED),
  counted("timeout.fired", { "pipeline.name": "brief", "timeout.scope": "total" }, LATE),
  counted("circuit.breaker.open", { "circuit_breaker.name": "down", "circuit_breaker.trigger": "local" }, 1),
  counted("circuit.breaker.rejected", { "circuit_breaker.name": "down" }, refused),
  counted("concurrency.rejected", { "concurrency_limit.name": "narrow", reason: "full" }, CROWD),
];

/** What clients are answered, whatever the route. */
const answered = {
  200: SUCCEED + 1,
  404: NOT_FOUND + ATTEMPTED_VALUES + LOST,
  500: FAILED + OPENS_AFTER,
  502: REPEATED,
  503: refused + CROWD,
  504: LATE,
};

/** Counters of what the policies do; what the runtime measures is not known before. */
const isOurs = (key) => /^(?:async|retry|timeout|circuit|concurrency|rate_limiter|fallback)[._]/.test(key);

const plain = (name) => name.replaceAll(".", "_");

/** The totals of a page of `/metrics`, by `seriesKey`. */
export function totalsIn(page) {
  const totals = new Map();
  for (const [, name, labels, value] of page.matchAll(/^(\w+(?:_total|_count))(?:\{(.*)\})? (\S+)$/gm)) {
    const attributes = Object.fromEntries(Array.from(labels?.matchAll(/(\w+)="([^"]*)"/g) ?? [], ([, k, v]) => [k, v]));
    totals.set(seriesKey(name, attributes), Number(value));
  }
  return totals;
}

/** What is wrong with the totals of a page of `/metrics`. */
export function pageProblems(totals) {
  const problems = differences(totals, ({ name, attributes, suffix }) =>
    seriesKey(
      plain(name) + suffix,
      Object.fromEntries(Object.entries(attributes).map(([key, value]) => [plain(key), value])),
    ),
  );
  return [...problems, ...answerProblems(totals, "http_server_request_duration_seconds_count")];
}

/** What is wrong with totals that came over OTLP. */
export function otlpProblems(totals) {
  const problems = differences(totals, ({ name, attributes }) => seriesKey(name, attributes));
  return [...problems, ...answerProblems(totals, "http.server.request.duration")];
}

/** Requests by their answers, without those for the gateway's own pages. */
function answerProblems(totals, name) {
  const counts = {};
  for (const [key, value] of totals) {
    if (!key.startsWith(`${name}{`) || /http[._]route=\/(?:metrics|livez|readyz)/.test(key)) continue;
    const status = /status[._]code=(\d+)/.exec(key)?.[1];
    counts[status] = (counts[status] ?? 0) + value;
  }
  return [...new Set([...Object.keys(answered), ...Object.keys(counts)])].flatMap((status) => {
    const [want, is] = [answered[status] ?? 0, counts[status] ?? 0];
    return want === is ? [] : [`${name} with status ${status} is ${is} and should be ${want}`];
  });
}

function differences(totals, keyOf) {
  const wanted = new Map(expected.map((one) => [keyOf(one), one.value]));
  const keys = new Set([...wanted.keys(), ...[...totals.keys()].filter(isOurs)]);
  return [...keys].flatMap((key) => {
    const [want, is] = [wanted.get(key) ?? 0, totals.get(key) ?? 0];
    return want === is ? [] : [`${key} is ${is} and should be ${want}`];
  });
}

/** How many series a page has; how many values each label has at most. */
export function sizeOf(page) {
  const series = page.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  const values = new Map();
  for (const [, label, value] of series.join("\n").matchAll(/(\w+)="([^"]*)"/g)) {
    values.set(label, (values.get(label) ?? new Set()).add(value));
  }
  return { series: series.length, values: Math.max(...Array.from(values.values(), (each) => each.size)) };
}

/**
 * Sends all of it, and holds each answer against what it should be.
 *
 * @param {string} gateway
 * @param {string} flaky the upstream, which says what is under way
 */
export async function sendMix(gateway, flaky) {
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
  const signal = AbortSignal.timeout(LIMIT_MS);
  const send = async ({ method, path, status }) => {
    const answered = await sendOne(gateway + path, { method, agent, signal });
    if (answered !== status) throw new Error(`${method} ${path} answered ${answered} and not ${status}`);
  };
  try {
    for (let i = 0; i < DOWN; i++) await send(post("/down/status/500", i < OPENS_AFTER ? 500 : 503));
    const crowd = async () => {
      await isThere(flaky);
      await sendAll(
        repeat(CROWD, () => get("/narrow/echo", 503)),
        send,
      );
    };
    await setMode(flaky, { hang: true });
    const held = send(get("/narrow/echo", 200));
    await Promise.race([crowd(), held.then(() => Promise.reject(new Error("the only permit was not held")))]);
    await setMode(flaky, {});
    await held;
    await sendAll(anyOrder, send);
    return SIZE;
  } finally {
    agent.destroy();
  }
}

async function sendAll(requests, send) {
  const left = requests.values();
  const one = async () => {
    for (const each of left) await send(each);
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, one));
}

/** Waits until a request is under way at the upstream. */
async function isThere(flaky) {
  for (let i = 0; i < 1000; i++) {
    const response = await fetch(`${flaky}/_mode`, { signal: AbortSignal.timeout(5000) });
    if ((await response.json()).counts.inFlight > 0) return;
    await delay(20);
  }
  throw new Error("the request that holds the only permit has not arrived");
}

async function setMode(flaky, mode) {
  const init = { method: "PUT", body: JSON.stringify(mode), signal: AbortSignal.timeout(10_000) };
  const { status } = await fetch(`${flaky}/_mode`, init);
  if (status !== 200) throw new Error(`the upstream has not taken its mode: ${status}`);
}

function sendOne(url, options) {
  return new Promise((resolve, reject) => {
    const sent = request(url, options, (response) => {
      response.resume();
      response.on("error", reject);
      response.on("end", () => resolve(response.statusCode));
    });
    sent.on("error", reject);
    sent.end();
  });
}
