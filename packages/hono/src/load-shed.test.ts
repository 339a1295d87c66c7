import {
  concurrencyLimit as limitOf,
  loadShed as shedOf,
  pipeline,
  priorityClassOf,
  type ShedSignal,
  toPriority,
} from "@headgate/core";
import { SeededRandom, TestClock } from "@headgate/core/testing";
import { Hono } from "hono";
import { describe, expect, it } from "vitest";
import { parts } from "../test/support/handlers.ts";
import { concurrencyLimit } from "./concurrency-limit.ts";
import { loadShed, type LoadShedOptions, priorityHeaders } from "./load-shed.ts";
import { resilience } from "./resilience.ts";
import type { ResilienceEnv } from "./variables.ts";

/** An application behind a shedder that sheds this share, after requests of all classes alike. */
async function appOf(ratio: number, options: Partial<LoadShedOptions> = {}) {
  const clock = new TestClock();
  const signal = {
    name: "manual",
    overload: 1,
    read(): number {
      return this.overload;
    },
  };
  const shed = shedOf({ signals: [signal], clock, random: new SeededRandom(7) });
  const warmUp = pipeline({ name: "warm-up", clock }, shed);
  const classes = ["critical-plus", "critical", "normal", "sheddable-plus", "sheddable"] as const;
  for (let i = 0; shed.ratio < ratio; i++) {
    clock.jump(1);
    await warmUp.attempt(() => "", { priority: toPriority(classes[i % 5] ?? "normal") });
  }
  const app = new Hono<ResilienceEnv>();
  app.use(loadShed({ shed, ...options }));
  app.all("*", (c) => c.json({ ...priorityHeaders(c), class: priorityClassOf(c.get("priority") ?? 0) }));
  return { app, shed, clock, signal };
}

const statusesOf = async (app: Hono<ResilienceEnv>, headers: Record<string, string>) => {
  const all = await Promise.all(Array.from({ length: 20 }, async () => app.request("/", { headers })));
  return new Set(all.map(({ status }) => status));
};

describe("loadShed", () => {
  it("serves everybody while all is well", async () => {
    const { app } = await appOf(0);
    expect(await statusesOf(app, {})).toEqual(new Set([200]));
  });

  it("serves trusted callers by the class of their Priority field", async () => {
    const { app, shed } = await appOf(0.5, { trusted: true });
    expect(await statusesOf(app, { priority: "u=0" })).toEqual(new Set([200]));
    expect(await statusesOf(app, { priority: "u=1" })).toEqual(new Set([200]));
    expect(await statusesOf(app, { priority: "u=5" })).toEqual(new Set([503]));
    expect(await statusesOf(app, { priority: "u=7, i" })).toEqual(new Set([503]));
    expect(shed.rejections.find(({ priorityClass }) => priorityClass === "sheddable")?.rejected).toBeGreaterThan(20);
  });

  it("believes nobody else, and those that it is told to believe", async () => {
    const anybody = await appOf(0.7);
    expect(await statusesOf(anybody.app, { priority: "u=0" })).toContain(503);
    const inside = await appOf(0.7, { trusted: (c) => c.req.header("x-mesh") === "inside" });
    expect(await statusesOf(inside.app, { priority: "u=0", "x-mesh": "inside" })).toEqual(new Set([200]));
    expect(await statusesOf(inside.app, { priority: "u=0" })).toContain(503);
  });

  it("goes by what the application knows before the fields", async () => {
    const { app } = await appOf(0.5, {
      trusted: true,
      priority: (c) => (c.req.header("x-batch") === "1" ? toPriority("sheddable") : undefined),
    });
    expect(await statusesOf(app, { priority: "u=0", "x-batch": "1" })).toEqual(new Set([503]));
    expect(await statusesOf(app, { priority: "u=0" })).toEqual(new Set([200]));
  });

  it("shares what can be done among tenants", async () => {
    const { app, signal, clock, shed } = await appOf(0, { tenant: (c) => c.req.header("x-tenant") });
    signal.overload = -1;
    const send = async (tenant: string) => {
      clock.jump(5);
      return (await app.request("/", { headers: { "x-tenant": tenant } })).status;
    };
    const round = async () => {
      const small = await send("small");
      let large = 0;
      for (let i = 0; i < 10; i++) if ((await send("large")) === 200) large++;
      return { small, large };
    };
    for (let i = 0; i < 100; i++) await round();
    expect(shed.tenants).toBe(2);
    signal.overload = 1;
    while (shed.ratio < 0.6) await round();
    signal.overload = 0;
    const { small, large } = await round();
    expect(small).toBe(200);
    expect(large).toBeLessThan(8);
  });

  it("answers with the registered problem type, and when to come back", async () => {
    const { app } = await appOf(0.5, { trusted: true });
    const refused = await Promise.all(
      Array.from({ length: 50 }, async () => app.request("/", { headers: { priority: "u=7" } })),
    );
    expect(refused.map(({ status }) => status)).toEqual(Array(50).fill(503));
    expect(new Set(refused.map(({ headers }) => headers.get("retry-after")))).toEqual(new Set(["1", "2", "3"]));
    expect(await refused[0]?.json()).toEqual({
      type: "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity",
      title: "Temporarily reduced capacity",
      status: 503,
      detail: "The service is overloaded and turns part of the requests away.",
      code: "ERR_LOAD_SHED",
      policy: "load-shed",
      pipeline: "load-shed",
    });
  });

  it("serves health checks, or whom it is told to spare, and counts them nowhere", async () => {
    const { app, shed } = await appOf(0.9, { trusted: true });
    const headers = { priority: "u=7" };
    const { admitted } = shed;
    expect((await app.request("/livez", { headers })).status).toBe(200);
    expect((await app.request("/readyz", { headers })).status).toBe(200);
    expect(shed.admitted).toBe(admitted);
    const spares = await appOf(0.9, { trusted: true, skip: (c) => c.req.header("x-vip") === "1" });
    expect((await spares.app.request("/", { headers: { ...headers, "x-vip": "1" } })).status).toBe(200);
    expect((await spares.app.request("/livez", { headers })).status).toBe(503);
  });

  it("is no failure to a pipeline further out", async () => {
    const seen: unknown[] = [];
    const guarded = pipeline({ name: "all", observer: (event) => seen.push(event) });
    const { shed } = await appOf(0.5);
    const app = new Hono<ResilienceEnv>();
    app.use(resilience(guarded), loadShed({ shed, priority: () => toPriority("sheddable") }));
    expect((await app.request("/")).status).toBe(503);
    expect(seen).toMatchObject([{ type: "pipeline.settled", outcome: "ignored" }]);
  });

  it("lets limits behind it serve by priority", async () => {
    const limit = limitOf({ maxConcurrent: 1, maxQueue: 10, order: "priority" });
    const served: string[] = [];
    const { promise, resolve } = parts();
    const app = new Hono<ResilienceEnv>();
    const never: ShedSignal = { name: "never", read: () => -1 };
    app.use(loadShed({ shed: { signals: [never] }, trusted: true }), concurrencyLimit({ limit }));
    app.get("/:name", async (c) => {
      served.push(c.req.param("name"));
      await promise;
      return c.body(null);
    });
    const send = async (name: string, priority: string) => app.request(`/${name}`, { headers: { priority } });
    const all = [send("first", "u=7"), send("batch", "u=7"), send("usual", "u=3"), send("critical", "u=1")];
    await expect.poll(() => limit.queued).toBe(3);
    resolve();
    await Promise.all(all);
    expect(served).toEqual(["first", "critical", "usual", "batch"]);
  });

  it("names an option that is out of bounds", () => {
    const shed = { signals: [{ name: "s", read: () => 0 }] };
    expect(() => loadShed({} as never)).toThrow("`loadShed.shed` must be a load shedder or the options of one");
    expect(() => loadShed({ shed: {} as never })).toThrow("`loadShed.signals` must be");
    expect(() => loadShed({ shed, trusted: "yes" as never })).toThrow("`loadShed.trusted` must be");
    expect(() => loadShed({ shed, priority: 5 as never })).toThrow("`loadShed.priority` must be a function");
    expect(() => loadShed({ shed, tenant: "a" as never })).toThrow("`loadShed.tenant` must be a function");
    expect(() => loadShed({ shed, skip: "/" as never })).toThrow("`loadShed.skip` must be a function");
    expect(() => loadShed({ shed, respond: 5 as never })).toThrow("`loadShed.respond` must be a function");
  });
});

describe("priorityHeaders", () => {
  it("hands the class on, one lower for a retry", async () => {
    const { app } = await appOf(0, { trusted: true });
    const answer = await app.request("/", { headers: { priority: "u=2" } });
    expect(await answer.json()).toEqual({ priority: "u=1", class: "critical" });
    const again = new Hono<ResilienceEnv>();
    again.use(loadShed({ shed: { signals: [{ name: "s", read: () => 0 }] }, trusted: true }));
    again.get("/", (c) => c.json(priorityHeaders(c, 2)));
    const retried = await again.request("/", { headers: { priority: "u=2" } });
    expect(await retried.json()).toEqual({ priority: "u=3" });
  });

  it("says that a retry which came in is one", async () => {
    const { app } = await appOf(0);
    const answer = await app.request("/", { headers: { "x-envoy-attempt-count": "2" } });
    expect(await answer.json()).toEqual({ priority: "u=5", class: "sheddable-plus" });
  });

  it("has nothing to say where nobody asked", async () => {
    const app = new Hono();
    app.get("/", (c) => c.json(priorityHeaders(c)));
    expect(await (await app.request("/")).json()).toEqual({});
  });
});
