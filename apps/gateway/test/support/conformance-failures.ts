// Entries of the conformance table about what goes wrong: upstreams that fail, refusals, clients that leave.
import { type Entry, get, problemOf, see } from "./conformance-entry.ts";
import { breakOff, eventually, openResponse, send, type Sent } from "./http-client.ts";

export const failures: readonly Entry[] = [
  get("a 4xx passes through", "/demo/status/404", { status: 404 }),
  get("a 500 passes through after the retries", "/demo/status/500", { status: 500 }),
  get("a 503 passes through after the retries", "/demo/status/503", { status: 503 }),
  get("an upstream that nobody listens at", "/down/x", problemOf(502, "ERR_UPSTREAM_UNREACHABLE")),
  get("an upstream that drops the connection", "/demo/drop", problemOf(502, "ERR_UPSTREAM_UNREACHABLE")),
  get("a deadline", "/slow/hang", problemOf(504, "ERR_TIMEOUT", { policy: "timeout", pipeline: "slow" })),
  {
    name: "clients whose bodies stand still get 408, and open no circuit",
    act: async (scene) => {
      const stalled = { method: "POST", body: standingStill, headers: { "content-length": "10" } };
      const refused: unknown[] = [];
      for (let i = 0; i < 3; i++) refused.push(see(await send(`${scene.url}/uploads/hash`, stalled), scene));
      return [...refused, (await send(`${scene.url}/uploads/status/200`)).status];
    },
    expect: [...Array(3).fill(problemOf(408, "ERR_REQUEST_TIMEOUT")), 200],
  },
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

async function counts(upstream: string): Promise<{ inFlight: number }> {
  const { body } = await send(`${upstream}/_mode`);
  return (JSON.parse(Buffer.from(body).toString()) as { counts: { inFlight: number } }).counts;
}

/** A body that begins and goes no further. */
async function* standingStill(): AsyncGenerator<string> {
  yield "begun";
  await new Promise(() => {});
}
