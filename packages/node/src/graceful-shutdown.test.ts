import { Agent, createServer } from "node:http";
import { TestClock } from "@headgate/core/testing";
import { afterEach, describe, expect, it } from "vitest";
import { until } from "../test/support/eventually.ts";
import { dial, get } from "../test/support/http-client.ts";
import { ambient } from "./context.ts";
import { gracefulShutdown, type GracefulShutdownOptions, type Shutdown } from "./graceful-shutdown.ts";
import { serve, type ServerHandle } from "./serve.ts";
import { ShutdownError } from "./shutdown-error.ts";

const cleanUp: (() => unknown)[] = [];

afterEach(async () => {
  for (const each of cleanUp.splice(0)) await each();
});

interface Stopping {
  readonly handle: ServerHandle;
  readonly shutdown: Shutdown;
  readonly clock: TestClock;
  /** What happened, in order. */
  readonly log: string[];
  /** Answers the requests to `/held`. */
  readonly release: () => void;
}

async function stopping(options: GracefulShutdownOptions = {}): Promise<Stopping> {
  const clock = new TestClock();
  const log: string[] = [];
  const held = Promise.withResolvers<void>();
  const fetch = async (request: Request) => {
    const path = new URL(request.url).pathname;
    if (path === "/readyz") return new Response(null, { status: shutdown.isReady() ? 200 : 503 });
    if (path === "/held") await held.promise;
    if (path === "/abortable") await aborted();
    return new Response(path);
  };
  const handle = await serve({ fetch, port: 0 });
  const shutdown = gracefulShutdown(handle, {
    signals: [],
    clock,
    exit: (code) => log.push(`exit ${code}`),
    onPhase: (phase) => log.push(phase),
    onStopAdmitting: () => log.push("stop admitting"),
    flush: () => log.push("flush"),
    ...options,
  });
  cleanUp.push(() => handle.close());
  return { handle, shutdown, clock, log, release: held.resolve };
}

function aborted(): Promise<never> {
  return new Promise((_, reject) => {
    const { signal } = ambient();
    signal?.addEventListener("abort", () => reject(signal.reason as Error));
  });
}

describe("gracefulShutdown", () => {
  it("goes through its phases in order and ends the process with 0", async () => {
    const { shutdown, clock, log } = await stopping();
    expect([shutdown.phase, shutdown.isReady(), shutdown.stopping.aborted]).toEqual(["running", true, false]);
    const report = shutdown.start("test");
    expect([shutdown.phase, shutdown.isReady()]).toEqual(["grace", false]);
    await clock.advance(4999);
    expect(shutdown.stopping.aborted).toBe(false);
    await clock.advance(1);
    expect(shutdown.stopping.reason).toBeInstanceOf(ShutdownError);
    expect(await report).toEqual({ trigger: "test", aborted: 0, flushed: true, durationMs: 5000 });
    expect(log).toEqual(["grace", "draining", "stop admitting", "flushing", "flush", "done", "exit 0"]);
    expect([shutdown.aborting.aborted, clock.pending]).toEqual([false, 0]);
  });

  it("is started once", async () => {
    const { shutdown, clock, log } = await stopping();
    const first = shutdown.start("first", 0);
    expect(shutdown.start("second")).toBe(first);
    await clock.settle();
    expect((await first).trigger).toBe("first");
    expect(log.filter((each) => each.startsWith("exit"))).toEqual(["exit 0"]);
  });

  it("serves on in the grace period, not ready, and asks for each connection to be closed", async () => {
    const { handle, shutdown, clock } = await stopping();
    const agent = new Agent({ keepAlive: true });
    cleanUp.push(() => agent.destroy());
    const kept = await get(`${handle.url}/readyz`, agent);
    expect([kept.status, kept.headers.connection]).toEqual([200, "keep-alive"]);
    const report = shutdown.start("test");
    const told = await get(`${handle.url}/readyz`, agent);
    expect([told.status, told.headers.connection, told.reused]).toEqual([503, "close", true]);
    const next = await get(handle.url, agent);
    expect([next.status, next.headers.connection, next.reused]).toEqual([200, "close", false]);
    await clock.advance(5000);
    await report;
    await expect(get(handle.url)).rejects.toMatchObject({ code: "ECONNREFUSED" });
  });

  it("lets a request end that is under way, and closes its connection then", async () => {
    const { handle, shutdown, clock, release } = await stopping();
    const agent = new Agent({ keepAlive: true });
    const answer = get(`${handle.url}/held`, agent);
    await until(() => handle.connections.active === 1);
    const report = shutdown.start("test");
    await clock.advance(5000);
    expect(shutdown.phase).toBe("draining");
    release();
    const { body, headers } = await answer;
    expect([body, headers.connection]).toEqual(["/held", "close"]);
    expect(await report).toMatchObject({ aborted: 0 });
    expect(clock.pending).toBe(0);
  });

  it("closes a connection that becomes idle after its response had been announced as keep-alive", async () => {
    const clock = new TestClock();
    const end = Promise.withResolvers<void>();
    const body = () =>
      new ReadableStream({
        async start(controller) {
          controller.enqueue(new TextEncoder().encode("begun"));
          await end.promise;
          controller.close();
        },
      });
    const handle = await serve({ fetch: () => new Response(body()), port: 0 });
    const shutdown = gracefulShutdown(handle, { signals: [], clock, exit: () => {} });
    const client = dial(handle.port);
    client.socket.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    await until(() => client.said().includes("begun"));
    expect(client.said()).toMatch(/connection: keep-alive/i);
    const report = shutdown.start("test", 0);
    await clock.settle();
    end.resolve();
    await until(() => client.said().endsWith("0\r\n\r\n"));
    await clock.advance(100);
    await report;
    await until(() => client.closed());
  });

  it("does not wait for connections on which nothing came", async () => {
    const { handle, shutdown, clock } = await stopping();
    const silent = dial(handle.port);
    await until(() => handle.connections.open === 1);
    const report = shutdown.start("test", 0);
    await clock.advance(100);
    expect(await report).toMatchObject({ aborted: 0 });
    await until(() => silent.closed());
  });

  it("answers what was on its way when it stopped accepting", async () => {
    const { handle, shutdown, clock } = await stopping();
    const client = dial(handle.port);
    await until(() => handle.connections.open === 1);
    const report = shutdown.start("test", 0);
    await clock.settle();
    expect([shutdown.phase, handle.server.listening]).toEqual(["draining", false]);
    client.socket.write("GET /late HTTP/1.1\r\nHost: a\r\n\r\n");
    await until(() => client.closed());
    expect(client.said()).toMatch(/connection: close\r\n[^]*\/late/i);
    await clock.advance(100);
    expect(await report).toMatchObject({ aborted: 0 });
  });

  it("aborts what has not ended by the deadline, with its reason, and lets it answer", async () => {
    const { handle, shutdown, clock, log } = await stopping();
    const answer = get(`${handle.url}/abortable`);
    await until(() => handle.connections.active === 1);
    const report = shutdown.start("SIGTERM", 0);
    await clock.advance(20_000);
    // What the handler made of it: its rejection became a response.
    expect((await answer).status).toBe(500);
    expect(shutdown.aborting.reason).toMatchObject({ code: "ERR_SHUTDOWN", trigger: "SIGTERM", refusal: true });
    expect(await report).toMatchObject({ aborted: 1 });
    expect(log).toEqual(["draining", "aborting", "flushing", "done"].flatMap(withHooks));
  });

  it("gives a context whose signal is first asked for after the deadline an aborted one", async () => {
    const clock = new TestClock();
    const late = Promise.withResolvers<void>();
    const seen = Promise.withResolvers<unknown>();
    const handle = await serve({
      port: 0,
      fetch: async () => {
        await late.promise;
        seen.resolve(ambient().signal?.reason);
        return new Response();
      },
    });
    const shutdown = gracefulShutdown(handle, { signals: [], clock, exit: () => {} });
    get(handle.url).catch(() => {});
    await until(() => handle.connections.active === 1);
    const report = shutdown.start("test", 0);
    await clock.advance(20_000);
    late.resolve();
    expect(await seen.promise).toBeInstanceOf(ShutdownError);
    await clock.advance(500);
    await report;
  });

  it("cuts the connections of what does not listen, and of what was upgraded", async () => {
    const { handle, shutdown, clock } = await stopping();
    handle.server.on("upgrade", (_, socket) => socket.write("HTTP/1.1 101 Switching Protocols\r\n\r\n"));
    const upgraded = dial(handle.port);
    upgraded.socket.write("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: raw\r\n\r\n");
    await until(() => upgraded.said().startsWith("HTTP/1.1 101"));
    const cut = get(`${handle.url}/held`).catch((error: Error) => error);
    await until(() => handle.connections.open === 2 && handle.connections.active === 1);
    const report = shutdown.start("test", 0);
    await clock.advance(20_499);
    expect([shutdown.phase, upgraded.closed()]).toEqual(["aborting", false]);
    await clock.advance(1);
    expect(await report).toMatchObject({ aborted: 1, durationMs: 20_500 });
    expect(await cut).toMatchObject({ code: "ECONNRESET" });
    await until(() => upgraded.closed());
    expect(clock.pending).toBe(0);
  });

  it("waits for what stops letting work in, as part of the draining", async () => {
    const consumer = Promise.withResolvers<void>();
    const { shutdown, clock } = await stopping({ onStopAdmitting: () => consumer.promise });
    const report = shutdown.start("test", 0);
    await clock.advance(10_000);
    expect(shutdown.phase).toBe("draining");
    consumer.resolve();
    expect(await report).toMatchObject({ durationMs: 10_000 });
  });

  it("goes on when a hook fails or hangs", async () => {
    const errors: unknown[] = [];
    const { shutdown, clock, log } = await stopping({
      onStopAdmitting: () => {
        throw new Error("hook");
      },
      onPhase: () => {
        throw new Error("log");
      },
      flush: () => new Promise(() => {}),
      onError: (error) => {
        errors.push((error as Error).message);
        throw error;
      },
    });
    const report = shutdown.start("test", 0);
    await until(() => shutdown.phase === "flushing");
    await clock.advance(1999);
    expect(shutdown.phase).toBe("flushing");
    await clock.advance(1);
    expect(await report).toMatchObject({ flushed: false, durationMs: 2000 });
    expect(errors).toEqual(["log", "log", "hook", "log", "log"]);
    expect([log, clock.pending]).toEqual([["exit 0"], 0]);
  });

  it("stops several servers, of node:http as well", async () => {
    const plain = createServer((_, response) => response.end("plain"));
    await new Promise<void>((done) => plain.listen(0, "127.0.0.1", done));
    const port = (plain.address() as { port: number }).port;
    const unheard = createServer();
    const handle = await serve({ fetch: () => new Response(), port: 0 });
    const clock = new TestClock();
    const shutdown = gracefulShutdown([handle, plain, unheard], { signals: [], clock, exit: () => {} });
    const agent = new Agent({ keepAlive: true });
    await get(`http://127.0.0.1:${port}`, agent);
    const report = shutdown.start("test");
    expect((await get(`http://127.0.0.1:${port}`, agent)).headers.connection).toBe("close");
    await clock.advance(5100);
    await report;
    expect([plain.listening, handle.server.listening]).toEqual([false, false]);
  });

  it("starts with a signal, ends the process with the second, and lets go of signals", async () => {
    const before = process.listenerCount("SIGUSR2");
    const { shutdown, clock, log } = await stopping({ signals: ["SIGUSR2"], onPhase: () => {} });
    process.emit("SIGUSR2", "SIGUSR2");
    expect(shutdown.isReady()).toBe(false);
    expect(log).toEqual([]);
    process.emit("SIGUSR2", "SIGUSR2");
    expect(log).toEqual(["exit 1"]);
    shutdown.dispose();
    expect(process.listenerCount("SIGUSR2")).toBe(before);
    await clock.advance(5000);
    expect((await shutdown.start("ignored")).trigger).toBe("SIGUSR2");
  });

  it.each([
    [{ drainTimeoutMs: -1 }, "`gracefulShutdown.drainTimeoutMs` must be a number from 0 to 2147483647, got -1"],
    [{ readinessGraceMs: Number.NaN }, "`gracefulShutdown.readinessGraceMs` must be"],
    [{ flush: 1 as never }, "`gracefulShutdown.flush` must be a function, got 1"],
  ])("refuses %o", (options, message) => {
    expect(() => gracefulShutdown(createServer(), { signals: [], ...options })).toThrow(message);
  });

  it("refuses what is no server", () => {
    expect(() => gracefulShutdown({} as never, { signals: [] })).toThrow(
      "`gracefulShutdown.servers` must be a handle of `serve` or a server of `node:http`, got an object",
    );
  });
});

/** The phases with the calls that belong to them, as `stopping` logs them. */
function withHooks(phase: string): string[] {
  if (phase === "draining") return ["grace", "draining", "stop admitting"];
  if (phase === "flushing") return ["flushing", "flush"];
  return phase === "done" ? ["done", "exit 0"] : [phase];
}
