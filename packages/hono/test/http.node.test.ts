/// <reference types="node" />
// The same application behind a Node server and in workerd, as a client sees it: what only real connections can show.
import { connect, type Socket } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Counts } from "./support/app.ts";
import { codeOf } from "./support/handlers.ts";
import { servers, type TestServer } from "./support/servers.ts";

describe.each(["node", "workerd"] as const)("middleware over HTTP on %s", (runtime) => {
  let server: TestServer;

  beforeAll(async () => {
    server = await servers[runtime]();
  });

  afterAll(() => server.close());

  const get = (path: string, init?: RequestInit) => fetch(server.url + path, init);
  const counts = async () => (await (await get("/counts")).json()) as Counts;

  it("is alive and ready", async () => {
    expect([(await get("/livez")).status, (await get("/readyz")).status]).toEqual([200, 200]);
  });

  it("cancels a handler that is too slow, and answers for it", async () => {
    const response = await get("/slow");
    expect([response.status, await codeOf(response)]).toEqual([504, "ERR_TIMEOUT"]);
    expect((await counts()).aborted).toContain("slow");
  });

  it("hands a deadline on", async () => {
    const startMs = performance.now();
    const response = await get("/deadline", { headers: { "grpc-timeout": "5S" } });
    const tookMs = performance.now() - startMs;
    const { "x-request-timeout-ms": left } = (await response.json()) as Record<string, string>;
    // In whole milliseconds, and workerd knows no finer ones.
    expect(Number(left)).toBeGreaterThanOrEqual(4990 - tookMs - 2);
    expect(Number(left)).toBeLessThanOrEqual(4990);
    expect((await get("/deadline", { headers: { "x-request-timeout-ms": "0" } })).status).toBe(504);
  });

  it("holds the permit while the body streams", async () => {
    const response = await get("/drip?pieces=20");
    expect((await counts()).inUse).toBe(1);
    await get("/enough");
    expect((await response.arrayBuffer()).byteLength).toBe(20_000);
    await expect.poll(async () => (await counts()).inUse).toBe(0);
  });

  it("gives the permit back when the client leaves in the middle of the body", async () => {
    const url = new URL(`${server.url}/drip`);
    const clients = await Promise.all([reading(url), reading(url)]);
    expect((await counts()).inUse).toBe(2);
    const refused = await get("/drip");
    expect([refused.status, await codeOf(refused)]).toEqual([503, "ERR_CONCURRENCY_LIMIT"]);
    for (const client of clients) client.destroy();
    await expect.poll(async () => (await counts()).inUse).toBe(0);
  });

  it("sheds the lowest class and serves the highest, and hands the priority on", async () => {
    const send = async (priority: string) => {
      const response = await get("/shed", { headers: { priority } });
      return response.status === 503
        ? { status: 503, said: await codeOf(response), retryAfter: Number(response.headers.get("retry-after")) }
        : { status: response.status, said: await response.json(), retryAfter: 0 };
    };
    await expect.poll(async () => (await send("u=7")).status).toBe(503);
    const seen: Awaited<ReturnType<typeof send>>[] = [];
    for (let i = 0; i < 20; i++) {
      expect(await send("u=0, i")).toEqual({ status: 200, said: { priority: "u=0" }, retryAfter: 0 });
      seen.push(await send("u=7"), await send("u=6"));
    }
    const refused = seen.filter(({ status }) => status === 503);
    expect(refused.length).toBeGreaterThan(10);
    for (const { said, retryAfter } of refused) {
      expect(said).toBe("ERR_LOAD_SHED");
      expect(retryAfter).toBeGreaterThanOrEqual(1);
      expect(retryAfter).toBeLessThanOrEqual(3);
    }
  });

  it("lets requests wait for each other", async () => {
    const all = await Promise.all(Array.from({ length: 6 }, () => get("/queue")));
    expect(all.map(({ status }) => status)).toEqual(Array(6).fill(200));
    await Promise.all(all.map((response) => response.text()));
  });

  it("says what is left of a quota", async () => {
    const startMs = performance.now();
    const [first, , third] = [await get("/limited"), await get("/limited"), await get("/limited")];
    // A whole second less for each that has passed meanwhile.
    const leastS = Math.ceil(30 - (performance.now() - startMs) / 1000);
    expect(first.headers.get("ratelimit-policy")).toBe('"default";q=2;w=60');
    expect(first.headers.get("ratelimit")).toBe('"default";r=1;t=30');
    expect(third.status).toBe(429);
    const waitS = Number(third.headers.get("retry-after"));
    expect(waitS).toBeGreaterThanOrEqual(leastS);
    expect(waitS).toBeLessThanOrEqual(30);
    expect(third.headers.get("ratelimit")).toBe(`"default";r=0;t=${waitS}`);
  });

  it("carries an order out once", async () => {
    const order = () => get("/orders", { method: "POST", body: '{"item":1}', headers: { "idempotency-key": "7f3a" } });
    const [first, second] = [await order(), await order()];
    expect([first.status, second.status]).toEqual([201, 201]);
    expect(await second.text()).toBe(await first.text());
    expect(second.headers.get("idempotent-replayed")).toBe("true");
    expect((await counts()).orders).toBe(1);
  });

  it("refuses a body that is too large, announced or not", async () => {
    const upload = (body: BodyInit) => get("/upload", { method: "POST", body, duplex: "half" } as RequestInit);
    expect(await (await upload(new Uint8Array(1000))).text()).toBe("1000");
    const announced = await upload(new Uint8Array(1001));
    expect([announced.status, await codeOf(announced)]).toEqual([413, "ERR_BYTE_LIMIT"]);
    const pieces = new ReadableStream({
      start(controller) {
        for (let i = 0; i < 3; i++) controller.enqueue(new Uint8Array(500));
        controller.close();
      },
    });
    const streamed = await upload(pieces);
    expect([streamed.status, await codeOf(streamed)]).toEqual([413, "ERR_BYTE_LIMIT"]);
  });

  it("cuts an upload that drips with 408, and its connection", async () => {
    const upload = slowUpload(new URL(server.url));
    await expect.poll(() => upload.received()).toContain("HTTP/1.1 408");
    // Within 2.5 s, told by what it could send meanwhile: where the machine stands still, so does it. All of it would take 45 s.
    expect(upload.sent()).toBeLessThan(50);
    await expect.poll(() => upload.received()).toContain("ERR_MIN_RATE");
    expect(upload.received().toLowerCase()).toContain("connection: close");
    await expect.poll(() => upload.closed()).toBe(true);
    upload.stop();
  });
});

describe("middleware over HTTP on node", () => {
  it("cancels the handler when the client leaves before there is an answer", async () => {
    const server = await servers.node();
    const client = new AbortController();
    const asked = fetch(`${server.url}/patient`, { signal: client.signal });
    const counts = async () => (await (await fetch(`${server.url}/counts`)).json()) as Counts;
    await expect.poll(async () => (await counts()).begun).toEqual(["patient"]);
    client.abort();
    await expect(asked).rejects.toThrow("aborted");
    await expect.poll(async () => (await counts()).aborted).toEqual(["patient"]);
    await server.close();
  });
});

/**
 * A client in the middle of a response. A connection of its own: that of an aborted `fetch` may stay open until the response is over.
 */
function reading({ hostname, port, host, pathname }: URL): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname, () =>
      socket.write(`GET ${pathname} HTTP/1.1\r\nhost: ${host}\r\n\r\n`),
    );
    socket.once("error", reject);
    socket.once("data", () => resolve(socket));
  });
}

/** A request whose body comes one byte at a time. */
function slowUpload({ hostname, port, host }: URL) {
  let text = "";
  let over = false;
  const socket: Socket = connect(Number(port), hostname);
  socket.setNoDelay(true);
  socket.on("data", (data) => (text += data.toString("latin1")));
  socket.on("error", () => {});
  socket.on("close", () => {
    over = true;
    clearInterval(timer);
  });
  socket.write(`POST /upload/soon HTTP/1.1\r\nhost: ${host}\r\ncontent-length: 900\r\n\r\n`);
  let sent = 0;
  const timer = setInterval(() => {
    sent += 1;
    socket.write("x");
  }, 50);
  return {
    sent: () => sent,
    received: () => text,
    closed: () => over,
    stop(): void {
      clearInterval(timer);
      socket.destroy();
    },
  };
}
