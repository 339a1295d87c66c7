import {
  cache,
  type CircuitOpenError,
  circuitBreaker,
  concurrencyLimit,
  consecutiveFailures,
  fallback,
  type Outcome,
  pipeline,
  type Policy,
  rateLimit,
  retry,
  singleFlight,
  timeout,
  type Tracer,
} from "@headgate/core";
import { TestClock } from "@headgate/core/testing";
import { type Context, type Handler, Hono } from "hono";
import { HTTPException } from "hono/http-exception";
import { describe, expect, it } from "vitest";
import { bodyOf, codeOf, parts, untilAborted } from "../test/support/handlers.ts";
import { concurrencyLimit as limitRequests } from "./concurrency-limit.ts";
import { resilience } from "./resilience.ts";
import type { ResilienceEnv } from "./variables.ts";

/** Notes how calls end. */
function tally(): Policy & { readonly seen: Outcome[] } {
  const seen: Outcome[] = [];
  return {
    kind: "tally",
    seen,
    leave(call) {
      seen.push(call.outcome);
      return "pass";
    },
  };
}

function appOf(guarded: ReturnType<typeof pipeline>, handler: Handler<ResilienceEnv>) {
  const app = new Hono<ResilienceEnv>();
  app.use(resilience(guarded));
  app.get("/", handler);
  return app;
}

type AppContext = Context<ResilienceEnv>;

describe("resilience", () => {
  it("runs the handler as an attempt that is traced", async () => {
    const told: string[] = [];
    const tracer: Tracer = {
      trace: (name, operation) => (attempt) => {
        told.push(`${name} attempt ${attempt.attempt}`);
        return operation(attempt);
      },
      attemptEnded: (_, { outcome, result }) => void told.push(`${outcome} ${(result as Response).status}`),
      settled: ({ outcome }) => void told.push(`call ${outcome}`),
    };
    const app = appOf(pipeline({ name: "orders", tracer }), (c) => c.text("no", 503));
    expect((await app.request("/")).status).toBe(503);
    expect(told).toEqual(["orders attempt 1", "dropped 503", "call dropped"]);
  });

  it("says how long the request waited and the handler took only where that is wanted", async () => {
    const clock = new TestClock();
    const handler = async (c: AppContext) => {
      await clock.sleep(40);
      return c.text("done", { headers: { "server-timing": "db;dur=3" } });
    };
    const policies = [concurrencyLimit({ maxConcurrent: 1, maxQueue: 1, clock })];
    const guarded = pipeline({ name: "orders", clock }, ...policies);
    const app = new Hono<ResilienceEnv>();
    app.get("/timed", resilience(guarded, { serverTiming: true }), handler);
    app.get("/", resilience(guarded), handler);
    const responses = [app.request("/timed"), app.request("/timed")];
    await clock.advance(40);
    await (await responses[0])?.text();
    await clock.advance(40);
    const timings = await Promise.all(responses.map(async (one) => (await one).headers.get("server-timing")));
    expect(timings).toEqual([
      "db;dur=3, queue;dur=0.0, handler;dur=40.0",
      "db;dur=3, queue;dur=40.0, handler;dur=40.0",
    ]);
    const plain = app.request("/");
    await (await responses[1])?.text();
    await clock.advance(40);
    expect((await plain).headers.get("server-timing")).toBe("db;dur=3");
    expect(() => resilience(guarded, { serverTiming: 1 as never })).toThrow(
      "`resilience.serverTiming` must be a boolean, got 1",
    );
  });

  it("gives handlers signal, deadline and attempt, typed", async () => {
    const clock = new TestClock(1000);
    const guarded = pipeline({ name: "orders", clock }, timeout({ timeoutMs: 200, clock }));
    const app = new Hono().get("/", resilience(guarded), (c) =>
      c.json({
        aborted: c.var.signal.aborted,
        deadline: c.get("deadline"),
        attempt: c.get("resilience").attempt,
      }),
    );
    expect(await (await app.request("/")).json()).toEqual({ aborted: false, deadline: 1200, attempt: 1 });
  });

  it("tells the policies what a response means", async () => {
    const counted = tally();
    const app = appOf(pipeline("all", counted), (c: AppContext) => {
      const status = Number(c.req.query("status"));
      if (c.req.query("throw") === "plain") throw new Error("broken");
      if (c.req.query("throw")) throw new HTTPException(status as 400);
      return c.body(null, status as 200);
    });
    for (const query of ["status=200", "status=404", "status=500", "status=503", "status=429"])
      await app.request(`/?${query}`);
    expect(counted.seen).toEqual(["success", "success", "failure", "dropped", "dropped"]);
    counted.seen.length = 0;
    for (const query of ["throw=plain", "throw=1&status=404", "throw=1&status=502", "throw=1&status=503"])
      await app.request(`/?${query}`);
    expect(counted.seen).toEqual(["failure", "success", "failure", "dropped"]);
  });

  it("lets options say what a failure is", async () => {
    const counted = tally();
    const app = new Hono();
    app.use(
      resilience(pipeline("all", counted), { isFailure: ({ status }) => status === 404, isOverload: () => false }),
    );
    await app.request("/nowhere");
    expect(counted.seen).toEqual(["failure"]);
  });

  it("opens the circuit over failing handlers, keeps their error as the cause, and answers for them", async () => {
    const clock = new TestClock();
    const broken = new Error("secret of the database");
    let calls = 0;
    const breaker = circuitBreaker({ trip: consecutiveFailures({ maxFailures: 2 }), openMs: 5000, clock });
    const guarded = pipeline({ name: "orders", clock }, breaker);
    let refusal: unknown;
    const app = new Hono();
    app.use(async (c, next) => {
      await next();
      refusal = c.error;
    });
    app.use(resilience(guarded));
    app.get("/", () => {
      calls++;
      throw broken;
    });
    app.onError((_, c) => c.text("broken", 500));
    expect((await app.request("/")).status).toBe(500);
    expect((await app.request("/")).status).toBe(500);
    const response = await app.request("/");
    expect(response.status).toBe(503);
    expect(response.headers.get("retry-after")).toBe("5");
    expect(await response.text()).not.toContain("secret");
    expect(calls).toBe(2);
    expect((refusal as CircuitOpenError).cause).toBe(broken);
  });

  it("does not blame the handlers for what middleware further in has refused", async () => {
    const counted = tally();
    const app = new Hono();
    const limit = concurrencyLimit({ maxConcurrent: 1 });
    const permit = await limit.acquire();
    app.use(resilience(pipeline("outer", counted)), limitRequests({ limit }));
    app.get("/", (c) => c.text("fine"));
    expect((await app.request("/")).status).toBe(503);
    permit.release();
    await (await app.request("/")).text();
    expect(counted.seen).toEqual(["ignored", "success"]);
  });

  it("keeps the permit until the body has been read", async () => {
    const limit = concurrencyLimit({ maxConcurrent: 1 });
    const app = appOf(pipeline("narrow", limit), (c: AppContext) => c.body(bodyOf(["a", "b"]).stream));
    const response = await app.request("/");
    expect(limit.inUse).toBe(1);
    const refused = await app.request("/");
    expect(refused.status).toBe(503);
    expect(await codeOf(refused)).toBe("ERR_CONCURRENCY_LIMIT");
    expect(await response.text()).toBe("ab");
    expect(limit.inUse).toBe(0);
  });

  it("keeps the permit until the body was cancelled or has failed", async () => {
    const limit = concurrencyLimit({ maxConcurrent: 1 });
    const { stream, state } = bodyOf(["a"], { endless: true });
    const app = appOf(pipeline("narrow", limit), (c: AppContext) =>
      c.req.query("broken")
        ? c.body(new ReadableStream({ pull: () => Promise.reject(new Error("broken off")) }, { highWaterMark: 0 }))
        : c.body(stream),
    );
    const response = await app.request("/");
    expect(limit.inUse).toBe(1);
    await response.body?.cancel();
    expect(state.cancelled).toBe(true);
    expect(limit.inUse).toBe(0);
    const broken = await app.request("/?broken=1");
    expect(limit.inUse).toBe(1);
    await expect(broken.text()).rejects.toThrow("broken off");
    expect(limit.inUse).toBe(0);
  });

  it("keeps status, headers and cookies of a response whose body it holds", async () => {
    const limit = concurrencyLimit({ maxConcurrent: 1 });
    const app = appOf(pipeline("narrow", limit), (c: AppContext) => {
      c.header("x-one", "1");
      c.header("set-cookie", "a=1", { append: true });
      c.header("set-cookie", "b=2", { append: true });
      return c.text("made", 201);
    });
    const response = await app.request("/");
    expect(response.status).toBe(201);
    expect(response.headers.get("x-one")).toBe("1");
    expect(response.headers.getSetCookie()).toEqual(["a=1", "b=2"]);
    expect(response.headers.get("content-type")).toBe("text/plain; charset=UTF-8");
    expect(await response.text()).toBe("made");
  });

  it("gives the permit back at once without a body", async () => {
    const limit = concurrencyLimit({ maxConcurrent: 1 });
    const app = appOf(pipeline("narrow", limit), (c: AppContext) => c.body(null, 204));
    expect((await app.request("/")).status).toBe(204);
    expect(limit.inUse).toBe(0);
  });

  it("keeps the permit of a handler that goes on after its client was answered", async () => {
    const clock = new TestClock();
    const limit = concurrencyLimit({ maxConcurrent: 1, clock });
    const work = parts();
    const app = appOf(
      pipeline({ name: "slow", clock }, limit, timeout({ timeoutMs: 100, clock })),
      async (c: AppContext) => {
        await work.promise;
        return c.text("late");
      },
    );
    const asked = app.request("/");
    await clock.advance(100);
    expect((await asked).status).toBe(504);
    expect(limit.inUse).toBe(1);
    expect(limit.abandoned).toBe(1);
    work.resolve();
    await clock.settle();
    expect(limit.inUse).toBe(0);
    expect(clock.pending).toBe(0);
  });

  it("aborts the handler when the client leaves, and counts that nowhere", async () => {
    const counted = tally();
    const client = new AbortController();
    let reason: unknown;
    const entered = parts();
    const app = appOf(pipeline("all", counted), async (c: AppContext) => {
      entered.resolve();
      await untilAborted(c).catch((error: unknown) => (reason = error));
      return c.text("late");
    });
    const asked = app.request(new Request("http://test/", { signal: client.signal }));
    await entered.promise;
    client.abort(new Error("the client has left"));
    expect((await asked).status).toBe(499);
    expect(reason).toMatchObject({ message: "the client has left" });
    expect(counted.seen).toEqual(["ignored"]);
  });

  it("does not run the handler for a client that has left already", async () => {
    let ran = false;
    const app = appOf(pipeline("all"), () => {
      ran = true;
      return new Response();
    });
    const response = await app.request(new Request("http://test/", { signal: AbortSignal.abort() }));
    expect(response.status).toBe(499);
    expect(ran).toBe(false);
  });

  it("sends what a fallback answers", async () => {
    const guarded = pipeline(
      "pages",
      fallback({ handlers: [() => new Response("from the shelf", { headers: { "x-stale": "1" } })] }),
    );
    const app = appOf(guarded, (c: AppContext) => c.text("broken", 500));
    const response = await app.request("/");
    expect(response.status).toBe(200);
    expect(response.headers.get("x-stale")).toBe("1");
    expect(await response.text()).toBe("from the shelf");
  });

  it("refuses policies that would run the handler again or share its response", () => {
    const policies = [retry(), singleFlight(), cache({ freshMs: 1000, key: () => "k" })];
    for (const policy of policies) {
      expect(() => resilience(pipeline("again", policy))).toThrow(
        `\`resilience.pipeline\` must be without a policy that runs the handler again or shares its response`,
      );
    }
    const own: Policy = { kind: "own", reruns: true, leave: () => "pass" };
    expect(() => resilience(pipeline("again", own))).toThrow("Hono runs a handler once per request");
  });

  it("tells the policies what `call` says", async () => {
    const limit = rateLimit({ limit: 1, windowMs: 1000 });
    const app = new Hono();
    app.use(resilience(pipeline("tenants", limit), { call: (c) => ({ key: c.req.header("x-tenant") ?? "" }) }));
    app.get("/", (c) => c.text("fine"));
    const status = async (tenant: string) => (await app.request("/", { headers: { "x-tenant": tenant } })).status;
    expect([await status("a"), await status("a"), await status("b")]).toEqual([200, 429, 200]);
  });

  it("names an option that is out of bounds", () => {
    expect(() => resilience({} as never)).toThrow("`resilience.pipeline` must be made by pipeline()");
    expect(() => resilience(pipeline("a"), { isFailure: 5 as never })).toThrow("`resilience.isFailure`");
  });
});
