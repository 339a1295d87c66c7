import { TestClock } from "@headgate/core/testing";
import { Hono } from "hono";
import { describe, expect, it } from "vitest";
import { health, type HealthOptions } from "./health.ts";

function appOf(options: HealthOptions) {
  const app = new Hono();
  app.use(health(options));
  app.all("*", (c) => c.text("the application"));
  return app;
}

describe("health", () => {
  it("answers /livez and /readyz, uncached, and lets all else through", async () => {
    const app = appOf({});
    for (const path of ["/livez", "/readyz"]) {
      const response = await app.request(path);
      expect(response.status).toBe(200);
      expect(response.headers.get("cache-control")).toBe("no-store");
      expect(await response.json()).toEqual({ status: "ok" });
    }
    expect(await (await app.request("/")).text()).toBe("the application");
    expect(await (await app.request("/livez", { method: "POST" })).text()).toBe("the application");
    expect((await app.request("/readyz", { method: "HEAD" })).status).toBe(200);
  });

  it("lives but is not ready when the service is told to stop", async () => {
    const app = appOf({ isReady: () => false, checks: { never: () => Promise.reject(new Error("asked")) } });
    expect((await app.request("/livez")).status).toBe(200);
    const response = await app.request("/readyz");
    expect(response.status).toBe(503);
    expect(response.headers.get("cache-control")).toBe("no-store");
    expect(await response.json()).toEqual({ status: "stopping" });
  });

  it("is not ready when a check throws, rejects or gives false", async () => {
    const failing = [
      () => {
        throw new Error("secret");
      },
      () => Promise.reject(new Error("secret")),
      () => false,
      async () => false,
    ];
    for (const check of failing) {
      const response = await appOf({ checks: { fine: () => true, check } }).request("/readyz");
      expect(response.status).toBe(503);
      expect(await response.json()).toEqual({ status: "unavailable" });
    }
    expect((await appOf({ checks: { fine: () => {}, also: async () => 0 } }).request("/readyz")).status).toBe(200);
  });

  it("says which check failed when it may, never why", async () => {
    const checks = { database: () => Promise.reject(new Error("secret")), cache: () => {} };
    const response = await appOf({ checks, details: true }).request("/readyz");
    expect(await response.json()).toEqual({ status: "unavailable", checks: { database: "failing", cache: "ok" } });
  });

  it("waits no longer than it may, and cancels the check", async () => {
    const clock = new TestClock();
    let aborted = false;
    const hang = (signal: AbortSignal) => {
      signal.addEventListener("abort", () => {
        aborted = true;
      });
      return new Promise(() => {});
    };
    const asked = appOf({ checks: { hang }, checkTimeoutMs: 200, clock }).request("/readyz");
    await clock.advance(200);
    expect((await asked).status).toBe(503);
    expect(aborted).toBe(true);
    expect(clock.pending).toBe(0);
  });

  it("takes other paths", async () => {
    const app = appOf({ livePath: "/up", readyPath: "/ready" });
    expect((await app.request("/up")).status).toBe(200);
    expect(await (await app.request("/livez")).text()).toBe("the application");
  });

  it("names an option that is out of bounds", () => {
    expect(() => health({ livePath: "livez" })).toThrow("`health.livePath`");
    expect(() => health({ checkTimeoutMs: 0 })).toThrow("`health.checkTimeoutMs`");
    expect(() => health({ checks: { database: true as never } })).toThrow("`health.checks.database`");
  });
});
