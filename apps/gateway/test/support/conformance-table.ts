// The requests that both runtimes must answer alike. Each entry does one thing to a gateway and says what it saw; a
// few facts about it are expected outright, so that equal but wrong answers do not pass.
import { createHash } from "node:crypto";
import { expect } from "vitest";
import { breakOff, eventually, openResponse, type Received, send, type Sent } from "./http-client.ts";

export interface Scene {
  /** The gateway under test. */
  readonly url: string;
  /** The demo upstream itself. */
  readonly upstream: string;
}

export interface Seen {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: unknown;
  readonly complete: boolean;
}

export interface Entry {
  readonly name: string;
  readonly act: (scene: Scene) => Promise<unknown>;
  readonly expect: unknown;
}

/** Fields that are about the connection or the moment. */
const notCompared: readonly string[] = ["connection", "date", "keep-alive", "transfer-encoding"];

export function see({ status, headers, body, complete }: Received, { url, upstream }: Scene): Seen {
  const compared: Record<string, string> = {};
  for (const [name, value] of headers) {
    if (notCompared.includes(name)) continue;
    compared[name] = compared[name] === undefined ? value : `${compared[name]} | ${value}`;
  }
  // Each runtime's gateway and upstream have ports of their own.
  const text =
    body.length > 4096
      ? undefined
      : Buffer.from(body)
          .toString("utf8")
          .replaceAll(new URL(url).host, "gateway.test")
          .replaceAll(new URL(upstream).host, "upstream.test");
  return { status, headers: compared, complete, body: text === undefined ? digest(body) : parsed(text) };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function digest(bytes: Uint8Array): string {
  return `${bytes.length} bytes, sha256 ${createHash("sha256").update(bytes).digest("hex")}`;
}

function pattern(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => i % 251);
}

async function* inPieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let i = 0; i < bytes.length; i += size) yield bytes.subarray(i, i + size);
}

/** One request through the gateway. */
function get(name: string, path: string, expected: unknown, sent: Sent = {}): Entry {
  return { name, act: async (scene) => see(await send(scene.url + path, sent), scene), expect: expected };
}

const json = { "content-type": "application/json" };
const problemOf = (status: number, code: string, more: object = {}) => ({
  status,
  headers: { "content-type": "application/problem+json", "cache-control": "no-store" },
  body: { status, code, ...more },
});

/** What the upstream was sent: these fields, and none of the others. */
const echo = (fields: Readonly<Record<string, string>>, absent: readonly string[] = []) => ({
  status: 200,
  body: {
    headers: expect.toSatisfy(
      (sent: Record<string, string>) =>
        Object.entries(fields).every(([name, value]) => sent[name] === value) &&
        absent.every((name) => !(name in sent)),
      `${JSON.stringify(fields)} without ${absent.join(", ")}`,
    ) as unknown,
  },
});

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

const failures: Entry[] = [
  get("a 4xx passes through", "/demo/status/404", { status: 404 }),
  get("a 500 passes through after the retries", "/demo/status/500", { status: 500 }),
  get("a 503 passes through after the retries", "/demo/status/503", { status: 503 }),
  get("an upstream that nobody listens at", "/down/x", problemOf(502, "ERR_UPSTREAM_UNREACHABLE")),
  get("an upstream that drops the connection", "/demo/drop", problemOf(502, "ERR_UPSTREAM_UNREACHABLE")),
  get("a deadline", "/slow/hang", problemOf(504, "ERR_TIMEOUT", { policy: "timeout", pipeline: "slow" })),
  get("a deadline of a request with a streamed body", "/slow/hang", problemOf(504, "ERR_TIMEOUT"), {
    method: "POST",
    body: "x",
  }),
  {
    name: "a GET is repeated, a POST is not",
    act: async (scene) => {
      const failTwice = async (key: string, sent: Sent = {}) =>
        see(await send(`${scene.url}/raw/fail-twice?key=${key}`, sent), scene);
      const get = await failTwice("get");
      const post = await failTwice("post", { method: "POST", body: "x" });
      const put = await failTwice("put", { method: "PUT", body: "again" });
      return [get.status, get.body, post.status, put.status, put.body];
    },
    expect: [200, "attempt 3: ", 503, 200, "attempt 3: again"],
  },
  {
    name: "an open circuit refuses with Retry-After",
    act: async (scene) => {
      const { url } = scene;
      const before = [await send(`${url}/failing/500`), await send(`${url}/failing/500`)].map(({ status }) => status);
      return [...before, see(await send(`${url}/failing/200`), scene)];
    },
    expect: [500, 500, problemOf(503, "ERR_CIRCUIT_OPEN", { policy: "circuit-breaker", pipeline: "failing" })],
  },
  {
    name: "a full queue refuses with Retry-After, and the permit comes back",
    act: async (scene) => {
      const { url, upstream } = scene;
      const slow = send(`${url}/narrow/slow/400`);
      await eventually(async () => ((await counts(upstream)).inFlight >= 1 ? true : undefined));
      const refused = see(await send(`${url}/narrow/echo`), scene);
      const first = await slow;
      return [refused, first.status, (await send(`${url}/narrow/status/200`)).status];
    },
    expect: [problemOf(503, "ERR_CONCURRENCY_LIMIT", { policy: "concurrency-limit", pipeline: "narrow" }), 200, 200],
  },
  {
    name: "a permit is held until the response's body has ended",
    act: async ({ url }) => {
      const dripping = send(`${url}/narrow/drip?bytes=20&everyMs=20`);
      await eventually(async () => ((await send(`${url}/narrow/echo`)).status === 503 ? true : undefined));
      const { complete } = await dripping;
      const after = await eventually(async () => ((await send(`${url}/narrow/echo`)).status === 200 ? 200 : undefined));
      return { complete, after };
    },
    expect: { complete: true, after: 200 },
  },
  {
    name: "a client that leaves in the middle of a body gives its permit back",
    act: async ({ url, upstream }) => {
      (await openResponse(`${url}/narrow/drip?bytes=100000&everyMs=20`)).destroy();
      const after = await eventually(async () => ((await send(`${url}/narrow/echo`)).status === 200 ? 200 : undefined));
      const inFlight = await eventually(async () => ((await counts(upstream)).inFlight === 0 ? 0 : undefined));
      return { after, inFlight };
    },
    expect: { after: 200, inFlight: 0 },
  },
  {
    name: "a client that leaves in the middle of its own body is nobody's failure",
    act: async ({ url, upstream }) => {
      const breaking = breakOff(`${url}/touchy/hash`);
      await eventually(async () => ((await counts(upstream)).inFlight >= 1 ? true : undefined));
      (await breaking).destroy();
      await eventually(async () => ((await counts(upstream)).inFlight === 0 ? true : undefined));
      return (await send(`${url}/touchy/status/200`)).status;
    },
    expect: 200,
  },
];

const own: Entry[] = [
  get("/livez", "/livez", { status: 200, body: { status: "ok" } }),
  get("/readyz", "/readyz", { status: 200, body: { status: "ok" } }),
];

export const conformanceTable: readonly Entry[] = [...methods, ...paths, ...headers, ...bodies, ...failures, ...own];

async function counts(upstream: string): Promise<{ inFlight: number }> {
  const { body } = await send(`${upstream}/_mode`);
  return (JSON.parse(Buffer.from(body).toString()) as { counts: { inFlight: number } }).counts;
}
