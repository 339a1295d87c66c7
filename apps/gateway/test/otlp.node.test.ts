// Metrics over OTLP from both runtimes, to a collector on loopback.
import { EventEmitter, once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { circuitBreaker, pipeline } from "@headgate/core";
import { createTelemetry, type Telemetry } from "@headgate/otel";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { pushMetrics } from "../src/node/push-metrics.ts";
import { flushMetrics } from "../src/worker/flush-metrics.ts";
import { startOnWorkerd } from "./support/gateways.ts";
import { send } from "./support/http-client.ts";

interface Attribute {
  readonly key: string;
  readonly value: { readonly stringValue?: string };
}

interface DataPoint {
  readonly attributes: readonly Attribute[];
  readonly startTimeUnixNano: string;
  readonly timeUnixNano: string;
  readonly asInt?: number;
  readonly count?: number;
  readonly bucketCounts?: readonly number[];
}

interface Points {
  readonly aggregationTemporality: number;
  readonly isMonotonic?: boolean;
  readonly dataPoints: readonly DataPoint[];
}

interface OtlpMetric {
  readonly name: string;
  readonly unit: string;
  readonly sum?: Points;
  readonly histogram?: Points;
}

interface OtlpBody {
  readonly resourceMetrics: readonly {
    readonly resource: { readonly attributes: readonly Attribute[] };
    readonly scopeMetrics: readonly { readonly metrics: readonly OtlpMetric[] }[];
  }[];
}

class Post {
  readonly path: string;
  readonly contentType: string | undefined;
  readonly #body: OtlpBody;

  constructor(path: string, contentType: string | undefined, body: string) {
    this.path = path;
    this.contentType = contentType;
    this.#body = JSON.parse(body) as OtlpBody;
  }

  resource(key: string): string | undefined {
    const attributes = this.#body.resourceMetrics[0]?.resource.attributes ?? [];
    return attributes.find((attribute) => attribute.key === key)?.value.stringValue;
  }

  metric(name: string): OtlpMetric | undefined {
    const scopes = this.#body.resourceMetrics.flatMap((one) => one.scopeMetrics);
    return scopes.flatMap(({ metrics }) => metrics).find((metric) => metric.name === name);
  }

  /** Points by the values of their attributes. */
  numbers(name: string): Record<string, number | undefined> {
    const metric = this.metric(name);
    const points = (metric?.sum ?? metric?.histogram)?.dataPoints ?? [];
    return Object.fromEntries(
      points.map(({ attributes, asInt, count }) => [
        attributes.map(({ value }) => value.stringValue).join(","),
        asInt ?? count,
      ]),
    );
  }
}

class Collector {
  readonly posts: Post[] = [];
  /** Undefined: never answers. */
  status: number | undefined = 200;
  readonly #arrivals = new EventEmitter();
  readonly #server: Server = createServer((request, response) => {
    const { status } = this;
    const chunks: Uint8Array[] = [];
    request.on("data", (chunk: Uint8Array) => chunks.push(chunk));
    request.on("end", () => {
      this.posts.push(
        new Post(request.url ?? "", request.headers["content-type"], Buffer.concat(chunks).toString("utf8")),
      );
      this.#arrivals.emit("post");
      if (status !== undefined) response.writeHead(status, { "content-type": "application/json" }).end("{}");
    });
  });

  async listen(): Promise<string> {
    await new Promise<void>((listening) => this.#server.listen(0, "127.0.0.1", listening));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Waits for the post with this number, the first being 1; without timers, as a test may have made them its own. */
  async post(count: number): Promise<Post> {
    while (this.posts.length < count) await once(this.#arrivals, "post");
    return this.posts[count - 1] as Post;
  }

  async close(): Promise<void> {
    const closed = new Promise((done) => this.#server.close(done));
    this.#server.closeAllConnections();
    await closed;
  }
}

let collector: Collector;
let endpoint: string;

beforeEach(async () => {
  collector = new Collector();
  endpoint = await collector.listen();
});

afterEach(async () => {
  vi.restoreAllMocks();
  vi.useRealTimers();
  await collector.close();
});

/** Two successes and a failure. */
async function counted(): Promise<Telemetry> {
  const telemetry = createTelemetry();
  const breaker = circuitBreaker({ name: "b" });
  telemetry.watch(breaker);
  const calls = pipeline({ name: "p", meter: telemetry }, breaker);
  await calls.execute(() => 1);
  await calls.execute(() => 2);
  await calls.execute(() => Promise.reject(new RangeError("no"))).catch(() => {});
  return telemetry;
}

describe("pushMetrics", () => {
  it("posts the counts as OTLP JSON, again and again", async () => {
    const telemetry = await counted();
    const push = pushMetrics({ telemetry, endpoint: `${endpoint}/`, intervalMs: 20 });
    const post = await collector.post(2);
    await push.stop();
    expect(post.path).toBe("/v1/metrics");
    expect(post.contentType).toBe("application/json");
    expect(post.resource("service.name")).toBe("headgate-gateway");
    expect(post.resource("service.instance.id")).toMatch(/^[0-9a-f-]{36}$/);
    expect(post.numbers("async.pipeline.success")).toEqual({ p: 2 });
    expect(post.numbers("async.pipeline.failure")).toEqual({ "p,RangeError": 1 });
    expect(post.numbers("async.pipeline.latency")).toEqual({ "p,success": 2, "p,failure,RangeError": 1 });
    expect(post.numbers("circuit.breaker.status")).toEqual({
      "b,closed": 1,
      "b,open": 0,
      "b,half_open": 0,
      "b,forced_open": 0,
      "b,disabled": 0,
    });
    expect(post.metric("async.pipeline.latency")).toMatchObject({
      unit: "s",
      histogram: { aggregationTemporality: 2 },
    });
    expect(post.metric("async.pipeline.success")).toMatchObject({
      unit: "{execution}",
      sum: { aggregationTemporality: 2, isMonotonic: true },
    });
    const [point] = post.metric("async.pipeline.success")?.sum?.dataPoints ?? [];
    expect(BigInt(point?.timeUnixNano ?? 0)).toBeGreaterThanOrEqual(BigInt(point?.startTimeUnixNano ?? 0));
    expect(BigInt(point?.startTimeUnixNano ?? 0)).toBeGreaterThan(BigInt(Date.now() - 60_000) * 1_000_000n);
  });

  it("sends once more when it stops, and then no more", async () => {
    const push = pushMetrics({ telemetry: await counted(), endpoint });
    expect(collector.posts).toHaveLength(0);
    await push.stop();
    expect(collector.posts).toHaveLength(1);
    expect(collector.posts[0]?.numbers("async.pipeline.success")).toEqual({ p: 2 });
    await push.stop();
    expect(collector.posts).toHaveLength(1);
  });

  it("stops within 2 s when the collector hangs", async () => {
    const warn = vi.spyOn(console, "warn").mockImplementation(() => {});
    collector.status = undefined;
    const push = pushMetrics({ telemetry: await counted(), endpoint, intervalMs: 60_000 });
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    let isOver = false;
    const stopped = push.stop().then(() => (isOver = true));
    await collector.post(1);
    await vi.advanceTimersByTimeAsync(1999);
    expect(isOver).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    await stopped;
    expect(collector.posts).toHaveLength(1);
    expect(warn.mock.calls).toEqual([["Metrics cannot be sent: no answer within 2000 ms"]]);
  });

  it("says once that a collector refuses", async () => {
    const warn = vi.spyOn(console, "warn").mockImplementation(() => {});
    collector.status = 401;
    const push = pushMetrics({ telemetry: await counted(), endpoint, intervalMs: 200 });
    await collector.post(3);
    await push.stop();
    expect(warn.mock.calls).toEqual([["Metrics cannot be sent: Unauthorized"]]);
  });
});

describe("flushMetrics", () => {
  it("lets one call wait for the others until 5 s have passed since the last post", async () => {
    vi.useFakeTimers({ toFake: ["Date", "setTimeout", "clearTimeout"] });
    const flush = flushMetrics(await counted());
    const env = { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint };
    await flush(env);
    expect(collector.posts).toHaveLength(1);
    const waiting = flush(env);
    await flush(env);
    await flush(env);
    expect(collector.posts).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(5000);
    await waiting;
    expect(collector.posts).toHaveLength(2);
    vi.setSystemTime(Date.now() + 5000);
    await flush(env);
    expect(collector.posts).toHaveLength(3);
  });

  it("posts again after the request that waited was killed", async () => {
    vi.useFakeTimers({ toFake: ["Date", "setTimeout", "clearTimeout"] });
    const flush = flushMetrics(await counted());
    const env = { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint };
    await flush(env);
    void flush(env);
    vi.clearAllTimers();
    vi.setSystemTime(Date.now() + 10_000);
    await flush(env);
    expect(collector.posts).toHaveLength(2);
  });

  it("says that a collector refuses, and does not reject", async () => {
    const warn = vi.spyOn(console, "warn").mockImplementation(() => {});
    collector.status = 401;
    await flushMetrics(await counted())({ OTEL_EXPORTER_OTLP_ENDPOINT: endpoint });
    await flushMetrics(await counted())({ OTEL_EXPORTER_OTLP_ENDPOINT: "not a URL" });
    expect(warn).toHaveBeenCalledTimes(2);
    expect(warn.mock.calls[0]).toEqual(["Metrics cannot be sent: Unauthorized"]);
  });

  it("posts from workerd after a response, then at most every 5 s, whatever became of an earlier post", async () => {
    const upstream = createServer((_, response) => response.end("ok"));
    await new Promise<void>((listening) => upstream.listen(0, "127.0.0.1", listening));
    const config = {
      routes: [
        { name: "r", pathPrefix: "/r", upstream: `http://127.0.0.1:${(upstream.address() as AddressInfo).port}` },
      ],
    };
    const gateway = await startOnWorkerd(config, { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint });
    try {
      collector.status = undefined;
      // Before the first post, which may be seen late: what follows can only seem later than it was.
      const startMs = performance.now();
      expect((await send(`${gateway.url}/r/1`)).status).toBe(200);
      const first = await collector.post(1);
      collector.status = 200;
      await send(`${gateway.url}/r/2`);
      await send(`${gateway.url}/r/3`);
      const second = await collector.post(2);
      expect(performance.now() - startMs).toBeGreaterThan(4500);

      expect(first.path).toBe("/v1/metrics");
      expect(first.numbers("async.pipeline.success")).toEqual({ r: 1 });
      expect(second.numbers("async.pipeline.success")).toEqual({ r: 3 });
      expect(second.numbers("async.pipeline.latency")).toEqual({ "r,success": 3 });
      // The status is a number.
      expect(second.numbers("http.server.request.duration")).toEqual({ "GET,http,/r/*,": 3 });
      expect(second.numbers("http.server.active_requests")).toEqual({ "GET,http": 0 });
      expect(second.metric("async.pipeline.latency")?.histogram?.aggregationTemporality).toBe(2);
      expect(second.resource("service.instance.id")).toMatch(/^[0-9a-f-]{36}$/);
      expect(second.resource("service.instance.id")).toBe(first.resource("service.instance.id"));
      const start = (post: Post) => post.metric("async.pipeline.success")?.sum?.dataPoints[0]?.startTimeUnixNano;
      expect(start(second)).toBe(start(first));
      expect(collector.posts).toHaveLength(2);
    } finally {
      await gateway.close();
      upstream.closeAllConnections();
      await new Promise((closed) => upstream.close(closed));
    }
  });
});
