// Requests of one isolate that wait for each other, over real connections: what a test inside workerd cannot show,
// because all of its code runs in one request.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { startOnWorkerd, type TestGateway } from "./support/gateways.ts";
import { HeldUpstream } from "./support/held-upstream.ts";
import { openResponse, send } from "./support/http-client.ts";

const upstream = new HeldUpstream();
let gateway: TestGateway;

beforeAll(async () => {
  gateway = await startOnWorkerd({
    routes: [
      {
        name: "held",
        pathPrefix: "/held",
        upstream: await upstream.listen(),
        timeout: { timeoutMs: 20_000 },
        retry: { maxAttempts: 1 },
        concurrencyLimit: { maxConcurrent: 2, maxQueue: 40, maxWaitMs: 15_000 },
      },
    ],
  });
});

beforeEach(() => upstream.forget());

afterAll(async () => {
  await gateway.close();
  await upstream.close();
});

/** Requests that reach the gateway one after the other. */
async function sendInOrder(
  ids: readonly string[],
  signal?: AbortSignal,
): Promise<Promise<{ status: number; text: string }>[]> {
  const answers: Promise<{ status: number; text: string }>[] = [];
  for (const id of ids) {
    const options = signal ? { signal } : {};
    answers.push(
      send(`${gateway.url}/held${id}`, options).then(({ status, body }) => ({
        status,
        text: Buffer.from(body).toString(),
      })),
    );
    // The next connection is opened when this one's request has surely been read.
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return answers;
}

describe("requests of one isolate behind a limit of 2", () => {
  it("answers 20 clients, in order, two at a time", async () => {
    const ids = Array.from({ length: 20 }, (_, i) => `/${i}`);
    const answers = await sendInOrder(ids);
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
  });

  it("answers the others when clients leave while they wait", async () => {
    const leaving = new AbortController();
    const [first, second] = await sendInOrder(["/a", "/b"]);
    const left = await sendInOrder(["/gone-1", "/gone-2", "/gone-3"], leaving.signal);
    const rest = await sendInOrder(["/c", "/d", "/e", "/f"]);
    const ended = left.map((answer) => answer.catch(() => undefined));
    leaving.abort();
    await Promise.all(ended);
    // Local workerd may or may not notice that a waiting client has left; what it sends is answered all the same.
    const enough = new AbortController();
    const answering = answerAll(enough.signal);
    const answers = await Promise.all([first, second, ...rest]);
    enough.abort();
    await answering;
    expect(answers.map((answer) => answer?.status)).toEqual([200, 200, 200, 200, 200, 200]);
  });

  it("gives permits back when clients leave in the middle of a body", async () => {
    const streams = ["/s1", "/s2"].map((id) => openResponse(`${gateway.url}/held${id}`));
    for (const id of ["/s1", "/s2"])
      (await upstream.take(id)).writeHead(200, { "content-type": "text/plain" }).write("the beginning");
    const connections = await Promise.all(streams);
    const [waiting] = await sendInOrder(["/after"]);
    // A reset: a connection that is only closed is half open to workerd, until it writes the next time.
    for (const connection of connections) connection.resetAndDestroy();
    (await upstream.take("/after")).end("/after");
    expect(await waiting).toEqual({ status: 200, text: "/after" });
  });
});

/** Ends every response as soon as it is asked for, until the signal aborts. */
async function answerAll(signal: AbortSignal): Promise<void> {
  for (let next = 0; !signal.aborted; ) {
    const id = upstream.arrived[next];
    if (id === undefined) await new Promise((resolve) => setTimeout(resolve, 10));
    else {
      next++;
      (await upstream.take(id).catch(() => undefined))?.end(id);
    }
  }
}
