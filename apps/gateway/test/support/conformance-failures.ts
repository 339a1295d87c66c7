// Entries of the conformance table about what goes wrong: upstreams that fail, refusals, clients that leave.
import { type Entry, get, problemOf, see } from "./conformance-entry.ts";
import { breakOff, eventually, openResponse, type Received, send, type Sent } from "./http-client.ts";

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
      await inFlightBecomes(upstream, 0);
      await setMode(upstream, { hang: true });
      const slow = send(`${url}/narrow/status/201`);
      await inFlightBecomes(upstream, 1);
      const refused = see(await send(`${url}/narrow/echo`), scene);
      await setMode(upstream, {});
      const first = await slow;
      return [refused, first.status, (await admitted(`${url}/narrow/status/200`)).status];
    },
    expect: [problemOf(503, "ERR_CONCURRENCY_LIMIT", { policy: "concurrency-limit", pipeline: "narrow" }), 201, 200],
  },
  {
    name: "a permit is held until the response's body has ended",
    act: async ({ url, raw }) => {
      const begun = send(`${url}/narrow-raw/begin`);
      await eventually(async () => ((await send(`${raw}/begun`)).status === 200 ? true : undefined));
      const meanwhile = (await send(`${url}/narrow-raw/no-type`)).status;
      await send(`${raw}/end`);
      const { complete } = await begun;
      return { meanwhile, complete, after: (await admitted(`${url}/narrow-raw/no-type`)).status };
    },
    expect: { meanwhile: 503, complete: true, after: 200 },
  },
  {
    name: "a client that leaves in the middle of a body gives its permit back",
    act: async ({ url, upstream }) => {
      (await openResponse(`${url}/narrow/drip?bytes=100000&everyMs=20`)).destroy();
      const after = (await admitted(`${url}/narrow/echo`)).status;
      await inFlightBecomes(upstream, 0);
      return { after };
    },
    expect: { after: 200 },
  },
  {
    name: "a client that leaves in the middle of its own body is nobody's failure",
    act: async ({ url, upstream }) => {
      const breaking = breakOff(`${url}/touchy/hash`);
      await inFlightBecomes(upstream, 1);
      (await breaking).destroy();
      await inFlightBecomes(upstream, 0);
      return (await send(`${url}/touchy/status/200`)).status;
    },
    expect: 200,
  },
];

/** Waits until so many requests are being served by the upstream. */
async function inFlightBecomes(upstream: string, expected: number): Promise<void> {
  await eventually(async () => {
    const { body } = await send(`${upstream}/_mode`);
    const { counts } = JSON.parse(Buffer.from(body).toString()) as { counts: { inFlight: number } };
    return counts.inFlight === expected || undefined;
  });
}

async function setMode(upstream: string, mode: object): Promise<void> {
  await send(`${upstream}/_mode`, { method: "PUT", body: JSON.stringify(mode) });
}

/** The first answer that is no refusal: a permit may come back a moment after its response has. */
function admitted(url: string): Promise<Received> {
  return eventually(async () => {
    const received = await send(url);
    return received.status === 503 ? undefined : received;
  });
}

/** A body that begins and goes no further. */
async function* standingStill(): AsyncGenerator<string> {
  yield "begun";
  await new Promise(() => {});
}
