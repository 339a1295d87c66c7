// An upstream that hangs, and comes back: the gateway stays quick and bounded meanwhile, and recovers by itself.
import { Agent } from "node:http";
import { afterEach, describe, expect, it } from "vitest";
import { startOnNode, startOnWorkerd, type TestGateway } from "./support/gateways.ts";
import { HeldUpstream } from "./support/held-upstream.ts";
import { eventually, send } from "./support/http-client.ts";

const maxConcurrent = 4;
const openMs = 1500;

function configFor(upstream: string): unknown {
  return {
    routes: [
      {
        name: "orders",
        pathPrefix: "/orders",
        upstream,
        timeout: { timeoutMs: 300 },
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
  const ask = async () => {
    const startMs = performance.now();
    const { status, headers, body } = await send(`${gateway.url}/orders/${asked++}`, { agent });
    const text = Buffer.from(body).toString();
    const code = status >= 500 ? (JSON.parse(text) as { code: string }).code : undefined;
    return { status, code, retryAfter: new Map(headers).get("retry-after"), tookMs: performance.now() - startMs };
  };
  return { gateway, upstream, ask };
}

describe.each([
  ["Node", startOnNode],
  ["workerd", startOnWorkerd],
] as const)("an upstream that hangs, behind the gateway on %s", (_, start) => {
  it("costs its callers at most the deadline, then next to nothing, and is found again when it is back", async () => {
    const { upstream, ask } = await outage(start);

    // Many at once: some reach the upstream and get no answer, all others are refused.
    const crowd = await Promise.all(Array.from({ length: 60 }, ask));
    expect(crowd.filter(({ code }) => code === "ERR_TIMEOUT").length).toBeGreaterThanOrEqual(maxConcurrent);
    expect(crowd.map(({ code }) => code)).toContain("ERR_CONCURRENCY_LIMIT");
    for (const { status, retryAfter } of crowd) expect(status === 504 || retryAfter !== undefined).toBe(true);
    expect(upstream.mostAtOnce).toBeLessThanOrEqual(maxConcurrent);
    // The upstream was told that nobody waits any more.
    await eventually(() => (upstream.running === 0 ? true : undefined));

    const asked = upstream.arrived.length;
    const refused: Awaited<ReturnType<typeof ask>>[] = [];
    for (let i = 0; i < 50; i++) refused.push(await ask());
    expect(new Set(refused.map(({ code }) => code))).toEqual(new Set(["ERR_CIRCUIT_OPEN"]));
    expect(refused.every(({ status, retryAfter }) => status === 503 && Number(retryAfter) >= 1)).toBe(true);
    const tookMs = refused.map((each) => each.tookMs).toSorted((a, b) => a - b);
    // One or two milliseconds. The quicker quarter, with room: the machine may be doing something else.
    expect(tookMs[Math.floor(tookMs.length / 4)]).toBeLessThan(10);
    expect(upstream.arrived.length).toBe(asked);

    upstream.answering = true;
    await eventually(async () => ((await ask()).status === 200 ? true : undefined), openMs + 30_000);
    const after = await Promise.all(Array.from({ length: maxConcurrent }, ask));
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
