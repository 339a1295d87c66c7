// One table of requests over real HTTP against the Node server and against workerd, with equal answers.
import { isDeepStrictEqual } from "node:util";
import { serveFlaky } from "@headgate/flaky/node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Scene, Seen } from "./support/conformance-entry.ts";
import { conformanceTable } from "./support/conformance-table.ts";
import { type ClosedPort, closedPort } from "./support/closed-port.ts";
import { type Difference, differences } from "./support/differences.ts";
import { startOnNode, startOnWorkerd, type TestGateway } from "./support/gateways.ts";
import { type RawUpstream, startRawUpstream } from "./support/raw-upstream.ts";

/** Each runtime has upstreams of its own, so that the one's traffic is not in the other's counts. */
const demos: Awaited<ReturnType<typeof serveFlaky>>[] = [];
const raws: RawUpstream[] = [];
const gateways: TestGateway[] = [];
const scenes: Scene[] = [];
let closed: ClosedPort;
/** Without which some entry would not be answered alike. */
const found = new Set<Difference>();

beforeAll(async () => {
  closed = await closedPort();
  for (const start of [startOnNode, startOnWorkerd]) {
    const demo = await serveFlaky();
    const raw = await startRawUpstream();
    const gateway = await start(configFor(demo.url, raw.url, closed.port));
    demos.push(demo);
    raws.push(raw);
    gateways.push(gateway);
    scenes.push({ url: gateway.url, upstream: demo.url, raw: raw.url });
  }
});

afterAll(async () => {
  for (const { close } of [...gateways, ...demos, ...raws, closed]) await close();
});

describe("the gateway on Node and on workerd", () => {
  it("has a table of at least 40 requests", () => {
    expect(conformanceTable.length).toBeGreaterThanOrEqual(40);
  });

  it.each(conformanceTable.map((entry) => [entry.name, entry] as const))("answers alike: %s", async (_, entry) => {
    const [onNode, onWorkerd] = await Promise.all(scenes.map((scene) => entry.act(scene)));
    expect(onNode).toMatchObject(entry.expect as object);
    expect(onWorkerd).toMatchObject(entry.expect as object);
    expect(level(onWorkerd, differences)).toEqual(level(onNode, differences));
    for (const difference of differences) {
      const others = differences.filter((other) => other !== difference);
      if (!isDeepStrictEqual(level(onNode, others), level(onWorkerd, others))) found.add(difference);
    }
  });

  it.each(differences.map((difference) => [difference.what, difference] as const))(
    "still differs: %s",
    (_, difference) => {
      expect(found).toContain(difference);
    },
  );
});

function level(seen: unknown, applied: readonly Difference[]): unknown {
  if (Array.isArray(seen)) return seen.map((one) => level(one, applied));
  if (typeof seen !== "object" || seen === null || !("headers" in seen)) return seen;
  return applied.reduce((leveled, difference) => difference.level(leveled), seen as Seen);
}

function configFor(demo: string, rawUpstream: string, closed: number): unknown {
  const quick = { retry: { maxAttempts: 3, initialMs: 1 }, circuitBreaker: { maxFailures: 1000 } };
  // Long enough for a busy machine to bring a request to where it is to stand still.
  const timeout = { timeoutMs: 1000 };
  return {
    routes: [
      { name: "demo", pathPrefix: "/demo", upstream: demo, ...quick },
      { name: "inner", pathPrefix: "/demo/inner", upstream: `${demo}/status`, ...quick },
      { name: "base", pathPrefix: "/base", upstream: `${demo}/status/`, ...quick },
      { name: "readonly", pathPrefix: "/readonly", upstream: demo, methods: ["GET", "HEAD"], ...quick },
      {
        name: "trusting",
        pathPrefix: "/trusting",
        upstream: demo,
        trustForwarded: true,
        baggage: ["tenant"],
        ...quick,
      },
      { name: "timed", pathPrefix: "/timed", upstream: demo, serverTiming: true },
      { name: "raw", pathPrefix: "/raw", upstream: rawUpstream, ...quick },
      { name: "down", pathPrefix: "/down", upstream: `http://127.0.0.1:${closed}`, ...quick },
      { name: "touchy", pathPrefix: "/touchy", upstream: demo, circuitBreaker: { maxFailures: 1 } },
      { name: "slow", pathPrefix: "/slow", upstream: demo, ...quick, timeout },
      {
        name: "mesh",
        pathPrefix: "/mesh",
        upstream: demo,
        deadline: { trusted: true },
        timeout: { timeoutMs: 100_000 },
        circuitBreaker: { maxFailures: 1 },
      },
      { name: "spread", pathPrefix: "/spread", upstream: [`${demo}/status`, `${demo}/bytes`], ...quick },
      {
        name: "half-down",
        pathPrefix: "/half-down",
        upstream: [`http://127.0.0.1:${closed}`, `${demo}/status/`],
        ...quick,
      },
      {
        name: "ejecting",
        pathPrefix: "/ejecting",
        upstream: [demo, `http://127.0.0.1:${closed}`],
        retry: { maxAttempts: 1 },
        circuitBreaker: { maxFailures: 1000 },
        loadBalance: { maxFailures: 2 },
      },
      {
        name: "uploads",
        pathPrefix: "/uploads",
        upstream: demo,
        timeout,
        circuitBreaker: { maxFailures: 2 },
      },
      {
        name: "failing",
        pathPrefix: "/failing",
        upstream: `${demo}/status`,
        retry: { maxAttempts: 1 },
        circuitBreaker: { maxFailures: 2 },
      },
      {
        name: "narrow",
        pathPrefix: "/narrow",
        upstream: demo,
        ...quick,
        concurrencyLimit: { maxConcurrent: 1, maxQueue: 0 },
      },
      {
        name: "narrow-raw",
        pathPrefix: "/narrow-raw",
        upstream: rawUpstream,
        ...quick,
        concurrencyLimit: { maxConcurrent: 1, maxQueue: 0 },
      },
    ],
  };
}
