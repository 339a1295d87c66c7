import { TestClock } from "@headgate/core/testing";
import { Hono } from "hono";
import { describe, expect, it } from "vitest";
import { codeOf } from "../test/support/handlers.ts";
import { deadline, type DeadlineOptions, remainingHeaders } from "./deadline.ts";
import { timeout } from "./timeout.ts";
import type { ResilienceEnv } from "./variables.ts";

/** An application that tells what time the handler has. */
function appOf(options: DeadlineOptions, clock = new TestClock(1000)) {
  const app = new Hono<ResilienceEnv>();
  app.use(deadline({ clock, ...options }));
  app.get("/", (c) =>
    c.json(c.get("deadline") === Number.POSITIVE_INFINITY ? "none" : c.get("deadline") - clock.now()),
  );
  app.get("/hang", () => new Promise<Response>(() => {}));
  return app;
}

const timeLeft = async (options: DeadlineOptions, headers: Record<string, string>): Promise<unknown> =>
  (await appOf(options).request("/", { headers })).json();

describe("deadline", () => {
  it("takes the least of what the fields say and of maxMs", async () => {
    const trusted = { trusted: true };
    expect(await timeLeft(trusted, { "x-request-timeout-ms": "500" })).toBe(500);
    expect(await timeLeft(trusted, { "x-request-timeout-ms": "500", "grpc-timeout": "250m" })).toBe(250);
    expect(await timeLeft(trusted, { "grpc-timeout": "250m", "x-envoy-expected-rq-timeout-ms": "100" })).toBe(100);
    expect(await timeLeft({ trusted: true, maxMs: 50 }, { "x-request-timeout-ms": "500" })).toBe(50);
    expect(await timeLeft({ maxMs: 50 }, {})).toBe(50);
    expect(await timeLeft(trusted, {})).toBe("none");
    expect(await timeLeft({ trusted: true, header: "X-Left" }, { "x-left": "7", "x-request-timeout-ms": "5" })).toBe(7);
  });

  it("knows every unit of grpc-timeout", async () => {
    const units = { "1H": 3_600_000, "2M": 120_000, "3S": 3000, "4m": 4, "5000u": 5, "6000000n": 6 };
    for (const [field, ms] of Object.entries(units))
      expect(await timeLeft({ trusted: true }, { "grpc-timeout": field })).toBeCloseTo(ms, 6);
  });

  it("takes what is no duration for no limit", async () => {
    for (const field of ["", "soon", "1e3", "12.5", "0x10", "1234567890123456"])
      expect(await timeLeft({ trusted: true }, { "x-request-timeout-ms": field })).toBe("none");
    for (const field of ["123456789S", "5", "5x", "-5S"])
      expect(await timeLeft({ trusted: true }, { "grpc-timeout": field })).toBe("none");
  });

  it("believes nobody unless it is told whom", async () => {
    expect(await timeLeft({}, { "x-request-timeout-ms": "500" })).toBe("none");
    const trusted: DeadlineOptions["trusted"] = (c) => c.req.header("x-mesh") === "1";
    expect(await timeLeft({ trusted }, { "x-request-timeout-ms": "500" })).toBe("none");
    expect(await timeLeft({ trusted }, { "x-request-timeout-ms": "500", "x-mesh": "1" })).toBe(500);
  });

  it("does not run the handler when no time is left", async () => {
    for (const left of ["0", "-20"]) {
      let ran = false;
      const app = new Hono();
      app.use(deadline({ trusted: true, clock: new TestClock(1000) }));
      app.get("/", (c) => {
        ran = true;
        return c.text("late");
      });
      const response = await app.request("/", { headers: { "x-request-timeout-ms": left } });
      expect(response.status).toBe(504);
      expect(await response.json()).toMatchObject({
        code: "ERR_TIMEOUT",
        detail: "The request left no time to serve it.",
      });
      expect(ran).toBe(false);
    }
  });

  it("answers with 504 when the time is up", async () => {
    const clock = new TestClock();
    const asked = appOf({ trusted: true }, clock).request("/hang", { headers: { "x-request-timeout-ms": "80" } });
    await clock.advance(80);
    const response = await asked;
    expect(response.status).toBe(504);
    expect(await codeOf(response)).toBe("ERR_TIMEOUT");
    expect(clock.pending).toBe(0);
  });

  it("never extends a deadline from further out", async () => {
    const clock = new TestClock();
    const app = new Hono<ResilienceEnv>();
    app.use(timeout({ timeoutMs: 100, clock }), deadline({ trusted: true, clock }));
    app.get("/", (c) => c.json(c.get("deadline")));
    const response = await app.request("/", { headers: { "x-request-timeout-ms": "5000" } });
    expect(await response.json()).toBe(100);
  });

  it("names an option that is out of bounds", () => {
    expect(() => deadline({ maxMs: 0 })).toThrow("`deadline.maxMs` must be a number above 0");
    expect(() => deadline({ header: "a b" })).toThrow("`deadline.header` must be the name of a header field");
    expect(() => deadline({ trusted: "yes" as never })).toThrow("`deadline.trusted`");
  });
});

describe("remainingHeaders", () => {
  it("hands on what is left, less a margin", async () => {
    const clock = new TestClock();
    const app = new Hono<ResilienceEnv>();
    app.get("/", timeout({ timeoutMs: 100, clock }), async (c) => {
      await clock.advance(30);
      return c.json([remainingHeaders(c), remainingHeaders(c, { header: "X-Left", marginMs: 0 })]);
    });
    expect(await (await app.request("/")).json()).toEqual([{ "x-request-timeout-ms": "60" }, { "x-left": "70" }]);
  });

  it("writes a grpc-timeout in its own form", async () => {
    const clock = new TestClock();
    const app = new Hono<ResilienceEnv>();
    app.get("/", timeout({ timeoutMs: 100, clock }), (c) => c.json(remainingHeaders(c, { header: "Grpc-Timeout" })));
    expect(await (await app.request("/")).json()).toEqual({ "grpc-timeout": "90m" });
  });

  it("says nothing without a deadline, and never less than 0", async () => {
    const clock = new TestClock();
    const app = new Hono<ResilienceEnv>();
    app.get("/free", (c) => c.json(remainingHeaders(c)));
    app.get("/", timeout({ timeoutMs: 5, clock }), (c) => c.json(remainingHeaders(c)));
    expect(await (await app.request("/free")).json()).toEqual({});
    expect(await (await app.request("/")).json()).toEqual({ "x-request-timeout-ms": "0" });
  });
});
