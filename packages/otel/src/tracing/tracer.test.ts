import {
  cache,
  circuitBreaker,
  consecutiveFailures,
  constantBackoff,
  fallback,
  pipeline,
  retry,
  singleFlight,
  timeout,
} from "@headgate/core";
import { TestClock } from "@headgate/core/testing";
import { context, ROOT_CONTEXT, trace } from "@opentelemetry/api";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { RecordedSpans } from "../../test/support/recorded-spans.ts";
import { createTracer } from "./index.ts";

let spans: RecordedSpans;
let clock: TestClock;

beforeEach(() => {
  spans = new RecordedSpans();
  clock = new TestClock();
});

afterEach(() => {
  expect(
    [...spans.ends.values()].every((times) => times === 1),
    "each span has ended once",
  ).toBe(true);
  spans[Symbol.dispose]();
});

const tracer = () => createTracer({ tracerProvider: spans.provider });
const again = (maxAttempts = 3) => retry({ maxAttempts, backoff: constantBackoff({ delayMs: 0 }), clock });
const reason = (error: unknown) => error;

describe("createTracer", () => {
  it("makes a span of the call and of each attempt, and marks only those that failed", async () => {
    const calls = pipeline({ name: "shop", clock, tracer: tracer() }, again());
    const seen: (string | undefined)[] = [];
    await spans.inside(() =>
      calls.execute(async ({ attempt }) => {
        seen.push(trace.getActiveSpan()?.spanContext().spanId);
        await Promise.resolve();
        seen.push(trace.getActiveSpan()?.spanContext().spanId);
        if (attempt === 1) throw new RangeError("not yet");
        return 7;
      }),
    );
    const [first, second, call, parent] = spans.all();
    expect(first).toEqual({
      name: "shop attempt",
      kind: "CLIENT",
      parent: "shop",
      status: "ERROR",
      message: "not yet",
      attributes: { "pipeline.name": "shop", "attempt.outcome": "failure", "error.type": "RangeError" },
    });
    expect(second).toMatchObject({ kind: "CLIENT", parent: "shop", status: "UNSET" });
    expect(second?.attributes).toEqual({
      "pipeline.name": "shop",
      "http.request.resend_count": 1,
      "attempt.outcome": "success",
    });
    expect(call).toEqual({
      name: "shop",
      kind: "INTERNAL",
      parent: "parent",
      status: "UNSET",
      message: undefined,
      attributes: { "pipeline.name": "shop", "pipeline.outcome": "success", "retry.count": 1 },
    });
    expect(parent).toMatchObject({ name: "parent", status: "UNSET" });
    // Both parts of an attempt run in its own span.
    expect(seen[0]).toBe(seen[1]);
    expect(seen[2]).toBe(seen[3]);
    expect(new Set(seen).size).toBe(2);
  });

  it("gives what the operation returns and throws, also at once, by execute and by attempt", async () => {
    const calls = pipeline({ name: "p", clock, tracer: tracer() });
    const broken = new TypeError("broken");
    const fail = () => {
      throw broken;
    };
    await spans.inside(async () => {
      expect(await calls.execute(() => 7)).toBe(7);
      expect(await calls.execute(fail).catch(reason)).toBe(broken);
      expect(await calls.attempt(() => 8)).toEqual({ ok: true, value: 8, outcome: "success" });
      expect(await calls.attempt(fail)).toMatchObject({ ok: false, error: broken });
    });
    expect(spans.all().map(({ name, status }) => `${name}: ${status}`)).toEqual([
      "p attempt: UNSET",
      "p: UNSET",
      "p attempt: ERROR",
      "p: ERROR",
      "p attempt: UNSET",
      "p: UNSET",
      "p attempt: ERROR",
      "p: ERROR",
      "parent: UNSET",
    ]);
  });

  it("makes nothing without a parent that records, and runs the operation itself", async () => {
    const made = tracer();
    const operation = () => trace.getActiveSpan();
    expect(made.trace("p", operation)).toBe(operation);
    const calls = pipeline({ name: "p", clock, tracer: made });
    expect(await calls.execute(operation)).toBeUndefined();
    const remote = { traceId: "1".repeat(32), spanId: "2".repeat(16), traceFlags: 1 };
    const outer = trace.wrapSpanContext(remote);
    const found = await context.with(trace.setSpan(ROOT_CONTEXT, outer), () => calls.execute(operation));
    expect(found).toBe(outer);
    expect(spans.ends.size).toBe(0);
  });

  it("ends the span of an attempt when that is given up, not when it has really ended", async () => {
    const calls = pipeline({ name: "p", clock, tracer: tracer() }, again(2), timeout({ timeoutMs: 100, clock }));
    const late = Promise.withResolvers<number>();
    const running = spans.inside(() => calls.execute(({ attempt }) => (attempt === 1 ? late.promise : 7)));
    await clock.advance(100);
    expect(await running).toBe(7);
    const before = spans.all();
    late.resolve(1);
    await late.promise;
    expect(spans.all()).toEqual(before);
    expect(before[0]).toMatchObject({
      status: "ERROR",
      attributes: { "attempt.outcome": "timeout", "error.type": "ERR_TIMEOUT" },
    });
    expect(before.map(({ name }) => name)).toEqual(["p attempt", "p attempt", "p", "parent"]);
  });

  it("calls it cancelled, and no error, when the caller leaves", async () => {
    const calls = pipeline({ name: "p", clock, tracer: tracer() }, timeout({ timeoutMs: 100, clock }));
    const leaving = new AbortController();
    const running = spans.inside(() => calls.execute(() => new Promise(() => {}), { signal: leaving.signal }));
    leaving.abort(new Error("gone"));
    expect(await running.catch(reason)).toBe(leaving.signal.reason);
    const gone = AbortSignal.abort(new Error("never there"));
    await spans.inside(() => calls.execute(() => 7, { signal: gone })).catch(reason);
    expect(spans.all().filter(({ name }) => name !== "parent")).toMatchObject([
      { name: "p attempt", status: "UNSET", attributes: { "attempt.outcome": "cancelled" } },
      { name: "p", status: "UNSET", attributes: { "pipeline.outcome": "cancelled" } },
      { name: "p", status: "UNSET", attributes: { "pipeline.outcome": "cancelled" } },
    ]);
  });

  it("makes no span of an attempt that a policy refuses", async () => {
    const breaker = circuitBreaker({ name: "b", trip: consecutiveFailures({ maxFailures: 1 }), clock });
    const calls = pipeline({ name: "p", clock, tracer: tracer() }, breaker);
    await calls.execute(() => Promise.reject(new Error("down"))).catch(reason);
    await spans.inside(() => calls.attempt(() => 7));
    expect(spans.all()[0]).toMatchObject({
      name: "p",
      status: "ERROR",
      attributes: { "pipeline.outcome": "rejected_breaker", "error.type": "ERR_CIRCUIT_OPEN" },
    });
    expect(spans.attempts()).toEqual([]);
  });

  it("tells that a fallback has answered", async () => {
    const calls = pipeline({ name: "p", clock, tracer: tracer() }, fallback({ handlers: [() => 0] }));
    await spans.inside(() => calls.execute(() => Promise.reject(new Error("down"))));
    expect(spans.all()).toMatchObject([
      { name: "p attempt", status: "ERROR" },
      { name: "p", status: "UNSET", attributes: { "pipeline.outcome": "fallback" } },
      { name: "parent" },
    ]);
  });

  it("has the judgement of a value, and the status of one that has an HTTP status", async () => {
    const isFailure = (value: unknown) => value === "bad" || (value as { status?: number }).status === 503;
    const calls = pipeline({ name: "p", clock, isFailure, tracer: tracer() });
    await spans.inside(async () => {
      await calls.execute(() => "bad");
      await calls.execute(() => ({ status: 503 }));
      await calls.execute(() => ({ status: 404 }));
      await calls.execute(() => ({ status: 204 }));
    });
    const attempts = spans.attempts().map(({ status, attributes }) => {
      const { "attempt.outcome": outcome, "error.type": type, "http.response.status_code": code } = attributes;
      return [status, outcome, type, code];
    });
    expect(attempts).toEqual([
      ["ERROR", "failure", "_OTHER", undefined],
      ["ERROR", "failure", "503", 503],
      ["ERROR", "success", "404", 404],
      ["UNSET", "success", undefined, 204],
    ]);
    const calledAs = spans.all().filter(({ name }) => name === "p");
    expect(calledAs.map(({ status }) => status)).toEqual(["ERROR", "ERROR", "UNSET", "UNSET"]);
  });

  it("makes no attempt of an answer from the cache, and one of work in the background", async () => {
    const ages = { freshMs: 100, staleWhileRevalidateMs: 1000 };
    const stored = cache({ name: "c", ...ages, clock });
    const calls = pipeline({ name: "p", clock, tracer: tracer() }, stored);
    const refreshed = Promise.withResolvers<number>();
    let values = [Promise.resolve(1), refreshed.promise];
    const read = () => spans.inside(() => calls.execute(() => values.shift(), { key: "k" }));
    expect(await read()).toBe(1);
    expect(await read()).toBe(1);
    expect(spans.attempts()).toHaveLength(1);
    await clock.advance(200);
    expect(await read()).toBe(1);
    expect(spans.all().filter(({ name }) => name === "p")).toHaveLength(3);
    expect(spans.attempts()).toHaveLength(1);
    refreshed.resolve(2);
    await clock.advance(0);
    expect(spans.attempts()).toHaveLength(2);
    values = [];
    expect(await read()).toBe(2);
  });

  it("makes one attempt of work that calls share, inside the call that began it", async () => {
    const calls = pipeline({ name: "p", clock, tracer: tracer() }, singleFlight({ clock }));
    const work = Promise.withResolvers<number>();
    const both = [1, 2].map((i) => spans.inside(() => calls.execute(() => work.promise, { key: "k" }), `parent ${i}`));
    work.resolve(7);
    expect(await Promise.all(both)).toEqual([7, 7]);
    expect(spans.attempts()).toHaveLength(1);
    expect(spans.all().map(({ name }) => name)).toEqual(["p attempt", "p", "p", "parent 1", "parent 2"]);
  });

  it("makes spans of handlers where attempts are internal", async () => {
    const internal = createTracer({ tracerProvider: spans.provider, attempts: "internal" });
    await spans.inside(() => pipeline({ name: "p", clock, tracer: internal }).execute(() => 7));
    expect(spans.attempts()).toMatchObject([{ kind: "INTERNAL" }]);
  });
});
