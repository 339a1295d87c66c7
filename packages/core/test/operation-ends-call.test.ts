// Calls that nothing can end before their operation has: no timeout, no caller's signal, no deadline.
import { type Policy, concurrencyLimit, constantBackoff, fallback, pipeline, retry } from "@headgate/core";
import { TestClock } from "@headgate/core/testing";
import { describe, expect, it } from "vitest";
import { heldTimers } from "./support/leftovers.ts";
import { manualOperation, watch } from "./support/operations.ts";

describe("a call that nothing can end before its operation", () => {
  it("settles with what the operation settled with, once and the same object", async () => {
    const guarded = pipeline("plain", concurrencyLimit({ maxConcurrent: 2 }));
    const { operation, run } = manualOperation<object>();
    const [kept, thrown] = [{ kept: true }, new Error("thrown")];
    const [first, second] = [watch(guarded.execute(operation)), watch(guarded.execute(operation))];
    run(0).resolve(kept);
    run(1).reject(thrown);
    await new TestClock().settle();
    expect(first.value).toBe(kept);
    expect(second.error).toBe(thrown);
    expect(guarded.inFlight).toBe(0);
  });

  it("tells by attempt() how it ended, and never rejects", async () => {
    const guarded = pipeline("plain", retry({ maxAttempts: 1 }));
    const failure = new Error("thrown");
    expect(await guarded.attempt(async () => 1)).toEqual({ ok: true, value: 1, outcome: "success" });
    expect(await guarded.attempt(() => Promise.reject(failure))).toEqual({
      ok: false,
      error: failure,
      outcome: "failure",
    });
  });

  for (const [method, end] of [
    ["execute", "third"],
    ["attempt", { ok: true, value: "third", outcome: "success" }],
  ] as const)
    it(`goes on through back-offs and further attempts: ${method}`, async () => {
      const clock = new TestClock();
      const again = retry({ maxAttempts: 3, backoff: constantBackoff({ delayMs: 10 }), clock });
      const guarded = pipeline({ name: "again", clock }, again);
      const { operation, run, runs } = manualOperation();
      const call = watch<unknown>(guarded[method](operation));
      run(0).reject(new Error("first"));
      await clock.advance(10);
      run(1).reject(new Error("second"));
      await clock.advance(9);
      expect([call.state, runs.length]).toEqual(["pending", 2]);
      await clock.advance(1);
      run(2).resolve("third");
      await clock.settle();
      expect(call).toMatchObject({ state: "fulfilled", value: end });
      expect(await heldTimers(clock)).toBe(0);
    });

  it("is given the last error after the last attempt", async () => {
    const guarded = pipeline("again", retry({ maxAttempts: 2, backoff: constantBackoff({ delayMs: 0 }) }));
    const { operation, run } = manualOperation();
    const call = watch(guarded.execute(operation));
    run(0).reject(new Error("first"));
    await new TestClock().settle();
    const last = new Error("last");
    run(1).reject(last);
    await new TestClock().settle();
    expect(call.error).toBe(last);
  });

  it("is given what a fallback answers later", async () => {
    const clock = new TestClock();
    const answered = pipeline(
      { name: "answered", clock },
      fallback({ handlers: [() => clock.sleep(5).then(() => "stale")] }),
    );
    const call = watch(answered.execute(() => Promise.reject(new Error("down"))));
    await clock.advance(4);
    expect(call.state).toBe("pending");
    await clock.advance(1);
    expect(call.value).toBe("stale");
  });

  it("is answered at the operation's end when a policy cuts that has not said so", async () => {
    let cut = () => {};
    const rash: Policy = {
      kind: "rash",
      enter(call) {
        cut = () => call.cut(-1, "ignored", new Error("cut"));
        return "pass";
      },
    };
    const guarded = pipeline("rash", rash);
    const { operation, run } = manualOperation();
    const call = watch(guarded.execute(operation));
    cut();
    expect(guarded.inFlight).toBe(0);
    run(0).resolve("late");
    await new TestClock().settle();
    expect(call.error).toMatchObject({ message: "cut" });
  });
});
