/// <reference types="node" />
// Over real HTTP: what a stub cannot show about sockets, aborts and bodies.
import { type IncomingMessage, type Server, type ServerResponse, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { type ConcurrencyLimit, concurrencyLimit, constantBackoff, loadBalance, pipeline, retry } from "@headgate/core";
import { resilientFetch } from "@headgate/core/fetch";
import { EventRecorder } from "@headgate/core/testing";
import { afterEach, describe, expect, it } from "vitest";
import { rejectionOf } from "../../test/support/operations.ts";
import { unhandledDuring } from "../../test/support/unhandled.ts";

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

const servers: Server[] = [];

afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

/** Answers with the handlers in order, the last one for ever. */
async function serve(...handlers: Handler[]) {
  let seen = 0;
  const open = new Set<ServerResponse>();
  const server = createServer((request, response) => {
    open.add(response);
    response.on("close", () => open.delete(response));
    handlers[Math.min(seen++, handlers.length - 1)]?.(request, response);
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/`,
    /** Responses that have a connection to go on with. */
    open,
    get seen() {
      return seen;
    },
  };
}

const answer =
  (status: number, body = "", headers: Record<string, string> = {}): Handler =>
  (_, response) =>
    response.writeHead(status, headers).end(body);

/** Waits until something outside of this process's control is so. */
async function until(isSo: () => boolean, ms = 30_000): Promise<void> {
  const end = performance.now() + ms;
  while (!isSo()) {
    if (performance.now() > end) throw new Error(`not so within ${ms} ms: ${isSo.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const atOnce = () => retry({ backoff: constantBackoff({ delayMs: 0 }) });
const limited = (limit: ConcurrencyLimit) => pipeline("limited", atOnce(), limit);

async function echo(request: IncomingMessage, response: ServerResponse): Promise<void> {
  let body = "";
  for await (const chunk of request) body += String(chunk);
  response.end(
    `${request.method} ${request.headers["transfer-encoding"] ?? request.headers["content-length"]} ${body}`,
  );
}

describe("resilientFetch over HTTP", () => {
  it("goes to the other endpoint when one is down, with a request object and its streamed body", async () => {
    const down = await serve();
    const [closed] = servers.splice(0);
    await new Promise((resolve) => closed?.close(resolve));
    const server = await serve((request, response) => void echo(request, response));
    const endpoints = loadBalance({ endpoints: [`${down.url}v1`, `${server.url}v1/`] });
    const send = resilientFetch({ endpoints, pipeline: pipeline("endpoints", atOnce(), endpoints) });
    for (let i = 0; i < 10; i++) {
      const body = new Blob(["or", "der"]).stream();
      const init: RequestInit & { duplex: "half" } = { method: "PUT", body, duplex: "half", cache: "no-store" };
      const response = await send(new Request("http://orders.example/17?full", init));
      expect([response.url, await response.text()]).toEqual([`${server.url}v1/17?full`, "PUT chunked order"]);
    }
    expect(server.seen).toBe(10);
    expect(endpoints.snapshot().map(({ picked }) => picked > 0)).toEqual([true, true]);
  });

  it("tries again until the server answers", async () => {
    const server = await serve(answer(500, "no"), answer(503, "busy"), answer(200, "yes", { "x-a": "1" }));
    const response = await resilientFetch({ pipeline: pipeline("tries", atOnce()) })(server.url);
    expect([response.status, response.headers.get("x-a"), response.url]).toEqual([200, "1", server.url]);
    expect(response.type).toBe("basic");
    expect(await response.text()).toBe("yes");
    expect(server.seen).toBe(3);
  });

  it("waits as long as Retry-After says", async () => {
    const server = await serve(answer(503, "", { "retry-after": "1" }), answer(200, "yes"));
    const startedMs = performance.now();
    expect(await (await resilientFetch({ name: "patient" })(server.url)).text()).toBe("yes");
    // Timers of the host may fire a fraction of a millisecond early.
    expect(performance.now() - startedMs).toBeGreaterThan(990);
  });

  it("counts a refused connection as overload", async () => {
    const gone = await serve(answer(200));
    const server = servers.pop() as Server;
    await new Promise((resolve) => server.close(resolve));
    const events = new EventRecorder();
    const plain = pipeline({ name: "refused", observer: events.observer });
    expect(await rejectionOf(resilientFetch({ pipeline: plain })(gone.url))).toBeInstanceOf(TypeError);
    expect(events.of("pipeline.settled")).toMatchObject([{ outcome: "dropped" }]);
  });

  it("sends every kind of body again", async () => {
    const drop: Handler = (request) => request.socket.destroy();
    const form = new FormData();
    form.append("a", "1");
    const stream = () => new Blob(["streamed"]).stream();
    const bodies: [BodyInit | Request, string][] = [
      ["text", "PUT 4 text"],
      [new TextEncoder().encode("bytes"), "PUT 5 bytes"],
      [new URLSearchParams({ a: "1" }), "PUT 3 a=1"],
      [new Blob(["blob"]), "PUT 4 blob"],
      [stream(), "PUT chunked streamed"],
    ];
    for (const [body, expected] of bodies) {
      const server = await serve(drop, (request, response) => void echo(request, response));
      const response = await resilientFetch({ pipeline: pipeline("bodies", atOnce()) })(server.url, {
        method: "PUT",
        body: body as BodyInit,
      });
      expect(await response.text()).toBe(expected);
    }
    const server = await serve(drop, (request, response) => void echo(request, response));
    const request = new Request(server.url, { method: "PUT", body: "request's" });
    const api = resilientFetch({ pipeline: pipeline("bodies", atOnce()) });
    expect(await (await api(request)).text()).toBe("PUT chunked request's");
  });

  it("follows redirects, and tells where the response came from", async () => {
    const server = await serve(answer(302, "", { location: "/there" }), answer(200, "there"));
    const response = await resilientFetch({ name: "redirected" })(server.url);
    expect([response.url, response.redirected]).toEqual([`${server.url}there`, true]);
    expect(await response.text()).toBe("there");
  });

  it("hands on responses without a body", async () => {
    const server = await serve(answer(200, ""), answer(204), answer(304));
    const limit = concurrencyLimit({ maxConcurrent: 1 });
    const api = resilientFetch({ pipeline: limited(limit) });
    for (const [method, status] of [
      ["HEAD", 200],
      ["GET", 204],
      ["GET", 304],
    ] as const) {
      const response = await api(server.url, { method });
      expect([response.status, response.body, limit.inUse]).toEqual([status, null, 0]);
    }
  });

  it("keeps the permit while the body streams", async () => {
    let finish: (() => void) | undefined;
    const server = await serve((_, response) => {
      response.write("first ");
      finish = () => response.end("last");
    });
    const limit = concurrencyLimit({ maxConcurrent: 1 });
    const response = await resilientFetch({ pipeline: limited(limit) })(server.url);
    expect(limit.inUse).toBe(1);
    const text = response.text();
    finish?.();
    expect(await text).toBe("first last");
    expect(limit.inUse).toBe(0);
  });

  it("tells the server when the caller leaves in the middle of the body", async () => {
    const server = await serve((_, response) => void response.write("first"));
    const limit = concurrencyLimit({ maxConcurrent: 1 });
    const controller = new AbortController();
    const response = await resilientFetch({ pipeline: limited(limit) })(server.url, { signal: controller.signal });
    const text = rejectionOf(response.text());
    const reason = new Error("left");
    controller.abort(reason);
    expect(await text).toBe(reason);
    expect(limit.inUse).toBe(0);
    await until(() => server.open.size === 0);
  });

  it("ends a body that stands still, and the connection with it", async () => {
    const server = await serve((_, response) => void response.write("first"));
    const api = resilientFetch({ name: "drips", idleTimeoutMs: 50 });
    const response = await api(server.url);
    expect(await rejectionOf(response.text())).toMatchObject({ code: "ERR_TIMEOUT", scope: "idle", timeoutMs: 50 });
    await until(() => server.open.size === 0);
  });

  it("ends a body that drips for longer than the call may take", async () => {
    const server = await serve((_, response) => {
      const drip = setInterval(() => response.write("x"), 10);
      response.on("close", () => clearInterval(drip));
    });
    // Long enough for the headers on a machine that is busy with other things.
    const response = await resilientFetch({ name: "drips", totalTimeoutMs: 2000, headersTimeoutMs: 1900 })(server.url);
    expect(await rejectionOf(response.text())).toMatchObject({ code: "ERR_TIMEOUT", scope: "total", timeoutMs: 2000 });
    await until(() => server.open.size === 0);
  });

  it("never has more requests at the server than permits, bodies included", async () => {
    let running = 0;
    let most = 0;
    const server = await serve((_, response) => {
      most = Math.max(most, ++running);
      response.write("first ");
      const ending = setInterval(() => {
        // None ends before as many as may have been here at once.
        if (most < 5) return;
        clearInterval(ending);
        // Before the end is on its way: the next one may come as soon as it is read.
        running--;
        response.end("last");
      }, 5);
      response.on("close", () => clearInterval(ending));
    });
    const api = resilientFetch({ name: "crowd", maxConcurrent: 5 });
    const texts = await Promise.all(Array.from({ length: 100 }, async () => (await api(server.url)).text()));
    expect(new Set(texts)).toEqual(new Set(["first last"]));
    expect(server.seen).toBe(100);
    expect(most).toBe(5);
  });

  it("leaves neither sockets nor rejections behind for responses that were tried again", async () => {
    const endless: Handler = (_, response) => {
      response.writeHead(503);
      response.write("x".repeat(100_000));
    };
    const server = await serve(...Array.from({ length: 20 }, () => [endless, endless, answer(200, "yes")]).flat());
    const limit = concurrencyLimit({ maxConcurrent: 1 });
    const api = resilientFetch({ pipeline: limited(limit) });
    const unhandled = await unhandledDuring(async () => {
      for (let i = 0; i < 20; i++) expect(await (await api(server.url)).text()).toBe("yes");
      await until(() => server.open.size === 0);
    });
    expect(unhandled).toEqual([]);
    expect(server.seen).toBe(60);
    expect(limit.inUse).toBe(0);
  });

  it("carries a large body byte for byte to a slow reader", async () => {
    const size = 8 * 1024 * 1024;
    const sent = new Uint8Array(size).map((_, i) => (i * 31 + (i >>> 13)) & 255);
    const server = await serve((_, response) => void response.end(sent));
    const response = await resilientFetch({ name: "large" })(server.url);
    let at = 0;
    for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
      expect(Buffer.compare(chunk, sent.subarray(at, at + chunk.length))).toBe(0);
      at += chunk.length;
      if (at % 7 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    }
    expect(at).toBe(size);
  });
});
