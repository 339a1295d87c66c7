// What the gateway on Workers has counted, added up in a Durable Object: in /metrics, and over OTLP to a collector on loopback.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startOnWorkerd, type TestGateway } from "./support/gateways.ts";
import { eventually, openResponse, send } from "./support/http-client.ts";

interface Metric {
  readonly name: string;
  readonly sum?: { readonly dataPoints: readonly { readonly asInt: number; readonly startTimeUnixNano: string }[] };
}

interface Post {
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly resource: Readonly<Record<string, string>>;
  readonly metrics: readonly Metric[];
}

const posts: Post[] = [];
/** Undefined: never answers. */
let status: number | undefined = 200;
let gateway: TestGateway;
const config = { routes: [{ name: "r", pathPrefix: "/r", upstream: "", retry: { maxAttempts: 1 } }] };

const upstream = createServer((request, response) => {
  const { pathname } = new URL(request.url ?? "/", "http://upstream");
  if (pathname === "/stream") {
    // Local workerd notices that a client has left when it writes to it.
    const dripping = setInterval(() => response.write("more"), 20);
    response.on("close", () => clearInterval(dripping));
  } else response.writeHead(Number(pathname.slice(1))).end();
});

const collector = createServer((request, response) => {
  let body = "";
  request.setEncoding("utf8").on("data", (text: string) => (body += text));
  request.on("end", () => {
    const { resourceMetrics } = JSON.parse(body);
    const [{ resource, scopeMetrics }] = resourceMetrics;
    posts.push({
      headers: request.headers,
      resource: Object.fromEntries(
        resource.attributes.map(({ key, value }: { key: string; value: { stringValue: string } }) => [
          key,
          value.stringValue,
        ]),
      ),
      metrics: scopeMetrics[0].metrics,
    });
    if (status !== undefined) response.writeHead(status, { "content-type": "application/json" }).end("{}");
  });
});

const urlOf = (server: typeof upstream): string => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

const page = async (accept?: string) => {
  const sent = await send(`${gateway.url}/metrics`, accept === undefined ? {} : { headers: { accept } });
  return { ...sent, text: Buffer.from(sent.body).toString() };
};

/** What the collector was told last that the route has answered well. */
const pushedSuccess = (): number | undefined =>
  posts.at(-1)?.metrics.find(({ name }) => name === "async.pipeline.success")?.sum?.dataPoints[0]?.asInt;

beforeAll(async () => {
  for (const server of [upstream, collector])
    await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  config.routes[0] = { ...config.routes[0], upstream: urlOf(upstream) } as (typeof config.routes)[0];
  const vars = {
    OTEL_EXPORTER_OTLP_ENDPOINT: `${urlOf(collector)}/`,
    OTEL_EXPORTER_OTLP_HEADERS: "x-key=a%20b, x-other=c",
    OTEL_METRIC_EXPORT_INTERVAL: "200",
    OTEL_SERVICE_NAME: "edge",
  };
  gateway = await startOnWorkerd(config, vars, { addsUpMetrics: true });
});

afterAll(async () => {
  await gateway.close();
  for (const server of [upstream, collector]) {
    server.closeAllConnections();
    await new Promise((closed) => server.close(closed));
  }
});

describe("the gateway on Workers with a METRICS binding", () => {
  it("shows in /metrics what it has counted until now, in the format that is asked for", async () => {
    for (let i = 0; i < 5; i++) await send(`${gateway.url}/r/200`);
    await send(`${gateway.url}/r/500`);
    const { status, headers, text } = await page();
    expect(status).toBe(200);
    expect(Object.fromEntries(headers)["content-type"]).toBe("text/plain; version=0.0.4; charset=utf-8");
    expect(text).toContain('async_pipeline_success_total{pipeline_name="r"} 5\n');
    expect(text).toContain('async_pipeline_failure_total{pipeline_name="r",error_type="5xx"} 1\n');
    expect(text).toMatch(/^async_pipeline_latency_seconds_count\{pipeline_name="r",pipeline_outcome="success"\} 5$/m);
    expect(text).toMatch(/^circuit_breaker_status\{circuit_breaker_name="r",circuit_breaker_state="closed"\} 1$/m);
    expect((await page("application/openmetrics-text")).text.endsWith("# EOF\n")).toBe(true);
  });

  it("pushes the same totals over OTLP, as one reporter for all time", async () => {
    await send(`${gateway.url}/r/200`);
    const text = await eventually(async () => {
      const shown = (await page()).text;
      return shown.includes(`async_pipeline_success_total{pipeline_name="r"} ${pushedSuccess()}\n`) ? shown : undefined;
    });
    const [first, last] = [posts[0], posts.at(-1)];
    expect(text).toContain('async_pipeline_success_total{pipeline_name="r"} 6\n');
    expect(last?.headers).toMatchObject({ "x-key": "a b", "x-other": "c", "content-type": "application/json" });
    expect(last?.resource).toEqual({
      "service.name": "edge",
      "service.instance.id": expect.stringMatching(/^[0-9a-f]{64}$/),
    });
    expect(last?.resource).toEqual(first?.resource);
    const start = (post?: Post) => post?.metrics.find(({ sum }) => sum)?.sum?.dataPoints[0]?.startTimeUnixNano;
    expect(start(last)).toBe(start(first));
  });

  it("goes on answering and counting while the collector hangs, and makes up for it", async () => {
    status = undefined;
    const before = posts.length;
    await eventually(() => (posts.length > before ? true : undefined));
    for (let i = 0; i < 4; i++) await send(`${gateway.url}/r/200`);
    expect((await page()).text).toContain('async_pipeline_success_total{pipeline_name="r"} 10\n');
    status = 200;
    await eventually(() => (pushedSuccess() === 10 ? true : undefined));
  });

  it("counts a request whose client leaves in the middle of the body", async () => {
    const socket = await openResponse(`${gateway.url}/r/stream`);
    socket.destroy();
    await eventually(async () =>
      /^concurrency_active\{concurrency_limit_name="r"\} 0$/m.test((await page()).text) ? true : undefined,
    );
    expect((await page()).text).toContain('async_pipeline_success_total{pipeline_name="r"} 11\n');
  });
});

describe("the gateway on Workers without it", () => {
  it("has no /metrics, and says why", async () => {
    const other = await startOnWorkerd(config);
    try {
      const { status, body } = await send(`${other.url}/metrics`);
      expect(status).toBe(404);
      expect(JSON.parse(Buffer.from(body).toString())).toMatchObject({
        code: "ERR_NO_ROUTE",
        detail: "There are no metrics without a METRICS binding",
      });
    } finally {
      await other.close();
    }
  });
});
