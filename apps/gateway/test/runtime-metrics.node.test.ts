// What the gateway on Node measures of its own process: in `/metrics`, and over OTLP.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { parseConfig } from "../src/config.ts";
import { startGateway } from "../src/node.ts";
import { eventually, send } from "./support/http-client.ts";

const config = parseConfig(
  { routes: [{ name: "r", pathPrefix: "/r", upstream: "http://127.0.0.1:1" }] },
  "the test's configuration",
);

const opened: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of opened.splice(0)) await one.close();
});

/** Gives what is posted, as text. */
async function startCollector(): Promise<{ readonly endpoint: string; readonly posts: readonly string[] }> {
  const posts: string[] = [];
  const server = createServer((request, response) => {
    const chunks: Uint8Array[] = [];
    request.on("data", (chunk: Uint8Array) => chunks.push(chunk));
    request.on("end", () => {
      posts.push(Buffer.concat(chunks).toString());
      response.writeHead(200, { "content-type": "application/json" }).end("{}");
    });
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  opened.push({
    async close() {
      const closed = new Promise((done) => server.close(done));
      server.closeAllConnections();
      await closed;
    },
  });
  return { endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, posts };
}

describe("the gateway's own process", () => {
  it("is measured in /metrics", async () => {
    const gateway = await startGateway({ config, port: 0, drainTimeoutMs: 0 });
    opened.push(gateway);
    const text = await eventually(async () => {
      // Far more than a young generation holds.
      Array.from({ length: 200_000 }, (_, i) => ({ i }));
      const { body } = await send(`${gateway.url}/metrics`);
      const metrics = Buffer.from(body).toString();
      return /^v8js_gc_duration_seconds_count\{/m.test(metrics) && metrics.includes("delay_p99") ? metrics : undefined;
    });
    const value = (series: string) => {
      const [, number] = text.split("\n").flatMap((line) => (line.startsWith(`${series} `) ? line.split(" ") : []));
      return Number(number);
    };
    expect(value("nodejs_eventloop_utilization_ratio")).toBeGreaterThan(0);
    expect(value("nodejs_eventloop_utilization_ratio")).toBeLessThanOrEqual(1);
    expect(value("nodejs_eventloop_delay_p99_seconds")).toBeGreaterThan(0.001);
    expect(value('nodejs_eventloop_time_seconds_total{nodejs_eventloop_state="active"}')).toBeGreaterThan(0);
    expect(value('v8js_memory_heap_used_bytes{v8js_heap_space_name="old_space"}')).toBeGreaterThan(1e6);
    expect(value('v8js_memory_heap_space_size_bytes{v8js_heap_space_name="old_space"}')).toBeGreaterThan(1e6);
    expect(text).toContain("# TYPE v8js_gc_duration_seconds histogram\n");
    expect(text).toMatch(/^v8js_gc_duration_seconds_bucket\{v8js_gc_type="m(in|aj)or",le="0.01"\} \d+$/m);
  });

  it("is measured to the end over OTLP, and then only its totals are left", async () => {
    const { endpoint, posts } = await startCollector();
    const gateway = await startGateway({ config, port: 0, drainTimeoutMs: 0, otlpEndpoint: endpoint });
    await gateway.close();
    expect(posts).toHaveLength(1);
    expect(posts[0]).toContain('"nodejs.eventloop.time"');
    expect(posts[0]).toContain('"v8js.memory.heap.used"');
    const left = gateway.collect().filter(({ name }) => /^(nodejs|v8js)\./.test(name));
    expect(left.map(({ name }) => name)).toEqual(["nodejs.eventloop.time", "v8js.gc.duration"]);
  });
});
