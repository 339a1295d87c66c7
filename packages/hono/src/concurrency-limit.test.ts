import { adaptiveLimit, concurrencyLimit as limitOf, fixedLimit } from "@headgate/core";
import { TestClock } from "@headgate/core/testing";
import { Hono } from "hono";
import { describe, expect, it } from "vitest";
import { codeOf, parts } from "../test/support/handlers.ts";
import { concurrencyLimit } from "./concurrency-limit.ts";

describe("concurrencyLimit", () => {
  it("serves so many at once, lets some wait, and refuses the others", async () => {
    const clock = new TestClock();
    const work = parts();
    const app = new Hono();
    app.use(concurrencyLimit({ limit: { maxConcurrent: 1, maxQueue: 1, maxWaitMs: 500, clock } }));
    app.get("/", async (c) => {
      await work.promise;
      return c.text("fine");
    });
    const first = app.request("/");
    const second = app.request("/");
    const third = await app.request("/");
    expect(third.status).toBe(503);
    expect(third.headers.get("retry-after")).toBe("1");
    expect(await codeOf(third)).toBe("ERR_CONCURRENCY_LIMIT");
    work.resolve();
    expect(await (await first).text()).toBe("fine");
    expect(await (await second).text()).toBe("fine");
    expect(clock.pending).toBe(0);
  });

  it("does not run a request that has waited too long", async () => {
    const clock = new TestClock();
    const limit = limitOf({ maxConcurrent: 1, maxQueue: 5, maxWaitMs: 500, clock });
    const permit = await limit.acquire();
    let ran = 0;
    const app = new Hono();
    app.use(concurrencyLimit({ limit }));
    app.get("/", (c) => {
      ran++;
      return c.text("fine");
    });
    const asked = app.request("/");
    await clock.advance(500);
    expect((await asked).status).toBe(503);
    permit.release();
    await clock.settle();
    expect(ran).toBe(0);
  });

  it("takes an adaptive limit", async () => {
    const limit = adaptiveLimit({ limit: fixedLimit({ limit: 1 }) });
    const app = new Hono();
    app.use(concurrencyLimit({ limit }));
    app.get("/", (c) => c.text("fine"));
    const response = await app.request("/");
    expect(limit.inUse).toBe(1);
    expect((await app.request("/")).status).toBe(503);
    await response.text();
    expect(limit.inUse).toBe(0);
  });

  it("takes a limit that others share, and counts bodies", async () => {
    const limit = limitOf({ maxConcurrent: 3 });
    const app = new Hono();
    app.use(concurrencyLimit({ limit, call: () => ({ weight: 2 }) }));
    app.get("/", (c) => c.text("fine"));
    const response = await app.request("/");
    expect(limit.inUse).toBe(2);
    expect((await app.request("/")).status).toBe(503);
    await response.text();
    expect(limit.inUse).toBe(0);
  });

  it("names an option that is out of bounds", () => {
    expect(() => concurrencyLimit({ limit: { maxConcurrent: 0 } })).toThrow("`concurrencyLimit.maxConcurrent`");
  });
});
