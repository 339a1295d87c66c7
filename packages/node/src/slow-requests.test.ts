import { createServer, type RequestListener, type Server } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { TestClock } from "@headgate/core/testing";
import { afterEach, describe, expect, it } from "vitest";
import { until } from "../test/support/eventually.ts";
import { dial, get } from "../test/support/http-client.ts";
import { closedPerTurn, closeSlowRequests, turnMs } from "./slow-requests.ts";

/** Long enough for a busy machine to send a whole request in. */
const timeouts = { headersTimeout: 1000, requestTimeout: 1000 };

const open: Server[] = [];

afterEach(async () => {
  for (const server of open.splice(0)) {
    const closed = new Promise((done) => server.close(done));
    server.closeAllConnections();
    await closed;
  }
});

async function listening(handle: RequestListener = (_, response) => void response.end("hello")) {
  const clock = new TestClock();
  const server = createServer({ ...timeouts, connectionsCheckingInterval: 10 }, handle);
  open.push(server);
  const slow = closeSlowRequests(server, clock);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const dialMany = (count: number, text: string) =>
    Array.from({ length: count }, () => {
      const client = dial(port);
      client.socket.write(text);
      return client;
    });
  const connections = () => new Promise<number>((resolve) => server.getConnections((_, count) => resolve(count)));
  return { server, slow, clock, port, dialMany, connections };
}

describe("closeSlowRequests", () => {
  it("closes those whose time is up together a few at a time, each with 408", async () => {
    const { slow, clock, dialMany, connections } = await listening();
    const clients = dialMany(2 * closedPerTurn + 1, "GET / HTTP/1.1\r\n");
    await until(() => slow.waiting === clients.length);
    expect(await connections()).toBe(clients.length);
    for (const left of [closedPerTurn + 1, 1, 0]) {
      await clock.advance(turnMs);
      expect(slow.waiting).toBe(left);
      await until(async () => (await connections()) === left);
    }
    await until(() => clients.every(({ closed }) => closed()));
    for (const { said } of clients) expect(said()).toBe("HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n");
    expect(clock.pending).toBe(0);
  });

  it("answers others between two turns", async () => {
    const { slow, clock, port, dialMany } = await listening();
    dialMany(closedPerTurn + 1, "GET / HTTP/1.1\r\n");
    await until(() => slow.waiting === closedPerTurn + 1);
    await clock.advance(turnMs);
    expect(await get(`http://127.0.0.1:${port}`)).toMatchObject({ status: 200, body: "hello" });
    expect(slow.waiting).toBe(1);
  });

  it("starts no request whose rest comes while its connection waits to be closed", async () => {
    let started = 0;
    const { slow, clock, port, dialMany } = await listening((_, response) => {
      started++;
      response.end();
    });
    const [client] = dialMany(1, "GET / HTTP/1.1\r\nHost: a\r\n");
    await until(() => slow.waiting === 1);
    await new Promise<void>((written) => client?.socket.write("\r\n", () => written()));
    await get(`http://127.0.0.1:${port}`);
    await clock.advance(turnMs);
    await until(() => client?.closed() === true);
    expect(started).toBe(1);
    expect(client?.said()).toMatch(/^HTTP\/1\.1 408 /);
  });

  it("tells nothing to a client that has asked for nothing", async () => {
    const { slow, clock, dialMany } = await listening();
    const [silent] = dialMany(1, "");
    await until(() => slow.waiting === 1);
    await clock.advance(turnMs);
    await until(() => silent?.closed() === true);
    expect(silent?.said()).toBe("");
  });

  it("answers a body that comes too slowly with 408 unless its answer has begun", async () => {
    const { slow, clock, dialMany } = await listening((request, response) => {
      if (request.url === "/begun") response.write("so far");
    });
    const rest = "HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab";
    const [begun, waiting] = [dialMany(1, `POST /begun ${rest}`)[0], dialMany(1, `POST / ${rest}`)[0]];
    await until(() => slow.waiting === 2);
    await clock.advance(turnMs);
    await until(() => begun?.closed() === true && waiting?.closed() === true);
    expect(begun?.said()).toMatch(/^HTTP\/1\.1 200 OK\r\n[^]*so far/);
    expect(begun?.said()).not.toContain("408");
    expect(waiting?.said()).toMatch(/^HTTP\/1\.1 408 /);
  });

  it("looks at the next request of a connection too", async () => {
    const { slow, clock, dialMany } = await listening();
    const [client] = dialMany(1, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    await until(() => client?.said().includes("hello") === true);
    client?.socket.write("GET / HTTP/1.1\r\n");
    await until(() => slow.waiting === 1);
    await clock.advance(turnMs);
    await until(() => client?.closed() === true);
    expect(client?.said()).toMatch(/hello[^]*HTTP\/1\.1 408 /);
  });

  it.each([
    ["nonsense\r\n\r\n", "400 Bad Request"],
    [`GET / HTTP/1.1\r\nX: ${"x".repeat(20_000)}\r\n\r\n`, "431 Request Header Fields Too Large"],
    [
      `POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;${"x".repeat(20_000)}\r\n`,
      "413 Payload Too Large",
    ],
  ])("answers other errors of clients as node:http does by itself", async (text, status) => {
    const { dialMany, port, server } = await listening((request) => void request.resume());
    const [client] = dialMany(1, text);
    await until(() => client?.closed() === true);
    server.removeAllListeners("clientError");
    const bare = dial(port);
    bare.socket.write(text);
    await until(() => bare.closed());
    expect(client?.said()).toBe(`HTTP/1.1 ${status}\r\nConnection: close\r\n\r\n`);
    expect(client?.said()).toBe(bare.said());
  });

  it("leaves the answer to another listener", async () => {
    const { server, slow, clock, dialMany } = await listening();
    server.on("clientError", (_, socket) => socket.end("HTTP/1.1 418 I'm a Teapot\r\n\r\n"));
    const [client] = dialMany(1, "nonsense\r\n\r\n");
    await until(() => client?.closed() === true);
    expect(client?.said()).toBe("HTTP/1.1 418 I'm a Teapot\r\n\r\n");
    expect([slow.waiting, clock.pending]).toEqual([0, 0]);
  });

  it("keeps no timer when the server has closed", async () => {
    const { server, slow, clock, port } = await listening();
    connect(port, "127.0.0.1").on("error", () => {});
    await until(() => slow.waiting === 1);
    const closed = new Promise((done) => server.close(done));
    server.closeAllConnections();
    await closed;
    expect([slow.waiting, clock.pending]).toEqual([0, 0]);
  });
});
