// Long bodies through the gateway on Node: every byte, in both directions, with backpressure; and clients that leave.
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer, get, type IncomingMessage, request, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type NodeTestGateway, startOnNode } from "./support/gateways.ts";
import { HeldUpstream } from "./support/held-upstream.ts";
import { eventually, openResponse, send } from "./support/http-client.ts";

const length = 20_000_000;
const chunkBytes = 50_000;
/** 251 is prime, so that no chunk begins like the one before it. */
const pattern = Buffer.from(Uint8Array.from({ length: chunkBytes + 251 }, (_, i) => i % 251));
const chunkAt = (index: number): Buffer => pattern.subarray(index % 251, (index % 251) + chunkBytes);
const expected = createHash("sha256");
for (let i = 0; i < length; i += chunkBytes) expected.update(chunkAt(i));
const digest = expected.digest("hex");

/** Sends `/download`, and reads `/upload` when it is told to. */
class BulkUpstream {
  sentBytes = 0;
  receivedBytes = 0;
  readonly #server: Server = createServer((request, response) => {
    void (request.url === "/upload" ? this.#receive(request, response) : this.#send(response));
  });
  #mayRead: () => void = () => {};
  #reading = new Promise<void>((resolve) => {
    this.#mayRead = resolve;
  });

  read(): void {
    this.#mayRead();
  }

  async listen(): Promise<string> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  async #send(response: ServerResponse): Promise<void> {
    response.writeHead(200, { "content-type": "application/octet-stream", "content-length": length });
    while (this.sentBytes < length) {
      const goesOn = response.write(chunkAt(this.sentBytes));
      this.sentBytes += chunkBytes;
      if (!goesOn) await once(response, "drain");
    }
    response.end();
  }

  async #receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
    await this.#reading;
    const hash = createHash("sha256");
    for await (const chunk of request as AsyncIterable<Buffer>) {
      hash.update(chunk);
      this.receivedBytes += chunk.length;
    }
    response.end(hash.digest("hex"));
  }
}

/** Waits until the count stays the same for a while: whoever counts is held up. */
function standstill(count: () => number): Promise<number> {
  let last = -1;
  let since = performance.now();
  return eventually(() => {
    if (count() !== last) {
      last = count();
      since = performance.now();
    }
    return last > 0 && performance.now() - since > 200 ? last : undefined;
  });
}

function configFor(upstream: string): unknown {
  const route = { name: "bulk", pathPrefix: "/", upstream, circuitBreaker: { maxFailures: 1 } };
  return { routes: [{ ...route, timeout: { timeoutMs: 20_000 } }] };
}

describe("a body of 20 MB", () => {
  let upstream: BulkUpstream;
  let gateway: NodeTestGateway;

  beforeEach(async () => {
    upstream = new BulkUpstream();
    gateway = await startOnNode(configFor(await upstream.listen()));
  });

  afterEach(async () => {
    await gateway.close();
    await upstream.close();
  });

  it("arrives byte for byte at a reader that pauses, and is not read ahead of it", async () => {
    const [response] = (await once(get(`${gateway.url}/download`, { agent: false }), "response")) as [IncomingMessage];
    // Nobody reads: what has been sent fills the buffers of the connections, and that is all.
    expect(await standstill(() => upstream.sentBytes)).toBeLessThan(length / 2);
    const hash = createHash("sha256");
    for await (const chunk of response as AsyncIterable<Buffer>) hash.update(chunk);
    expect(response.complete).toBe(true);
    expect(hash.digest("hex")).toBe(digest);
    await expect.poll(() => gateway.running.gateway.routes[0]?.limit.inUse).toBe(0);
  });

  it.each([
    ["of a known length", { "content-length": String(length) }],
    ["in chunks", { "transfer-encoding": "chunked" }],
  ])("is uploaded byte for byte %s to an upstream that waits, and is not read ahead of it", async (_, headers) => {
    const outgoing = request(`${gateway.url}/upload`, { method: "POST", agent: false, headers });
    let sent = 0;
    const sending = (async () => {
      while (sent < length) {
        const goesOn = outgoing.write(chunkAt(sent));
        sent += chunkBytes;
        if (!goesOn) await once(outgoing, "drain");
      }
      outgoing.end();
    })();
    expect(await standstill(() => sent)).toBeLessThan(length / 2);
    upstream.read();
    const [response] = (await once(outgoing, "response")) as [IncomingMessage];
    await sending;
    let body = "";
    for await (const chunk of response.setEncoding("utf8") as AsyncIterable<string>) body += chunk;
    expect([upstream.receivedBytes, body]).toEqual([length, digest]);
  });
});

describe("a client that leaves", () => {
  const upstream = new HeldUpstream();
  let gateway: NodeTestGateway;

  beforeAll(async () => {
    gateway = await startOnNode(configFor(await upstream.listen()));
  });

  afterEach(async () => {
    // It cost no permit, and was nobody's failure: one would have opened the circuit.
    const [route] = gateway.running.gateway.routes;
    await eventually(() => (route?.limit.inUse === 0 ? true : undefined));
    expect(route?.limit.abandoned).toBe(0);
    expect(route?.breaker.state).toBe("closed");
  });

  afterAll(async () => {
    await gateway.close();
    await upstream.close();
  });

  it("before the response's headers takes its upstream request with it", async () => {
    const leaving = new AbortController();
    const answer = send(`${gateway.url}/waiting`, { signal: leaving.signal });
    const { response } = await upstream.exchange("/waiting");
    const closed = once(response, "close");
    leaving.abort();
    await expect(answer).rejects.toThrow();
    await closed;
    expect(response.writableFinished).toBe(false);
  });

  it("in the middle of the response's body takes its upstream request with it", async () => {
    const client = openResponse(`${gateway.url}/streaming`);
    const { response } = await upstream.exchange("/streaming");
    response.writeHead(200).write("the beginning");
    const closed = once(response, "close");
    (await client).destroy();
    await closed;
    expect(response.writableFinished).toBe(false);
  });

  it("in the middle of its own body takes its upstream request with it", async () => {
    const outgoing = request(`${gateway.url}/sending`, { method: "POST", agent: false });
    outgoing.on("error", () => {});
    outgoing.write("the beginning");
    const { request: received } = await upstream.exchange("/sending");
    await once(received, "data");
    const broken = once(received, "error");
    outgoing.destroy();
    await broken;
    // What had come is not taken for the whole.
    expect(received.complete).toBe(false);
  });
});
