import { spawnSync } from "node:child_process";
import { Agent } from "node:http";
import { Hono } from "hono";
import { afterEach, describe, expect, it } from "vitest";
import { until } from "../test/support/eventually.ts";
import { dial, get } from "../test/support/http-client.ts";
import { ambient, currentContext } from "./context.ts";
import { serve, type ServeOptions, type ServerHandle } from "./serve.ts";

const open: ServerHandle[] = [];

afterEach(async () => {
  await Promise.all(open.splice(0).map((each) => each.close()));
});

async function serving(options: Partial<ServeOptions> = {}): Promise<ServerHandle> {
  const handle = await serve({ fetch: () => new Response("hello"), port: 0, ...options });
  open.push(handle);
  return handle;
}

describe("serve", () => {
  it("serves an application of Hono where it says", async () => {
    const app = new Hono().get("/greeting", (c) => c.text("hello"));
    const handle = await serving({ fetch: app.fetch });
    expect(handle.url).toBe(`http://127.0.0.1:${handle.port}`);
    expect(await get(`${handle.url}/greeting`)).toMatchObject({ status: 200, body: "hello" });
    expect((await get(`${handle.url}/other`)).status).toBe(404);
  });

  it.each(["0.0.0.0", "::1", "::"])("gives an address that can be reached for %s", async (hostname) => {
    const handle = await serving({ hostname });
    expect((await get(handle.url)).body).toBe("hello");
  });

  it("sets safe limits", async () => {
    const { server } = await serving();
    const { headersTimeout, requestTimeout, keepAliveTimeout, maxConnections } = server;
    expect({ headersTimeout, requestTimeout, keepAliveTimeout, maxConnections }).toEqual({
      headersTimeout: 10_000,
      requestTimeout: 300_000,
      keepAliveTimeout: 65_000,
      maxConnections: 10_000,
    });
  });

  it("takes Infinity for no limit", async () => {
    const none = Number.POSITIVE_INFINITY;
    const { server } = await serving({
      headersTimeoutMs: none,
      requestTimeoutMs: none,
      keepAliveTimeoutMs: none,
      maxConnections: none,
    });
    expect([server.headersTimeout, server.requestTimeout, server.keepAliveTimeout]).toEqual([0, 0, 0]);
    expect(server.maxConnections ?? 0).toBe(0);
  });

  it("answers headers that come too slowly with 408, and ends the connection", async () => {
    // Long enough for a busy machine to send what there is of them.
    const handle = await serving({ headersTimeoutMs: 1000, connectionsCheckingIntervalMs: 20 });
    const slow = dial(handle.port);
    slow.socket.write("GET / HTTP/1.1\r\nHost: a\r\n");
    await until(() => slow.closed());
    expect(slow.said()).toMatch(/^HTTP\/1\.1 408 /);
  });

  it("closes a connection on which nothing comes, and says nothing", async () => {
    const handle = await serving({ headersTimeoutMs: 60, connectionsCheckingIntervalMs: 20 });
    const silent = dial(handle.port);
    await until(() => silent.closed() && handle.connections.open === 0);
    expect(silent.said()).toBe("");
    expect(handle.connections).toEqual({ open: 0, active: 0, idle: 0, accepted: 1, refused: 0 });
  });

  it("ends a request whose body comes too slowly", async () => {
    const handle = await serving({
      fetch: async (request) => new Response(await request.text()),
      requestTimeoutMs: 60,
      connectionsCheckingIntervalMs: 20,
    });
    const slow = dial(handle.port);
    slow.socket.write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab");
    await until(() => slow.closed());
  });

  it("answers headers that are too long with 431", async () => {
    const handle = await serving({ maxHeaderBytes: 1024 });
    const long = dial(handle.port);
    long.socket.write(`GET / HTTP/1.1\r\nHost: a\r\nX-Long: ${"x".repeat(2000)}\r\n\r\n`);
    await until(() => long.closed());
    expect(long.said()).toMatch(/^HTTP\/1\.1 431 /);
  });

  it("closes a connection that has been idle for long enough", async () => {
    const handle = await serving({ keepAliveTimeoutMs: 30 });
    const idle = dial(handle.port);
    idle.socket.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    await until(() => idle.said().includes("hello"));
    await until(() => idle.closed());
  });

  it("counts its connections, and refuses those beyond the limit", async () => {
    const release = Promise.withResolvers<void>();
    const fetch = async (request: Request) => {
      if (request.url.endsWith("/wait")) await release.promise;
      return new Response("done");
    };
    const handle = await serving({ maxConnections: 2, fetch });
    const agent = new Agent({ keepAlive: true });
    await get(handle.url, agent);
    const waiting = get(`${handle.url}/wait`);
    await until(() => handle.connections.open === 2 && handle.connections.active === 1);
    expect(handle.connections).toEqual({ open: 2, active: 1, idle: 1, accepted: 2, refused: 0 });
    await expect(get(handle.url)).rejects.toThrow();
    expect(handle.connections).toEqual({ open: 2, active: 1, idle: 1, accepted: 2, refused: 1 });
    release.resolve();
    expect((await waiting).body).toBe("done");
    agent.destroy();
    await until(() => handle.connections.open === 0);
    expect(handle.connections).toEqual({ open: 0, active: 0, idle: 0, accepted: 2, refused: 1 });
  });

  it("counts several requests on one connection as one active connection", async () => {
    const handle = await serving({ fetch: () => new Promise(() => {}) });
    const { socket } = dial(handle.port);
    socket.write("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
    await until(() => handle.connections.active === 1);
    expect(handle.connections).toMatchObject({ open: 1, active: 1, idle: 0 });
  });

  it.runIf(process.platform === "linux")("knows how many connections wait to be accepted", async () => {
    const handle = await serving();
    expect(handle.acceptQueueLength()).toBe(0);
    // Nothing is accepted while this process waits for another.
    const connectAll = `
      const { connect } = require("node:net");
      let connected = 0;
      for (let i = 0; i < 3; i++) connect(${handle.port}, "127.0.0.1", () => ++connected === 3 && process.exit());
    `;
    spawnSync(process.execPath, ["-e", connectAll], { timeout: 30_000 });
    expect(handle.acceptQueueLength()).toBe(3);
    await until(() => handle.connections.accepted === 3);
    expect(handle.acceptQueueLength()).toBe(0);
  });

  it("runs each request in a context whose signal aborts when its client has gone", async () => {
    const signals: (AbortSignal | undefined)[] = [];
    const fetch = async (request: Request) => {
      await Promise.resolve();
      const { signal } = ambient();
      signals.push(signal);
      if (request.url.endsWith("/quick")) return new Response("quick");
      return new Promise<Response>((resolve) =>
        signal?.addEventListener("abort", () => resolve(new Response(null, { status: 499 }))),
      );
    };
    const handle = await serving({ fetch });
    const leaving = dial(handle.port);
    leaving.socket.write("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
    await until(() => signals.length === 1);
    await get(`${handle.url}/quick`);
    leaving.socket.destroy();
    await until(() => signals[0]?.aborted === true);
    expect([signals[0] === signals[1], signals[1]?.aborted]).toEqual([false, false]);
    expect(currentContext()).toBeUndefined();
  });

  it("says why it cannot listen", async () => {
    const { port } = await serving();
    await expect(serve({ fetch: () => new Response(), port })).rejects.toMatchObject({
      name: "ListenError",
      code: "ERR_LISTEN",
      reason: "EADDRINUSE",
      message: `Cannot listen on port ${port} of 127.0.0.1: something is listening there already (EADDRINUSE)`,
    });
    await expect(serve({ fetch: () => new Response(), port: 0, hostname: "192.0.2.1" })).rejects.toMatchObject({
      code: "ERR_LISTEN",
      reason: "EADDRNOTAVAIL",
    });
  });

  it.each<[Partial<ServeOptions>, string]>([
    [{ port: 70_000 }, "`serve.port` must be an integer from 0 to 65535, got 70000"],
    [{ headersTimeoutMs: 0 }, "`serve.headersTimeoutMs` must be an integer from 1 to 2147483647, or Infinity, got 0"],
    [
      { headersTimeoutMs: 2000, requestTimeoutMs: 1000 },
      "`serve.headersTimeoutMs` must be at most `requestTimeoutMs` (1000), got 2000",
    ],
    [{ keepAliveTimeoutMs: -1 }, "`serve.keepAliveTimeoutMs` must be"],
    [{ connectionsCheckingIntervalMs: Number.NaN }, "`serve.connectionsCheckingIntervalMs` must be"],
    [{ maxConnections: 0 }, "`serve.maxConnections` must be"],
    [{ maxHeaderBytes: 100 }, "`serve.maxHeaderBytes` must be an integer from 256 to 1048576, got 100"],
    [{ backlog: 0 }, "`serve.backlog` must be an integer from 1 to 65535, got 0"],
    [{ fetch: undefined as never }, "`serve.fetch` must be a function, got undefined"],
  ])("refuses %o", async (options, message) => {
    await expect(serving(options)).rejects.toThrow(message);
  });
});
