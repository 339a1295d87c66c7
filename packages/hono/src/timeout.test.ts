import { TestClock } from "@headgate/core/testing";
import { type Handler, Hono } from "hono";
import { cors } from "hono/cors";
import { timeout as honoTimeout } from "hono/timeout";
import { describe, expect, it } from "vitest";
import { bodyOf, codeOf, parts, untilAborted } from "../test/support/handlers.ts";
import { problem } from "./problem.ts";
import { timeout } from "./timeout.ts";
import type { ResilienceEnv } from "./variables.ts";

function appOf(clock: TestClock, handler: Handler<ResilienceEnv>) {
  const app = new Hono<ResilienceEnv>();
  app.use(timeout({ timeoutMs: 100, clock }));
  app.get("/", handler);
  return app;
}

describe("timeout", () => {
  it("answers with 504 when the time is up and aborts the handler's signal", async () => {
    const clock = new TestClock();
    let reason: unknown;
    const app = appOf(clock, async (c) => {
      c.get("signal").addEventListener("abort", () => {
        reason = c.get("signal").reason;
      });
      return new Promise<Response>(() => {});
    });
    const asked = app.request("/");
    await clock.advance(99);
    expect(reason).toBeUndefined();
    await clock.advance(1);
    const response = await asked;
    expect(response.status).toBe(504);
    expect(response.headers.get("content-type")).toBe("application/problem+json");
    expect(await codeOf(response)).toBe("ERR_TIMEOUT");
    expect(reason).toMatchObject({ code: "ERR_TIMEOUT", timeoutMs: 100 });
    expect(clock.pending).toBe(0);
  });

  it("does what Hono's own does not: the work ends with the answer", async () => {
    let running = 0;
    const clock = new TestClock();
    const work = async (signal?: AbortSignal) => {
      running++;
      await new Promise<void>((resolve) => signal?.addEventListener("abort", () => resolve()));
      running--;
      return new Response();
    };
    const theirs = new Hono().use(honoTimeout(1)).get("/", () => work());
    expect((await theirs.request("/")).status).toBe(504);
    expect(running).toBe(1);
    const ours = appOf(clock, (c) => work(c.get("signal")));
    const asked = ours.request("/");
    await clock.advance(100);
    expect((await asked).status).toBe(504);
    expect(running).toBe(1);
  });

  it("leaves a response in time alone, and no timer", async () => {
    const clock = new TestClock();
    const response = await appOf(clock, (c) => c.text("fine")).request("/");
    expect(response.status).toBe(200);
    expect(await response.text()).toBe("fine");
    expect(clock.pending).toBe(0);
  });

  it("counts until the response, not its body", async () => {
    const clock = new TestClock();
    const { stream } = bodyOf(["a", "b"]);
    const response = await appOf(clock, (c) => c.body(stream)).request("/");
    await clock.advance(1000);
    expect(await response.text()).toBe("ab");
  });

  it("gives the handler its deadline", async () => {
    const clock = new TestClock(5000);
    const app = appOf(clock, (c) => c.json({ at: c.get("deadline"), left: c.get("resilience").remainingMs }));
    expect(await (await app.request("/")).json()).toEqual({ at: 5100, left: 100 });
  });

  it("keeps the answer when the cancelled handler fails", async () => {
    const clock = new TestClock();
    const seen: unknown[] = [];
    const app = appOf(clock, untilAborted);
    app.onError((error, c) => {
      seen.push(error);
      return c.text("broken", 500);
    });
    const asked = app.request("/");
    await clock.advance(100);
    expect((await asked).status).toBe(504);
    expect(seen).toHaveLength(1);
  });

  it("keeps the answer while middleware further out is still at work", async () => {
    const clock = new TestClock();
    const slow = parts();
    const app = new Hono<ResilienceEnv>();
    app.use(async (_, next) => {
      await next();
      await slow.promise;
    });
    app.use(timeout({ timeoutMs: 100, clock }));
    app.get("/", async (c) => {
      await untilAborted(c).catch(() => {});
      await Promise.resolve();
      throw new Error("late");
    });
    app.onError((_, c) => c.text("broken", 500));
    const asked = app.request("/");
    await clock.advance(100);
    await clock.settle();
    slow.resolve();
    expect((await asked).status).toBe(504);
  });

  it("lets middleware further out work on the answer", async () => {
    const clock = new TestClock();
    const app = new Hono<ResilienceEnv>();
    app.use(cors());
    app.use(async (c, next) => {
      await next();
      c.header("x-late", "1");
    });
    app.use(timeout({ timeoutMs: 100, clock }));
    app.get("/", () => new Promise<Response>(() => {}));
    const asked = app.request("/");
    await clock.advance(100);
    const { status, headers } = await asked;
    expect(status).toBe(504);
    expect(headers.get("x-late")).toBe("1");
    expect(headers.get("access-control-allow-origin")).toBe("*");
  });

  it("answers as `respond` says", async () => {
    const clock = new TestClock();
    const app = new Hono<ResilienceEnv>();
    app.use(timeout({ timeoutMs: 100, clock, respond: (error, c) => c.text(error.code, 503) }));
    app.get("/", () => new Promise<Response>(() => {}));
    const asked = app.request("/");
    await clock.advance(100);
    const response = await asked;
    expect(response.status).toBe(503);
    expect(await response.text()).toBe("ERR_TIMEOUT");
  });

  it("lets the shorter of two end the request, whichever is further out", async () => {
    for (const [outer, inner] of [
      [100, 500],
      [500, 100],
    ] as const) {
      const clock = new TestClock();
      const app = new Hono<ResilienceEnv>();
      app.use(timeout({ timeoutMs: outer, clock }), timeout({ timeoutMs: inner, clock }));
      app.get("/", untilAborted);
      app.onError((error) => problem(error));
      const asked = app.request("/");
      await clock.advance(100);
      const response = await asked;
      expect(response.status).toBe(504);
      expect(await response.json()).toMatchObject({ detail: expect.stringContaining("100 ms") as string });
      expect(clock.pending).toBe(0);
    }
  });

  it("ends quietly when the client leaves", async () => {
    const clock = new TestClock();
    const errors: unknown[] = [];
    const client = new AbortController();
    const app = appOf(clock, (c) => untilAborted(c).catch(() => c.text("nobody reads this")));
    app.onError((error, c) => {
      errors.push(error);
      return c.text("broken", 500);
    });
    const asked = app.request(new Request("http://test/", { signal: client.signal }));
    await clock.settle();
    client.abort();
    expect((await asked).status).toBe(499);
    expect(errors).toEqual([]);
    expect(clock.pending).toBe(0);
  });

  it("passes an error of the handler on to Hono", async () => {
    const clock = new TestClock();
    const app = appOf(clock, () => {
      throw new Error("broken");
    });
    app.onError((error, c) => c.text(error.message, 500));
    const response = await app.request("/");
    expect(response.status).toBe(500);
    expect(await response.text()).toBe("broken");
  });

  it("names an option that is out of bounds", () => {
    expect(() => timeout({ timeoutMs: 0 })).toThrow("`timeout.timeoutMs` must be a number above 0");
  });
});
