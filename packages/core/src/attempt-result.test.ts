import { circuitBreaker, concurrencyLimit, consecutiveFailures, pipeline, timeout } from "@headgate/core";
import { TestClock } from "@headgate/core/testing";
import { describe, expect, it } from "vitest";
import { heldTimers } from "../test/support/leftovers.ts";

const failure = new Error("reset");

describe("Pipeline.attempt", () => {
  it("gives the value and how it counted", async () => {
    const guarded = pipeline("orders", circuitBreaker());
    expect(await guarded.attempt(() => 7)).toEqual({ ok: true, value: 7, outcome: "success" });
    expect(await guarded.attempt(async () => 8)).toEqual({ ok: true, value: 8, outcome: "success" });
  });

  it("gives a value that counts as a failure as a value", async () => {
    const result = await pipeline("orders").attempt(() => 500, { isFailure: (status) => status >= 500 });
    expect(result).toEqual({ ok: true, value: 500, outcome: "failure" });
  });

  it("gives what the operation threw, the same object", async () => {
    const result = await pipeline("orders").attempt(() => Promise.reject(failure));
    expect(result).toEqual({ ok: false, error: failure, outcome: "failure" });
    expect(!result.ok && result.error).toBe(failure);
  });

  it("gives a refusal without rejecting", async () => {
    const breaker = circuitBreaker({ name: "db", trip: consecutiveFailures({ maxFailures: 1 }) });
    const guarded = pipeline("orders", breaker);
    await guarded.attempt(() => Promise.reject(failure));
    const result = await guarded.attempt(() => 1);
    if (result.ok) throw new Error("was not refused");
    expect(result.outcome).toBe("ignored");
    expect(result.error).toMatchObject({ code: "ERR_CIRCUIT_OPEN", circuit: "db", cause: failure, pipeline: "orders" });
    expect(result.error).toBe(result.error);
  });

  it("gives the reason of a caller who leaves, before and during the call", async () => {
    const left = new Error("left");
    const early = await pipeline("early").attempt(() => 1, { signal: AbortSignal.abort(left) });
    expect(early).toEqual({ ok: false, error: left, outcome: "ignored" });
    const controller = new AbortController();
    const during = pipeline("during").attempt(() => new Promise(() => {}), { signal: controller.signal });
    controller.abort(left);
    expect(await during).toEqual({ ok: false, error: left, outcome: "ignored" });
  });

  it("gives the deadline's error, and what a waiting call comes to", async () => {
    const clock = new TestClock();
    const limit = concurrencyLimit({ maxConcurrent: 1, maxQueue: 1, maxWaitMs: 5, clock });
    const guarded = pipeline({ name: "slow", clock }, timeout({ timeoutMs: 10, clock }), limit);
    const slow = guarded.attempt(() => new Promise(() => {}));
    const waiting = guarded.attempt(() => 1);
    await clock.advance(10);
    expect(await slow).toMatchObject({ ok: false, outcome: "dropped", error: { code: "ERR_TIMEOUT" } });
    expect(await waiting).toMatchObject({ ok: false, outcome: "ignored", error: { reason: "wait" } });
    expect(await heldTimers(clock)).toBe(0);
  });
});
