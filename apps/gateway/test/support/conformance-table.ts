// The requests that both runtimes must answer alike. Each entry does one thing to a gateway and says what it saw; a
// few facts about it are expected outright, so that equal but wrong answers do not pass.
import { expect } from "vitest";
import { digest, echo, type Entry, get, inPieces, json, pattern, problemOf } from "./conformance-entry.ts";
import { deadlines } from "./conformance-deadlines.ts";
import { upstreams } from "./conformance-upstreams.ts";
import { send } from "./http-client.ts";
import { failures } from "./conformance-failures.ts";

const trace = { traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", tracestate: "a=1" };

async function timingOf(url: string): Promise<string> {
  const { headers } = await send(url);
  return headers.find(([name]) => name === "server-timing")?.[1] ?? "none";
}

const methods: Entry[] = [
  get("GET", "/demo/echo", { status: 200, body: { method: "GET", path: "/echo" } }),
  get("GET with a query", "/demo/echo?a=1&b=%20x&a=2", { status: 200, body: { path: "/echo" } }),
  get("HEAD", "/demo/echo", { status: 200, body: "" }, { method: "HEAD" }),
  get("HEAD of a body with a length", "/demo/bytes/1000", { status: 200, body: "" }, { method: "HEAD" }),
  get("OPTIONS", "/demo/echo", { status: 200, body: { method: "OPTIONS" } }, { method: "OPTIONS" }),
  get(
    "POST",
    "/demo/echo",
    { status: 200, body: { method: "POST", body: "hello" } },
    { method: "POST", body: "hello" },
  ),
  get("POST without a body", "/demo/echo", { status: 200, body: { method: "POST", body: "" } }, { method: "POST" }),
  get(
    "PUT",
    "/demo/echo",
    { status: 200, body: { method: "PUT", body: "{}" } },
    { method: "PUT", body: "{}", headers: json },
  ),
  get("PATCH", "/demo/echo", { status: 200, body: { method: "PATCH", body: "p" } }, { method: "PATCH", body: "p" }),
  get("DELETE", "/demo/echo", { status: 200, body: { method: "DELETE" } }, { method: "DELETE" }),
  get(
    "DELETE with a body",
    "/demo/echo",
    { status: 200, body: { method: "DELETE", body: "d" } },
    { method: "DELETE", body: "d" },
  ),
  get("a method that the route does not take", "/readonly/echo", problemOf(405, "ERR_METHOD_NOT_ALLOWED"), {
    method: "POST",
    body: "x",
  }),
];

const paths: Entry[] = [
  get("a path without a route", "/nowhere", problemOf(404, "ERR_NO_ROUTE")),
  get("a path that only begins like a route", "/demolition/echo", problemOf(404, "ERR_NO_ROUTE")),
  get("the prefix alone", "/demo", { status: 200 }),
  get("the prefix with a slash", "/demo/", { status: 200 }),
  get("the longest prefix wins", "/demo/inner/418", { status: 418 }),
  get("an upstream with a path of its own", "/base/204", { status: 204, body: "" }),
  get("an encoded path stays encoded", "/demo/echo%2Fx", { status: 404 }),
  get("dots do not climb out of the upstream's path", "/base/../echo", problemOf(404, "ERR_NO_ROUTE")),
  get("encoded dots do not either", "/base/%2e%2e/echo", problemOf(404, "ERR_NO_ROUTE")),
  get("a route for everything else is not there", "/", problemOf(404, "ERR_NO_ROUTE")),
];

const headers: Entry[] = [
  get("adds Via and X-Forwarded-*", "/demo/echo", {
    headers: { via: "1.1 headgate" },
    ...echo({
      via: "1.1 headgate",
      "x-forwarded-for": "127.0.0.1",
      "x-forwarded-host": "gateway.test",
      "x-forwarded-proto": "http",
      host: "upstream.test",
    }),
  }),
  get(
    "drops hop-by-hop fields of the request",
    "/demo/echo",
    echo({ "x-kept": "2" }, ["x-secret", "te", "proxy-authorization"]),
    {
      headers: {
        connection: "close, x-secret",
        "x-secret": "1",
        te: "trailers",
        "proxy-authorization": "Basic eA==",
        "x-kept": "2",
      },
    },
  ),
  get(
    "replaces X-Forwarded-* of a client that is not trusted",
    "/demo/echo",
    echo({ "x-forwarded-for": "127.0.0.1", "x-forwarded-host": "gateway.example" }),
    {
      headers: {
        "x-forwarded-for": "203.0.113.9",
        "x-forwarded-proto": "https",
        "x-forwarded-host": "evil.example",
        host: "gateway.example",
      },
    },
  ),
  get(
    "adds to X-Forwarded-* of a client that is",
    "/trusting/echo",
    echo({
      "x-forwarded-for": "203.0.113.9, 127.0.0.1",
      "x-forwarded-proto": "https",
      "x-forwarded-host": "shop.example",
    }),
    {
      headers: {
        "x-forwarded-for": "203.0.113.9",
        "x-forwarded-proto": "https",
        "x-forwarded-host": "shop.example",
        host: "gateway.example",
      },
    },
  ),
  get("passes on no baggage that nobody allows", "/demo/echo", echo({}, ["baggage"]), {
    headers: { baggage: "tenant=shop" },
  }),
  get("passes on of a baggage what the route allows", "/trusting/echo", echo({ baggage: "tenant=shop" }), {
    headers: { baggage: "tenant=shop, user=7" },
  }),
  get("passes on the client's place in a trace", "/demo/echo", echo({ ...trace }), { headers: trace }),
  {
    name: "says how long it took where the route is told to",
    act: async ({ url }) => [(await timingOf(`${url}/timed/echo`)).replaceAll(/\d+\.\d/g, "0.0")],
    expect: ["queue;dur=0.0, upstream;dur=0.0"],
  },
  {
    name: "does not say how long it took where nobody wants that",
    act: async ({ url }) => [await timingOf(`${url}/demo/echo`)],
    expect: ["none"],
  },
  get("appends to Via", "/demo/echo", echo({ via: "1.0 fred, 1.1 headgate" }), { headers: { via: "1.0 fred" } }),
  get("passes cookies and authorization", "/demo/echo", echo({ cookie: "a=1; b=2", authorization: "Bearer t" }), {
    headers: { cookie: "a=1; b=2", authorization: "Bearer t" },
  }),
  get("keeps a repeated Set-Cookie apart", "/raw/cookies", {
    status: 200,
    headers: { "set-cookie": "a=1 | b=2; Path=/" },
  }),
  get(
    "keeps a repeated Set-Cookie apart on HEAD",
    "/raw/cookies",
    { status: 200, headers: { "set-cookie": "a=1 | b=2; Path=/" } },
    { method: "HEAD" },
  ),
  get("drops hop-by-hop fields of the response", "/raw/hop-by-hop", {
    status: 200,
    headers: expect.toSatisfy((seen: object) => "x-kept" in seen && !("x-hop" in seen)) as unknown,
  }),
  get("adds no content type", "/raw/no-type", { status: 200, body: "plain" }),
  get("does not follow a redirect", "/raw/redirect", { status: 302, headers: { location: "/elsewhere" } }),
];

const bodies: Entry[] = [
  get("a body of known length", "/demo/bytes/100000", {
    status: 200,
    headers: { "content-length": "100000" },
    body: digest(pattern(100_000)),
  }),
  get("a body of 5 MB", "/demo/bytes/5000000", { status: 200, body: digest(pattern(5_000_000)) }),
  get("an empty body", "/demo/bytes/0", { status: 200, body: "" }),
  get("a body that drips", "/demo/drip?bytes=5&everyMs=10", { status: 200, complete: true }),
  get(
    "a body that is not to be decoded",
    "/raw/gzip",
    { status: 200, headers: { "content-encoding": "gzip" } },
    { headers: { "accept-encoding": "gzip" } },
  ),
  get("the codings that a client takes, and no others", "/demo/echo", echo({ "accept-encoding": "zstd" }), {
    headers: { "accept-encoding": "zstd" },
  }),
  get("nothing encoded for a client that names no coding", "/demo/echo", {
    status: 200,
    headers: expect.not.objectContaining({ "content-encoding": expect.anything() as unknown }) as unknown,
  }),
  get(
    "an upload of 5 MB",
    "/demo/hash",
    { status: 200, body: { bytes: 5_000_000 } },
    { method: "POST", body: pattern(5_000_000) },
  ),
  get(
    "an upload in chunks",
    "/demo/hash",
    { status: 200, body: { bytes: 300_000 } },
    { method: "POST", body: () => inPieces(pattern(300_000), 10_000) },
  ),
  get(
    "a short upload that may be repeated",
    "/demo/hash",
    { status: 200, body: { bytes: 60_000 } },
    { method: "PUT", body: pattern(60_000) },
  ),
  get(
    "a long upload that is sent once",
    "/demo/hash",
    { status: 200, body: { bytes: 100_000 } },
    { method: "PUT", body: pattern(100_000) },
  ),
  get("a body that breaks off", "/demo/trailing-error?bytes=100000", { status: 200, complete: false }),
  get("204 has no body", "/demo/status/204", { status: 204, body: "" }),
  get("304 has no body", "/demo/status/304", { status: 304, body: "" }),
];

const own: Entry[] = [
  get("/livez", "/livez", { status: 200, body: { status: "ok" } }),
  get("/readyz", "/readyz", { status: 200, body: { status: "ok" } }),
];

export const conformanceTable: readonly Entry[] = [
  ...methods,
  ...paths,
  ...headers,
  ...bodies,
  ...failures,
  ...own,
  ...deadlines,
  ...upstreams,
];
