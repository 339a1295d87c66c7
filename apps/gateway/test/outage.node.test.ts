// An upstream that hangs, and comes back: the gateway stays quick and bounded meanwhile, and recovers by itself.
import { Agent } from "node:http";
import { afterEach, describe, expect, it } from "vitest";
import { startOnNode, startOnWorkerd, type TestGateway } from "./support/gateways.ts";
import { HeldUpstream } from "./support/held-upstream.ts";
import { eventually, send, type Sent } from "./support/http-client.ts";

const maxConcurrent = 4;
/** Longer than it takes to send a crowd of requests, and the circuit's time longer than fifty of them one after the other. */
const timeoutMs = 2000;
const openMs = 6000;

function configFor(upstream: string): unknown {
  return {
    routes: [
      {
        name: "orders",
        pathPrefix: "/orders",
        upstream,
        timeout: { timeoutMs },
        retry: { maxAttempts: 1 },
        circuitBreaker: { maxFailures: 3, openMs },
        concurrencyLimit: { maxConcurrent, maxQueue: 8, maxWaitMs: 200 },
      },
    ],
  };
}

const opened: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of opened.splice(0)) await one.close();
});

async function outage(start: (config: unknown) => Promise<TestGateway>) {
  const upstream = new HeldUpstream();
  const gateway = await start(configFor(await upstream.listen()));
  opened.push(gateway, upstream);
  let asked = 0;
  const agent = new Agent({ keepAlive: true });
  opened.push({ close: async () => agent.destroy() });
  const ask = async (sent: Sent = {}) => {
    const startMs = performance.now();
    const { status, headers, body } = await send(`${gateway.url}/orders/${asked++}`, sent);
    const tookMs = performance.now() - startMs;
    const text = Buffer.from(body).toString();
    const code = status >= 500 ? (JSON.parse(text) as { code: string }).code : undefined;
    return { status, code, retryAfter: new Map(headers).get("retry-after"), tookMs };
  };
  /** Those that follow each other closely share a connection: one that has been idle for long may be closed when it is used. */
  const askAgain = () => ask({ agent });
  /** How long it takes to be told that the gateway is alive. */
  const timePing = async () => {
    const startMs = performance.now();
    await send(`${gateway.url}/livez`, { agent });
    return performance.now() - startMs;
  };
  return { gateway, upstream, ask, askAgain, timePing };
}

/** The longest of the quicker quarter. */
function quarterOf(tookMs: readonly number[]): number {
  return tookMs.toSorted((a, b) => a - b)[Math.floor(tookMs.length / 4)] as number;
}

describe.each([
  ["Node", startOnNode],
  ["workerd", startOnWorkerd],
] as const)("an upstream that hangs, behind the gateway on %s", (_, start) => {
  it("costs its callers at most the deadline, then next to nothing, and is found again when it is back", async () => {
    const { upstream, ask, askAgain, timePing } = await outage(start);

    // Many at once: some reach the upstream and get no answer, all others are refused.
    const crowd = await Promise.all(Array.from({ length: 60 }, () => ask()));
    expect(crowd.filter(({ code }) => code === "ERR_TIMEOUT").length).toBeGreaterThanOrEqual(maxConcurrent);
    expect(crowd.map(({ code }) => code)).toContain("ERR_CONCURRENCY_LIMIT");
    for (const { status, retryAfter } of crowd) expect(status === 504 || retryAfter !== undefined).toBe(true);
    expect(upstream.mostAtOnce).toBeLessThanOrEqual(maxConcurrent);
    // The upstream was told that nobody waits any more.
    await eventually(() => (upstream.running === 0 ? true : undefined));

    const asked = upstream.arrived.length;
    const refused: Awaited<ReturnType<typeof ask>>[] = [];
    const pingsMs: number[] = [];
    for (let i = 0; i < 50; i++) {
      refused.push(await askAgain());
      pingsMs.push(await timePing());
    }
    expect(new Set(refused.map(({ code }) => code))).toEqual(new Set(["ERR_CIRCUIT_OPEN"]));
    expect(refused.every(({ status, retryAfter }) => status === 503 && Number(retryAfter) >= 1)).toBe(true);
    // One or two milliseconds, or as long as the machine takes for any answer: it may be doing something else.
    expect(quarterOf(refused.map(({ tookMs }) => tookMs))).toBeLessThan(10 + quarterOf(pingsMs));
    expect(upstream.arrived.length).toBe(asked);

    upstream.answering = true;
    await eventually(async () => ((await askAgain()).status === 200 ? true : undefined), openMs + 30_000);
    const after = await Promise.all(Array.from({ length: maxConcurrent }, () => ask()));
    expect(after.map(({ status }) => status)).toEqual(Array(maxConcurrent).fill(200));
  });
});

describe("the gateway on Node behind an upstream that hangs", () => {
  it("gives back every permit", async () => {
    const upstream = new HeldUpstream();
    const gateway = await startOnNode(configFor(await upstream.listen()));
    opened.push(gateway, upstream);
    await Promise.all(Array.from({ length: 200 }, (__, i) => send(`${gateway.url}/orders/${i}`)));
    const [route] = gateway.running.gateway.routes;
    await eventually(() => (upstream.running === 0 ? true : undefined));
    expect(route?.limit).toMatchObject({ inUse: 0, queued: 0, abandoned: 0 });
    expect(route?.breaker.state).toBe("open");
  });
});
