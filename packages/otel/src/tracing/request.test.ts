import { pipeline } from "@headgate/core";
import { resilientFetch } from "@headgate/core/fetch";
import { TestClock } from "@headgate/core/testing";
import { trace } from "@opentelemetry/api";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { RecordedSpans } from "../../test/support/recorded-spans.ts";
import { createTracer, tracedFetch, traceRequest } from "./index.ts";

let spans: RecordedSpans;

beforeEach(() => {
  spans = new RecordedSpans();
});

afterEach(() => spans[Symbol.dispose]());

/** Answers with these statuses, in order, and keeps what was sent. */
function upstream(...statuses: number[]) {
  const sent: (string | null)[] = [];
  const fetch = async (input: string | URL | Request, init?: RequestInit) => {
    sent.push(new Request(input, init).headers.get("traceparent"));
    return new Response(null, { status: statuses.shift() ?? 200 });
  };
  return { sent, fetch };
}

describe("tracedFetch", () => {
  it("names the attempts of resilientFetch by their request and sends each one's place in the trace", async () => {
    const clock = new TestClock();
    const { sent, fetch } = upstream(503, 200);
    const get = resilientFetch({
      name: "shop",
      fetch: tracedFetch(fetch),
      tracer: createTracer({ tracerProvider: spans.provider }),
      clock,
      random: { next: () => 0 },
    });
    const traceId = await spans.inside(async () => {
      const running = get("https://shop.example/items?token=1", { headers: { accept: "a/b" } });
      await clock.advance(1000);
      expect((await running).status).toBe(200);
      return trace.getActiveSpan()?.spanContext().traceId;
    });
    expect(spans.attempts()).toMatchObject([
      {
        name: "GET",
        kind: "CLIENT",
        parent: "shop",
        status: "ERROR",
        attributes: {
          "http.request.method": "GET",
          "url.full": "https://shop.example/items",
          "server.address": "shop.example",
          "server.port": 443,
          "http.response.status_code": 503,
          "error.type": "503",
        },
      },
      { name: "GET", status: "UNSET", attributes: { "http.request.resend_count": 1 } },
    ]);
    expect(sent.every((one) => one?.startsWith(`00-${traceId}-`))).toBe(true);
    expect(new Set(sent).size).toBe(2);
  });

  it("leaves the span of somebody else as it is, and the request where there is none", async () => {
    const { sent, fetch } = upstream();
    const traced = tracedFetch(fetch);
    await spans.inside(() => traced(new Request("http://a.example/", { method: "PATCH" })), "GET /");
    await traced("http://a.example/", { headers: { traceparent: "mine" } });
    expect(spans.all()).toMatchObject([{ name: "GET /", attributes: {} }]);
    expect(sent).toEqual([expect.stringMatching(/^00-/), "mine"]);
  });

  it("says nothing of the credentials in a URL", async () => {
    const calls = pipeline({ name: "p", tracer: createTracer({ tracerProvider: spans.provider }) });
    const set = () => {};
    const url = "https://user:secret@shop.example/?key=1";
    await spans.inside(() => calls.execute(() => traceRequest({ method: "GET", url }, set)));
    expect(spans.attempts()).toMatchObject([{ attributes: { "url.full": "https://shop.example/" } }]);
  });

  it("names a method that nobody knows as the conventions do", async () => {
    const traced = tracedFetch(upstream().fetch);
    const get = resilientFetch({ fetch: traced, tracer: createTracer({ tracerProvider: spans.provider }) });
    await spans.inside(() => get("http://a.example:81/", { method: "PURGE" }));
    expect(spans.attempts()).toMatchObject([
      {
        name: "HTTP",
        attributes: { "http.request.method": "_OTHER", "http.request.method_original": "PURGE", "server.port": 81 },
      },
    ]);
  });
});
