import { TestClock } from "@headgate/core/testing";
import { Hono } from "hono";
import { describe, expect, it } from "vitest";
import { httpMetrics, type HttpServerMeter, type ServedRequest } from "./http-metrics.ts";
import { timeout } from "./timeout.ts";

class Book implements HttpServerMeter {
  readonly requests: (ServedRequest & { seconds: number })[] = [];
  readonly underWay: Record<string, number> = {};

  active(change: 1 | -1, method: string, scheme: string): void {
    const key = `${method} ${scheme}`;
    this.underWay[key] = (this.underWay[key] ?? 0) + change;
  }

  served(request: ServedRequest, seconds: number): void {
    this.requests.push({ ...request, seconds });
  }

  get last() {
    return this.requests.at(-1);
  }
}

const broken = new Error("the body broke");

function setUp() {
  const book = new Book();
  const clock = new TestClock();
  const app = new Hono();
  app.use(httpMetrics({ meter: book, clock }));
  app.get("/users/:id", (c) => c.text(c.req.param("id")));
  app.get("/empty", (c) => c.body(null, 204));
  app.get("/stream", async () => {
    await clock.sleep(500);
    let chunks = 0;
    const pull = async (controller: ReadableStreamDefaultController<Uint8Array>) => {
      await clock.sleep(1000);
      if (chunks++ < 2) controller.enqueue(new Uint8Array(10));
      else controller.close();
    };
    return new Response(new ReadableStream({ pull }, { highWaterMark: 0 }));
  });
  app.get("/broken", () => new Response(new ReadableStream({ pull: (controller) => controller.error(broken) })));
  app.get("/fails", () => {
    throw new RangeError("no");
  });
  app.get("/bad", (c) => c.text("no", 502));
  app.onError((_, c) => c.text("failed", 500));
  return { app, book, clock };
}

describe("httpMetrics", () => {
  it("tells method, scheme, the route's pattern and the status", async () => {
    const { app, book } = setUp();
    const response = await app.request("https://shop.example/users/7?x=1");
    expect(await response.text()).toBe("7");
    expect(book.requests).toEqual([
      { method: "GET", scheme: "https", route: "/users/:id", status: 200, error: undefined, seconds: 0 },
    ]);
    expect(book.underWay).toEqual({ "GET https": 0 });
  });

  it("counts a request as under way, and its time, until its body has ended", async () => {
    const { app, book, clock } = setUp();
    const answered = Promise.resolve(app.request("/stream"));
    await clock.advance(500);
    const reading = (await answered).arrayBuffer();
    await clock.advance(2999);
    expect([book.requests, book.underWay]).toEqual([[], { "GET http": 1 }]);
    await clock.advance(1);
    expect((await reading).byteLength).toBe(20);
    expect([book.last?.seconds, book.underWay]).toEqual([3.5, { "GET http": 0 }]);
  });

  it("ends with a body that is cancelled", async () => {
    const { app, book, clock } = setUp();
    const answered = Promise.resolve(app.request("/stream"));
    await clock.advance(500);
    const reader = (await answered).body?.getReader();
    const read = reader?.read();
    await clock.advance(1000);
    await read;
    await reader?.cancel("gone");
    expect(book.requests).toEqual([expect.objectContaining({ status: 200, error: undefined, seconds: 1.5 })]);
    expect(book.underWay).toEqual({ "GET http": 0 });
  });

  it("tells what a body has failed with", async () => {
    const { app, book } = setUp();
    const response = await app.request("/broken");
    await expect(response.text()).rejects.toThrow();
    expect(book.requests).toEqual([expect.objectContaining({ status: 200, error: broken })]);
  });

  it("tells what a handler has thrown, and how that was answered", async () => {
    const { app, book } = setUp();
    await (await app.request("/fails")).text();
    expect(book.last).toMatchObject({ route: "/fails", status: 500, error: new RangeError("no") });
    await (await app.request("/bad")).text();
    expect(book.last).toMatchObject({ route: "/bad", status: 502, error: undefined });
  });

  it("has one name for methods that nobody knows, and none for paths without a handler", async () => {
    const { app, book } = setUp();
    for (const method of ["PURGE", "MKCOL"]) await (await app.request("/users/7", { method })).text();
    expect(book.requests.map(({ method, route, status }) => [method, route, status])).toEqual([
      ["_OTHER", undefined, 404],
      ["_OTHER", undefined, 404],
    ]);
    await (await app.request("/nowhere")).text();
    expect(book.last).toMatchObject({ method: "GET", route: undefined, status: 404 });
  });

  it("knows the route of a request that a middleware has refused", async () => {
    const { app, book } = setUp();
    app.use("/slow/*", async (c, _next) => c.text("later", 503));
    app.get("/slow/:id", (c) => c.text("never"));
    await (await app.request("/slow/7")).text();
    expect(book.last).toMatchObject({ route: "/slow/:id", status: 503 });
  });

  it("knows routes of applications within, behind middleware of their own", async () => {
    const { app, book, clock } = setUp();
    const inner = new Hono();
    inner.onError((_, c) => c.text("inner", 500));
    inner.get("/:item", timeout({ timeoutMs: 100, clock }), (c) => c.text("fine"));
    app.route("/shop", inner);
    await (await app.request("/shop/tea")).text();
    expect(book.last).toMatchObject({ route: "/shop/:item", status: 200 });
  });

  it("counts a response without a body at once, that of a HEAD too", async () => {
    const { app, book } = setUp();
    expect((await app.request("/empty")).status).toBe(204);
    expect(book.last).toMatchObject({ method: "GET", status: 204 });
    expect((await app.request("/users/7", { method: "HEAD" })).status).toBe(200);
    expect(book.last).toMatchObject({ method: "HEAD", route: "/users/:id", status: 200 });
    expect(book.underWay).toEqual({ "GET http": 0, "HEAD http": 0 });
  });

  it("answers as ever when the meter throws", async () => {
    const app = new Hono();
    const fail = () => {
      throw new Error("the meter is broken");
    };
    app.use(httpMetrics({ meter: { active: fail, served: fail } }));
    app.get("/", (c) => c.text("fine"));
    expect(await (await app.request("/")).text()).toBe("fine");
  });

  it.each([
    [{}, "`httpMetrics.meter` must be an HttpServerMeter, got undefined"],
    [{ meter: {} }, "`httpMetrics.meter.active` must be a function, got undefined"],
    [{ meter: { active() {} } }, "`httpMetrics.meter.served` must be a function, got undefined"],
  ])("refuses %o", (options, message) => {
    expect(() => httpMetrics(options as never)).toThrow(message);
  });

  it("leaves the body alone where the server tells when the response has gone out", async () => {
    const book = new Book();
    const clock = new TestClock();
    const app = new Hono();
    let over: (error?: unknown) => void = () => {};
    app.use(httpMetrics({ meter: book, clock, whenSent: (_, then) => void (over = then) }));
    const body = new ReadableStream({ pull: (controller) => controller.close() });
    app.get("/stream", () => new Response(body, { status: 206 }));
    const response = await app.request("/stream");
    expect(response.body).toBe(body);
    expect(book.requests).toEqual([]);
    await clock.advance(2500);
    over(broken);
    over();
    expect(book.requests).toMatchObject([{ route: "/stream", status: 206, error: broken, seconds: 2.5 }]);
    expect(book.underWay).toEqual({ "GET http": 0 });
  });
});
