// The gateway in a trace, with an SDK and what OpenTelemetry's instrumentation of HTTP servers does: a span for each request,
// active while it is handled.
import { createServer, type IncomingMessage, Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { context, propagation, ROOT_CONTEXT, SpanKind, trace } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { CompositePropagator, W3CBaggagePropagator, W3CTraceContextPropagator } from "@opentelemetry/core";
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from "@opentelemetry/sdk-trace";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type NodeTestGateway, startOnNode } from "./support/gateways.ts";
import { send } from "./support/http-client.ts";

const traceId = "0af7651916cd43dd8448eb211c80319c";
const exporter = new InMemorySpanExporter();
const { emit } = Server.prototype;
const received: NodeJS.Dict<string | string[]>[] = [];
const statuses: number[] = [];
const upstream = createServer((request, response) => {
  received.push(request.headers);
  response.writeHead(statuses.shift() ?? 200).end();
});
let gateway: NodeTestGateway;

beforeAll(async () => {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  const propagators = [new W3CTraceContextPropagator(), new W3CBaggagePropagator()];
  propagation.setGlobalPropagator(new CompositePropagator({ propagators }));
  trace.setGlobalTracerProvider(new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] }));
  await new Promise<void>((listening) => upstream.listen(0, "127.0.0.1", listening));
  const { port } = upstream.address() as AddressInfo;
  const url = `http://127.0.0.1:${port}`;
  const route = { name: "shop", pathPrefix: "/shop", upstream: url, retry: { maxAttempts: 2, initialMs: 1 } };
  gateway = await startOnNode({ routes: [route] });
  Server.prototype.emit = function instrumented(
    this: Server,
    event: string,
    ...args: [IncomingMessage, ServerResponse]
  ) {
    if (event !== "request" || this === upstream) return emit.call(this, event, ...args);
    const [request, response] = args;
    const parent = propagation.extract(ROOT_CONTEXT, request.headers);
    const span = trace.getTracer("http").startSpan("GET", { kind: SpanKind.SERVER }, parent);
    response.on("close", () => span.end());
    return context.with(trace.setSpan(parent, span), () => emit.call(this, event, ...args));
  };
});

afterAll(async () => {
  Server.prototype.emit = emit;
  await gateway.close();
  await new Promise((closed) => upstream.close(closed));
  for (const api of [context, propagation, trace]) api.disable();
});

it("goes on with the client's trace: the call, each attempt, and the attempt's span for the upstream", async () => {
  statuses.push(503);
  const headers = {
    traceparent: `00-${traceId}-b7ad6b7169203331-01`,
    tracestate: "vendor=1",
    baggage: "user=7",
    accept: "text/plain",
  };
  expect((await send(`${gateway.url}/shop/items?q=1`, { headers })).status).toBe(200);
  // They may end a moment after the client has its answer.
  await expect.poll(() => exporter.getFinishedSpans().filter(({ kind }) => kind !== SpanKind.SERVER).length).toBe(3);
  const spans = exporter.getFinishedSpans();
  const client = spans.filter(({ kind }) => kind === SpanKind.CLIENT);
  const [call] = spans.filter(({ kind }) => kind === SpanKind.INTERNAL);
  expect(spans.every((span) => span.spanContext().traceId === traceId)).toBe(true);
  expect(call).toMatchObject({ name: "shop", attributes: { "pipeline.outcome": "success", "retry.count": 1 } });
  expect(client.map(({ name, attributes }) => [name, attributes])).toEqual([
    ["GET", expect.objectContaining({ "http.response.status_code": 503, "error.type": "503" })],
    ["GET", expect.objectContaining({ "http.response.status_code": 200, "http.request.resend_count": 1 })],
  ]);
  const { port } = upstream.address() as AddressInfo;
  expect(client[0]?.attributes["url.full"]).toBe(`http://127.0.0.1:${port}/items`);
  expect(received.map(({ traceparent }) => traceparent)).toEqual(
    client.map((span) => `00-${traceId}-${span.spanContext().spanId}-01`),
  );
  expect(received[0]).toMatchObject({ tracestate: "vendor=1", accept: "text/plain" });
  // Of the client's baggage nothing goes on that the route does not allow, whatever the SDK would send.
  expect(received.every(({ baggage }) => baggage === undefined)).toBe(true);
});
