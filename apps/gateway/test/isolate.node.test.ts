// Requests of one isolate that wait for each other, over real connections: what a test inside workerd cannot show,
// because all of its code runs in one request.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { startOnWorkerd, type TestGateway } from "./support/gateways.ts";
import { HeldUpstream } from "./support/held-upstream.ts";
import { eventually, openResponse, send } from "./support/http-client.ts";

const upstream = new HeldUpstream();
let config: unknown;
let gateway: TestGateway;

beforeAll(async () => {
  config = {
    routes: [
      {
        name: "held",
        pathPrefix: "/held",
        upstream: await upstream.listen(),
        timeout: { timeoutMs: 55_000 },
        retry: { maxAttempts: 1 },
        concurrencyLimit: { maxConcurrent: 2, maxQueue: 40, maxWaitMs: 50_000 },
      },
    ],
  };
  gateway = await startOnWorkerd(config);
});

beforeEach(() => {
  upstream.forget();
  upstream.answering = false;
});

afterAll(async () => {
  await gateway.close();
  await upstream.close();
});

async function ask({ url }: TestGateway, id: string, signal?: AbortSignal): Promise<{ status: number; text: string }> {
  const { status, body } = await send(`${url}/held${id}`, signal && { signal });
  return { status, text: Buffer.from(body).toString() };
}

/** How many requests have a permit or wait for one, by the gateway's own count. */
async function present({ url }: TestGateway): Promise<number> {
  const text = Buffer.from((await send(`${url}/metrics`)).body).toString();
  const counts = [...text.matchAll(/^concurrency_(?:active|queued)\{concurrency_limit_name="held"\} (\d+)$/gm)];
  return counts.reduce((sum, [, count]) => sum + Number(count), 0);
}

describe("requests of one isolate behind a limit of 2", () => {
  it("answers 20 clients, in order, two at a time", async () => {
    const counting = await startOnWorkerd(config, {}, { addsUpMetrics: true });
    try {
      const ids = Array.from({ length: 20 }, (_, i) => `/${i}`);
      const answers: ReturnType<typeof ask>[] = [];
      for (const id of ids) {
        answers.push(ask(counting, id));
        // The next one comes when this one has its place.
        await eventually(async () => (await present(counting)) === answers.length || undefined);
        // The first two may overtake each other on the way to the upstream.
        if (answers.length <= 2) await upstream.take(id);
      }
      for (const [i, id] of ids.entries()) {
        const response = await upstream.take(id);
        expect(upstream.running).toBeLessThanOrEqual(2);
        response.end(id);
        // The permit has been handed on before the next one is: two at once may overtake each other on the network.
        const next = ids[i + 2];
        if (next !== undefined) await upstream.take(next);
      }
      expect(await Promise.all(answers)).toEqual(ids.map((id) => ({ status: 200, text: id })));
      expect(upstream.arrived).toEqual(ids);
    } finally {
      await counting.close();
    }
  });

  it("answers the others when clients leave while they wait", async () => {
    const leaving = new AbortController();
    const served = ["/a", "/b"].map((id) => ask(gateway, id));
    for (const id of ["/a", "/b"]) await upstream.take(id);
    const left = ["/gone-1", "/gone-2", "/gone-3"].map((id) => ask(gateway, id, leaving.signal));
    const rest = ["/c", "/d", "/e", "/f"].map((id) => ask(gateway, id));
    // When this is answered, those before it have been read.
    expect((await send(`${gateway.url}/livez`)).status).toBe(200);
    const ended = left.map((answer) => answer.catch(() => undefined));
    leaving.abort();
    await Promise.all(ended);
    // Local workerd may or may not notice that a waiting client has left; what it sends is answered all the same.
    upstream.answering = true;
    for (const id of ["/a", "/b"]) (await upstream.take(id)).end(id);
    const answers = await Promise.all([...served, ...rest]);
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200, 200]);
  });

  it("gives permits back when clients leave in the middle of a body", async () => {
    const streams = ["/s1", "/s2"].map((id) => openResponse(`${gateway.url}/held${id}`));
    for (const id of ["/s1", "/s2"])
      (await upstream.take(id)).writeHead(200, { "content-type": "text/plain" }).write("the beginning");
    const connections = await Promise.all(streams);
    const waiting = ask(gateway, "/after");
    // When this is answered, the one before it has been read.
    expect((await send(`${gateway.url}/livez`)).status).toBe(200);
    // A reset: a connection that is only closed is half open to workerd, until it writes the next time.
    for (const connection of connections) connection.resetAndDestroy();
    (await upstream.take("/after")).end("/after");
    expect(await waiting).toEqual({ status: 200, text: "/after" });
  });
});
