import { describe, expect, it } from "vitest";
import { field, toClientHeaders, toUpstreamHeaders } from "../src/headers.ts";

const from = {
  clientAddress: "192.0.2.1",
  scheme: "http",
  host: "gateway.example",
  trustForwarded: false,
  baggage: [],
  hasBody: true,
};
const pairs = (list: readonly string[]): Record<string, string> =>
  Object.fromEntries(list.flatMap((name, i) => (i % 2 === 0 ? [[name, list[i + 1] as string]] : [])));

describe("field", () => {
  it("joins repeated fields and does not mind the case", () => {
    expect(field(["Via", "1.0 a", "X", "y", "VIA", "1.1 b"], "via")).toBe("1.0 a, 1.1 b");
    expect(field([], "via")).toBeUndefined();
  });
});

describe("toUpstreamHeaders", () => {
  it("drops what is about the connection, and what Connection declares to be", () => {
    const out = toUpstreamHeaders(
      [
        "Host",
        "gateway.example",
        "Connection",
        "keep-alive, X-Hop",
        "Keep-Alive",
        "timeout=5",
        "X-Hop",
        "1",
        "TE",
        "trailers",
        "Upgrade",
        "h2c",
        "Transfer-Encoding",
        "chunked",
        "Expect",
        "100-continue",
        "X-Kept",
        "2",
      ],
      from,
    );
    expect(pairs(out)).toEqual({
      "x-kept": "2",
      "x-forwarded-for": "192.0.2.1",
      "x-forwarded-host": "gateway.example",
      "x-forwarded-proto": "http",
      via: "1.1 headgate",
    });
  });

  it("keeps repeated fields apart", () => {
    expect(toUpstreamHeaders(["X-A", "1", "x-a", "2"], from).slice(0, 4)).toEqual(["x-a", "1", "x-a", "2"]);
  });

  it("announces no length without a body", () => {
    const sent = ["Content-Length", "5"];
    expect(pairs(toUpstreamHeaders(sent, from))["content-length"]).toBe("5");
    expect(pairs(toUpstreamHeaders(sent, { ...from, hasBody: false }))["content-length"]).toBeUndefined();
  });

  it("believes X-Forwarded-* only when told to", () => {
    const claimed = [
      "X-Forwarded-For",
      "203.0.113.9",
      "X-Forwarded-Proto",
      "https",
      "X-Forwarded-Host",
      "shop.example",
    ];
    expect(pairs(toUpstreamHeaders(claimed, from))).toMatchObject({
      "x-forwarded-for": "192.0.2.1",
      "x-forwarded-proto": "http",
      "x-forwarded-host": "gateway.example",
    });
    expect(pairs(toUpstreamHeaders(claimed, { ...from, trustForwarded: true }))).toMatchObject({
      "x-forwarded-for": "203.0.113.9, 192.0.2.1",
      "x-forwarded-proto": "https",
      "x-forwarded-host": "shop.example",
    });
  });

  it("passes on what it is told to of a baggage, and the trace untouched", () => {
    const sent = [
      "traceparent",
      "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
      "tracestate",
      "a=1",
      "Baggage",
      "tenant=shop;origin=edge , userId=7,tenantx=2",
      "baggage",
      "userId=8, region=eu%20west",
      "BAGGAGE",
      "=,,userId",
    ];
    const trace = sent.slice(0, 4);
    expect(toUpstreamHeaders(sent, from).slice(0, -8)).toEqual(trace);
    expect(toUpstreamHeaders(sent, { ...from, baggage: ["tenant", "region"] }).slice(0, -8)).toEqual([
      ...trace,
      "baggage",
      "tenant=shop;origin=edge",
      "baggage",
      "region=eu%20west",
    ]);
  });
});

describe("toClientHeaders", () => {
  it("drops what is about the connection and appends to Via", () => {
    const out = toClientHeaders([
      "Connection",
      "close, X-Hop",
      "X-Hop",
      "1",
      "Via",
      "1.1 cache",
      "Set-Cookie",
      "a=1",
      "Set-Cookie",
      "b=2",
    ]);
    expect(out).toEqual(["set-cookie", "a=1", "set-cookie", "b=2", "via", "1.1 cache, 1.1 headgate"]);
  });
});
