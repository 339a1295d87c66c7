import { TestClock } from "@headgate/core/testing";
import { Hono } from "hono";
import { describe, expect, it } from "vitest";
import { bodyOf, codeOf, parts, streamed } from "../test/support/handlers.ts";
import { idempotency, type IdempotencyOptions } from "./idempotency.ts";
import { type IdempotencyStore, memoryIdempotencyStore } from "./idempotency-store.ts";
import { timeout } from "./timeout.ts";

/** An application that counts its payments. */
function payments(options: Partial<IdempotencyOptions> = {}) {
  const made: string[] = [];
  const clock = new TestClock();
  const app = new Hono();
  app.use(idempotency({ store: memoryIdempotencyStore({ clock }), ...options }));
  app.post("/payments", async (c) => {
    const { amount } = await c.req.json<{ amount: number }>();
    made.push(`payment ${amount}`);
    c.header("x-payment", String(made.length));
    return c.json({ amount }, 201);
  });
  app.post("/status/:status", (c) => {
    made.push(c.req.param("status"));
    return c.body("body", Number(c.req.param("status")) as 200);
  });
  app.post("/broken", () => {
    made.push("broken");
    throw new Error("broken");
  });
  app.all("/any", (c) => {
    made.push("any");
    return c.text("any");
  });
  app.onError((_, c) => c.text("broken", 500));
  const post = async (path: string, key?: string, body?: string, headers: Record<string, string> = {}) =>
    app.request(path, {
      method: "POST",
      headers: { ...(key !== undefined && { "idempotency-key": key }), ...headers },
      ...(body !== undefined && { body }),
    });
  const pay = (key?: string, amount = 5, headers?: Record<string, string>) =>
    post("/payments", key, JSON.stringify({ amount }), headers);
  return { app, clock, made, post, pay };
}

describe("idempotency", () => {
  it("carries a request out once and repeats its response", async () => {
    const { pay, made } = payments();
    const first = await pay("a");
    const second = await pay("a");
    expect(made).toEqual(["payment 5"]);
    expect(first.headers.has("idempotent-replayed")).toBe(false);
    expect(second.headers.get("idempotent-replayed")).toBe("true");
    for (const response of [first, second]) {
      expect(response.status).toBe(201);
      expect(response.headers.get("x-payment")).toBe("1");
      expect(response.headers.get("content-type")).toBe("application/json");
      expect(await response.json()).toEqual({ amount: 5 });
    }
    await pay("b");
    expect(made).toHaveLength(2);
  });

  it("looks only at requests with a key and one of the methods", async () => {
    const { app, pay, made } = payments();
    await pay();
    await pay();
    expect(made).toHaveLength(2);
    const headers = { "idempotency-key": "a" };
    await app.request("/any", { headers });
    await app.request("/any", { headers, method: "PUT" });
    await app.request("/any", { headers });
    expect(made).toHaveLength(5);
    await app.request("/any", { headers, method: "PATCH" });
    await app.request("/any", { headers, method: "PATCH" });
    expect(made).toHaveLength(6);
  });

  it("answers 400 without a key that is required, or with one that is none", async () => {
    const { pay, made } = payments({ required: true });
    const missing = await pay();
    expect([missing.status, await codeOf(missing)]).toEqual([400, "ERR_IDEMPOTENCY_KEY_MISSING"]);
    for (const key of ["a b", "x".repeat(256), '""']) {
      const invalid = await pay(key);
      expect([invalid.status, await codeOf(invalid)]).toEqual([400, "ERR_IDEMPOTENCY_KEY_INVALID"]);
    }
    expect(made).toEqual([]);
  });

  it("takes a key as the draft quotes it and as clients send it", async () => {
    const { pay, made } = payments();
    await pay('"8e03978e"');
    expect((await pay("8e03978e")).headers.get("idempotent-replayed")).toBe("true");
    expect(made).toHaveLength(1);
  });

  it("answers 409 with Retry-After while the first one runs", async () => {
    const work = parts();
    let runs = 0;
    const app = new Hono();
    app.use(idempotency({ store: memoryIdempotencyStore() }));
    const entered = parts();
    app.post("/", async (c) => {
      runs++;
      entered.resolve();
      await work.promise;
      return c.text("done");
    });
    const post = async () => app.request("/", { method: "POST", headers: { "idempotency-key": "a" } });
    const first = post();
    await entered.promise;
    const second = await post();
    expect([second.status, second.headers.get("retry-after")]).toEqual([409, "1"]);
    expect(await codeOf(second)).toBe("ERR_IDEMPOTENCY_IN_PROGRESS");
    work.resolve();
    expect(await (await first).text()).toBe("done");
    expect(await (await post()).text()).toBe("done");
    expect(runs).toBe(1);
  });

  it("answers 422 for another request with the same key", async () => {
    const { pay, post, made } = payments();
    await pay("a", 5);
    for (const other of [
      await pay("a", 6),
      await post("/status/200", "a"),
      await post("/payments?x=1", "a", '{"amount":5}'),
    ])
      expect([other.status, await codeOf(other)]).toEqual([422, "ERR_IDEMPOTENCY_KEY_REUSED"]);
    expect(made).toHaveLength(1);
  });

  it("keeps the keys of owners apart", async () => {
    const { pay, made } = payments();
    await pay("a", 5, { authorization: "Bearer one" });
    const other = await pay("a", 5, { authorization: "Bearer two" });
    expect(other.headers.has("idempotent-replayed")).toBe(false);
    expect(made).toHaveLength(2);
    const scoped = payments({ scope: (c) => c.req.header("x-user") ?? "" });
    await scoped.pay("a", 5, { "x-user": "1", authorization: "Bearer one" });
    await scoped.pay("a", 5, { "x-user": "1", authorization: "Bearer two" });
    expect(scoped.made).toHaveLength(1);
  });

  it("keeps outcomes: not errors of the server, nor an answer that asks to come again", async () => {
    for (const [status, runs] of [
      [200, 1],
      [404, 1],
      [422, 1],
      [429, 2],
      [409, 2],
      [500, 2],
      [503, 2],
    ]) {
      const { post, made } = payments();
      await post(`/status/${status}`, "a");
      await post(`/status/${status}`, "a");
      expect([status, made.length]).toEqual([status, runs]);
    }
    const { post, made } = payments();
    await post("/broken", "a");
    await post("/broken", "a");
    expect(made).toHaveLength(2);
    const all = payments({ isOutcome: () => true });
    await all.post("/status/500", "a");
    await all.post("/status/500", "a");
    expect(all.made).toHaveLength(1);
  });

  it("repeats a response without a body", async () => {
    const app = new Hono();
    app.use(idempotency({ store: memoryIdempotencyStore() }));
    app.post("/", (c) => c.body(null, 204));
    const post = async () => app.request("/", { method: "POST", headers: { "idempotency-key": "a" } });
    await post();
    const second = await post();
    expect([second.status, second.body, second.headers.get("idempotent-replayed")]).toEqual([204, null, "true"]);
  });

  it("keeps the key taken when nobody can tell what came of the request", async () => {
    const clock = new TestClock();
    let runs = 0;
    const app = new Hono();
    app.use(
      timeout({ timeoutMs: 100, clock }),
      idempotency({ store: memoryIdempotencyStore({ clock }), lockMs: 5000 }),
    );
    const inside = new Hono();
    inside.use(
      idempotency({ store: memoryIdempotencyStore({ clock }), lockMs: 5000 }),
      timeout({ timeoutMs: 100, clock }),
    );
    for (const each of [app, inside]) {
      runs = 0;
      const entered = parts();
      each.post("/", () => {
        runs++;
        entered.resolve();
        return new Promise<Response>(() => {});
      });
      const post = async () => each.request("/", { method: "POST", headers: { "idempotency-key": "a" } });
      const first = post();
      await entered.promise;
      await clock.advance(100);
      expect((await first).status).toBe(504);
      await clock.settle();
      expect((await post()).status).toBe(409);
      expect(runs).toBe(1);
      await clock.advance(5000);
      const again = post();
      await expect.poll(() => runs).toBe(2);
      await clock.advance(100);
      await again;
    }
  });

  it("forgets outcomes in time", async () => {
    const { pay, made, clock } = payments({ ttlMs: 1000 });
    await pay("a");
    clock.jump(999);
    await pay("a");
    expect(made).toHaveLength(1);
    clock.jump(1);
    await pay("a");
    expect(made).toHaveLength(2);
  });

  it("refuses a request that is too large to be compared", async () => {
    const { app, made } = payments({ maxBodyBytes: 10 });
    const { stream } = bodyOf(["01234", "5678901"]);
    const response = await app.request(
      new Request("http://test/payments", streamed(stream, { "idempotency-key": "a" })),
    );
    expect(response.status).toBe(413);
    expect(made).toEqual([]);
  });

  it("sends a response that is too large to be kept, and does not carry the request out again", async () => {
    const store = memoryIdempotencyStore();
    let runs = 0;
    const app = new Hono();
    app.use(idempotency({ store, maxBodyBytes: 10 }));
    app.post("/", (c) => {
      runs++;
      return c.body(bodyOf(["01234", "56789", "01234"]).stream);
    });
    const post = async () => app.request("/", { method: "POST", headers: { "idempotency-key": "a" } });
    expect(await (await post()).text()).toBe("012345678901234");
    const second = await post();
    expect([second.status, await codeOf(second)]).toEqual([409, "ERR_IDEMPOTENCY_OUTCOME_LOST"]);
    expect(runs).toBe(1);
    expect(store.bytes).toBe(0);
  });

  it("answers 503 when the store fails before, and with the outcome when it fails after", async () => {
    const failures: unknown[] = [];
    const down = new Error("redis://10.0.0.7 is gone");
    const broken = (parts: Partial<IdempotencyStore>): IdempotencyStore => ({
      begin: () => undefined,
      complete: () => {},
      release: () => {},
      ...parts,
    });
    const fail = () => Promise.reject(down);
    const onStoreFailure = (error: unknown) => void failures.push(error);
    const before = payments({ store: broken({ begin: fail }), onStoreFailure });
    const refused = await before.pay("a");
    expect(refused.status).toBe(503);
    expect(await refused.text()).not.toContain("10.0.0.7");
    expect(before.made).toEqual([]);
    const after = payments({ store: broken({ complete: fail, release: fail }), onStoreFailure });
    expect((await after.pay("a")).status).toBe(201);
    expect((await after.post("/broken", "b")).status).toBe(500);
    expect(failures).toEqual([down, down, down]);
  });

  it("names an option that is out of bounds", () => {
    const store = memoryIdempotencyStore();
    expect(() => idempotency({} as never)).toThrow("`idempotency.store` must be an IdempotencyStore");
    expect(() => idempotency({ store, methods: ["post"] })).toThrow("`idempotency.methods`");
    expect(() => idempotency({ store, ttlMs: 0 })).toThrow("`idempotency.ttlMs`");
    expect(() => idempotency({ store, header: "" })).toThrow("`idempotency.header`");
  });
});
