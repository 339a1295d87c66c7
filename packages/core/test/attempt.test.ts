import { concurrencyLimit, constantBackoff, pipeline, retry, timeout } from "@headgate/core";
import { TestClock } from "@headgate/core/testing";
import { describe, expect, it } from "vitest";
import { guardedOperation } from "./support/guarded.ts";
import { manualOperation, watch } from "./support/operations.ts";

const failure = new Error("down");
const reason = { left: true };

describe("Pipeline.attempt", () => {
  it("gives the value and how it counted", async () => {
    const plain = pipeline({
      name: "plain",
      isFailure: (status) => status === 500,
      isOverload: (status) => status === 503,
    });
    expect(await plain.attempt(() => 200)).toEqual({ ok: true, value: 200, outcome: "success" });
    expect(await plain.attempt(async () => 500)).toEqual({ ok: true, value: 500, outcome: "failure" });
    expect(await plain.attempt(async () => 503)).toEqual({ ok: true, value: 503, outcome: "dropped" });
  });

  it("gives what was thrown instead of throwing it, now or later", async () => {
    const guarded = pipeline("failing", retry({ maxAttempts: 2, backoff: constantBackoff({ delayMs: 0 }) }));
    const threw = { ok: false, error: failure, outcome: "failure" };
    expect(await guarded.attempt(() => Promise.reject(failure))).toEqual(threw);
    const throwing = (): never => {
      throw failure;
    };
    expect(await guarded.attempt(throwing)).toEqual(threw);
  });

  it("gives refusals, timeouts and the caller's abort", async () => {
    const clock = new TestClock();
    const limit = concurrencyLimit({ maxConcurrent: 1, clock });
    const guarded = pipeline({ name: "all", clock }, timeout({ timeoutMs: 10, clock }), limit);
    const slow = watch(guarded.attempt(manualOperation().operation));
    const refused = await guarded.attempt(() => 1);
    expect(refused).toMatchObject({ ok: false, error: { code: "ERR_CONCURRENCY_LIMIT" }, outcome: "ignored" });
    await clock.advance(10);
    expect(slow.value).toMatchObject({ ok: false, error: { code: "ERR_TIMEOUT" }, outcome: "dropped" });
    const left = await guarded.attempt(() => 1, { signal: AbortSignal.abort(reason) });
    expect(left).toEqual({ ok: false, error: reason, outcome: "ignored" });
  });

  it("gives the caller's abort at once while the operation goes on", async () => {
    const { guarded, controller, signal, operation, limit } = guardedOperation();
    const attempt = guarded.attempt(operation, { signal });
    controller.abort(reason);
    expect(await attempt).toEqual({ ok: false, error: reason, outcome: "ignored" });
    expect(limit.abandoned).toBe(1);
  });
});
