import { rateLimit as limitOf, type RateLimitBackend } from "@headgate/core";
import { TestClock } from "@headgate/core/testing";
import { Hono } from "hono";
import { describe, expect, it } from "vitest";
import { rateLimit, type RateLimitOptions } from "./rate-limit.ts";

function appOf(options: Omit<RateLimitOptions, "key">) {
  const app = new Hono();
  app.use(rateLimit({ key: (c) => c.req.header("x-user") ?? "", ...options }));
  app.get("/", (c) => c.text("fine"));
  return app;
}

const fieldsOf = ({ headers }: Response) => [headers.get("ratelimit-policy"), headers.get("ratelimit")];

describe("rateLimit", () => {
  it("says on every response what the quota is and what is left of it", async () => {
    const clock = new TestClock();
    const app = appOf({ limit: { limit: 100, windowMs: 60_000, clock } });
    const response = await app.request("/");
    expect(response.status).toBe(200);
    expect(fieldsOf(response)).toEqual(['"default";q=100;w=60', '"default";r=99;t=1']);
    await app.request("/");
    expect(fieldsOf(await app.request("/"))).toEqual(['"default";q=100;w=60', '"default";r=97;t=2']);
  });

  it("answers what is too much with 429, Retry-After and the same time in RateLimit", async () => {
    const clock = new TestClock();
    const app = appOf({ limit: { name: "searches", limit: 2, windowMs: 10_000, clock } });
    await app.request("/");
    await app.request("/");
    const response = await app.request("/");
    expect(response.status).toBe(429);
    expect(response.headers.get("retry-after")).toBe("5");
    expect(fieldsOf(response)).toEqual(['"searches";q=2;w=10', '"searches";r=0;t=5']);
    expect(await response.json()).toEqual({
      type: "https://iana.org/assignments/http-problem-types#quota-exceeded",
      title: "Quota exceeded",
      status: 429,
      detail: "More requests than the quota allows.",
      "violated-policies": ["searches"],
      code: "ERR_RATE_LIMIT",
      policy: "rate-limit",
    });
    clock.jump(5000);
    expect((await app.request("/")).status).toBe(200);
  });

  it.each([2768.3, 5536.1])("tells no second too many at a time that is not exact: %d ms", async (startMs) => {
    const app = appOf({ limit: { limit: 2, windowMs: 60_000, clock: new TestClock(startMs) } });
    const states = [await app.request("/"), await app.request("/"), await app.request("/")].map(fieldsOf);
    expect(states.map(([, state]) => state)).toEqual([
      '"default";r=1;t=30',
      '"default";r=0;t=60',
      '"default";r=0;t=30',
    ]);
  });

  it("keeps keys apart and counts what a request costs", async () => {
    const limit = limitOf({ limit: 10, windowMs: 1000, clock: new TestClock() });
    const app = appOf({ limit, cost: (c) => Number(c.req.query("cost") ?? 1) });
    const status = async (user: string, cost: number) =>
      (await app.request(`/?cost=${cost}`, { headers: { "x-user": user } })).status;
    expect([await status("a", 8), await status("a", 3), await status("b", 3)]).toEqual([200, 429, 200]);
    expect(limit.rejected).toBe(1);
  });

  it("gives the quota in whole seconds", async () => {
    const ofWindow = async (windowMs: number) =>
      (await appOf({ limit: { limit: 10, windowMs } }).request("/")).headers.get("ratelimit-policy");
    expect(await ofWindow(500)).toBe('"default";q=20;w=1');
    expect(await ofWindow(1500)).toBe('"default";q=13;w=2');
  });

  it("adds the fields to a response that cannot be changed", async () => {
    const app = new Hono();
    app.use(rateLimit({ limit: { limit: 5 }, key: () => "" }));
    app.get("/", () => Response.redirect("http://elsewhere/", 302));
    const response = await app.request("/");
    expect(response.status).toBe(302);
    expect(response.headers.get("ratelimit")).toBe('"default";r=4;t=1');
    expect(response.headers.get("location")).toBe("http://elsewhere/");
  });

  it("adds to the same fields when there are several", async () => {
    const app = new Hono();
    const key = () => "";
    app.use(rateLimit({ limit: { name: "hour", limit: 100, windowMs: 3_600_000 }, key }));
    app.use(rateLimit({ limit: { name: 'second "x"', limit: 5 }, key }));
    app.get("/", (c) => c.text("fine"));
    const response = await app.request("/");
    expect(response.headers.get("ratelimit-policy")).toBe('"second \\"x\\"";q=5;w=1, "hour";q=100;w=3600');
  });

  it("leaves out what a backend does not tell, and answers 503 when it fails closed", async () => {
    const silent: RateLimitBackend = { take: () => Promise.resolve({ allowed: true }) };
    const allowed = await appOf({ limit: { limit: 5, backend: silent } }).request("/");
    expect(allowed.status).toBe(200);
    expect(fieldsOf(allowed)).toEqual(['"default";q=5;w=1', null]);
    const broken: RateLimitBackend = { take: () => Promise.reject(new Error("10.0.0.7 is gone")) };
    const refused = await appOf({ limit: { limit: 5, backend: broken, onBackendFailure: "closed" } }).request("/");
    expect(refused.status).toBe(503);
    expect(await refused.text()).not.toContain("10.0.0.7");
  });

  it("says nothing when told so", async () => {
    expect(fieldsOf(await appOf({ limit: { limit: 5 }, fields: false }).request("/"))).toEqual([null, null]);
  });

  it("names an option that is out of bounds", () => {
    expect(() => rateLimit({ limit: { limit: 0 }, key: () => "" })).toThrow("`rateLimit.limit`");
    expect(() => rateLimit({ limit: { limit: 1 }, key: "a" as never })).toThrow("`rateLimit.key` must be a function");
    expect(() => rateLimit({ limit: { limit: 1, name: "größe" }, key: () => "" })).toThrow("printable ASCII");
  });
});
