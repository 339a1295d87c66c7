import {
  AdaptiveThrottleError,
  circuitBreaker,
  concurrencyLimit,
  consecutiveFailures,
  HeadgateError,
  pipeline,
  RateLimitError,
  TimeoutError,
} from "@headgate/core";
import { ByteLimitError, MinRateError, StreamTimeoutError } from "@headgate/core/streams";
import { TestClock } from "@headgate/core/testing";
import { Hono } from "hono";
import { basicAuth } from "hono/basic-auth";
import { HTTPException } from "hono/http-exception";
import { describe, expect, it } from "vitest";
import { problem, toProblem } from "./problem.ts";

const failure = new Error("connection reset by 10.0.0.7");

async function openCircuitError(): Promise<unknown> {
  const clock = new TestClock();
  const breaker = circuitBreaker({ trip: consecutiveFailures({ maxFailures: 1 }), openMs: 1500, clock });
  const guarded = pipeline("orders", breaker);
  await guarded.execute(() => Promise.reject(failure)).catch(() => {});
  return guarded.execute(() => 1).catch((error: unknown) => error);
}

describe("toProblem", () => {
  it("answers an open circuit with 503, Retry-After in whole seconds, and who decided", async () => {
    const { status, headers, problem: document } = toProblem(await openCircuitError());
    expect(status).toBe(503);
    expect(headers).toEqual({
      "content-type": "application/problem+json",
      "cache-control": "no-store",
      "retry-after": "2",
    });
    expect(document).toEqual({
      type: "urn:headgate:problem:circuit-open",
      title: "Circuit open",
      status: 503,
      detail: "The upstream has been failing; calls to it are refused until it is tried again.",
      code: "ERR_CIRCUIT_OPEN",
      policy: "circuit-breaker",
      pipeline: "orders",
    });
  });

  it("answers a full queue with 503 and Retry-After", async () => {
    const narrow = pipeline("narrow", concurrencyLimit({ maxConcurrent: 1 }));
    let finish = (): void => {};
    const running = narrow.execute(() => new Promise<void>((resolve) => (finish = resolve)));
    const error = await narrow.execute(() => 1).catch((reason: unknown) => reason);
    expect(toProblem(error)).toMatchObject({
      status: 503,
      headers: { "retry-after": "1" },
      problem: { code: "ERR_CONCURRENCY_LIMIT", policy: "concurrency-limit", pipeline: "narrow" },
    });
    finish();
    await running;
  });

  it("answers each code with its status and fields", () => {
    const table: [HeadgateError, number, Record<string, string>][] = [
      [new TimeoutError(100, "total"), 504, {}],
      [new TimeoutError(0, "deadline"), 504, {}],
      [new AdaptiveThrottleError("orders", 0.5), 503, { "retry-after": "1" }],
      [new RateLimitError("searches", "limit", 2500, 1), 429, { "retry-after": "3" }],
      [new RateLimitError("searches", "weight", undefined, 1), 429, {}],
      [new RateLimitError("searches", "backend", undefined, 1, failure), 503, {}],
      [new ByteLimitError(10, 11), 413, { connection: "close" }],
      [new MinRateError(240, 5000, 1, 5000), 408, { connection: "close" }],
      [new StreamTimeoutError(100, "idle"), 504, {}],
    ];
    const fields = { "content-type": "application/problem+json", "cache-control": "no-store" };
    for (const [error, status, more] of table) {
      const parts = toProblem(error);
      expect(parts).toMatchObject({ status, problem: { status, code: error.code } });
      expect(parts.headers).toEqual({ ...fields, ...more });
      expect(JSON.stringify(parts)).not.toContain("10.0.0.7");
    }
  });

  it("knows an error that another package brings by its code", () => {
    class ShutdownError extends HeadgateError {
      override readonly name = "ShutdownError";
      override readonly message = "pid 4711 is going down";
    }
    const { status, headers, problem: document } = toProblem(new ShutdownError("ERR_SHUTDOWN"));
    expect([status, headers["retry-after"], headers["connection"]]).toEqual([503, "1", "close"]);
    expect(JSON.stringify(document)).not.toContain("4711");
  });

  it("passes on what Hono's own errors mean for the client, and no more", () => {
    expect(toProblem(new HTTPException(404, { message: "No such order", cause: failure })).problem).toEqual({
      type: "about:blank",
      title: "Not found",
      status: 404,
      detail: "No such order",
      code: "ERR_HTTP_404",
    });
    expect(toProblem(new HTTPException(418)).problem).toMatchObject({ title: "Request refused", status: 418 });
    expect(toProblem(new HTTPException(502, { message: "10.0.0.7" })).problem).toEqual({
      type: "about:blank",
      title: "Bad gateway",
      status: 502,
      code: "ERR_HTTP_502",
    });
  });

  it("says nothing of an error that it does not know", () => {
    expect(toProblem(failure).problem).toEqual({
      type: "urn:headgate:problem:internal",
      title: "Internal error",
      status: 500,
      code: "ERR_INTERNAL",
    });
  });

  it("does not take a foreign error's code for one of its own", () => {
    expect(toProblem(Object.assign(new Error("x"), { code: "ERR_TIMEOUT" })).status).toBe(500);
    expect(toProblem(Object.assign(new Error("x"), { code: "toString" })).status).toBe(500);
    expect(toProblem("thrown").status).toBe(500);
    expect(toProblem(undefined).status).toBe(500);
  });

  it("takes further kinds by code", () => {
    const error = Object.assign(new Error("secret"), { code: "ERR_OUT_OF_STOCK" });
    expect(toProblem(error, { ERR_OUT_OF_STOCK: { status: 409, title: "Out of stock" } }).problem).toEqual({
      type: "urn:headgate:problem:out-of-stock",
      title: "Out of stock",
      status: 409,
      code: "ERR_OUT_OF_STOCK",
    });
  });
});

describe("problem", () => {
  it("answers for Hono's onError", async () => {
    const app = new Hono();
    app.get("/", () => {
      throw failure;
    });
    app.onError((error) => problem(error));
    const response = await app.request("/");
    expect(response.status).toBe(500);
    expect(response.headers.get("content-type")).toBe("application/problem+json");
    expect(await response.text()).not.toContain("10.0.0.7");
  });

  it("keeps the response that an HTTPException brings", async () => {
    const app = new Hono();
    app.use(basicAuth({ username: "a", password: "b" }));
    app.onError((error) => problem(error));
    const response = await app.request("/");
    expect(response.status).toBe(401);
    expect(response.headers.get("www-authenticate")).toBe('Basic realm="Secure Area"');
  });
});
