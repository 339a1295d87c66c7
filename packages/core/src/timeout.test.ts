import { type Policy, TimeoutError, constantBackoff, isHeadgateError, pipeline, retry, timeout } from "@headgate/core";
import { EventRecorder, TestClock } from "@headgate/core/testing";
import { describe, expect, it } from "vitest";
import { heldTimers } from "../test/support/leftovers.ts";
import { manualOperation, rejectionOf, watch } from "../test/support/operations.ts";
import { itRefuses } from "../test/support/options.ts";

describe("timeout", () => {
  it("rejects at its deadline and not before, whether or not the operation heeds its signal", async () => {
    const clock = new TestClock();
    const { operation } = manualOperation();
    const call = watch(pipeline({ name: "slow", clock }, timeout({ timeoutMs: 100, clock })).execute(operation));
    await clock.advance(99);
    expect(call.state).toBe("pending");
    await clock.advance(1);
    expect(call.error).toBeInstanceOf(TimeoutError);
    expect(call.error).toMatchObject({
      code: "ERR_TIMEOUT",
      policy: "timeout",
      pipeline: "slow",
      timeoutMs: 100,
      scope: "total",
      message: "The call took longer than 100 ms",
    });
  });

  it("leaves a call alone that is done in time, and no timer behind", async () => {
    const clock = new TestClock();
    const guarded = pipeline({ name: "quick", clock }, timeout({ timeoutMs: 100, clock }));
    const { operation, run } = manualOperation();
    const call = watch(guarded.execute(operation));
    expect(clock.pending).toBe(1);
    await clock.advance(99);
    run(0).resolve("in time");
    await clock.settle();
    expect(call).toMatchObject({ state: "fulfilled", value: "in time" });
    expect(await heldTimers(clock)).toBe(0);
    await clock.advance(1000);
    expect(run(0).context.signal.aborted).toBe(false);
  });

  it("passes an error on as it was thrown", async () => {
    const clock = new TestClock();
    const failure = Object.assign(new Error("theirs"), { name: "TimeoutError" });
    const guarded = pipeline("failing", timeout({ timeoutMs: 100, clock }));
    expect(await rejectionOf(guarded.execute(() => Promise.reject(failure)))).toBe(failure);
    expect(await heldTimers(clock)).toBe(0);
  });

  it("aborts the operation's signal with the very error that the caller is given", async () => {
    const clock = new TestClock();
    const { operation, run } = manualOperation();
    const call = watch(pipeline("told", timeout({ timeoutMs: 10, clock })).execute(operation));
    const { signal } = run(0).context;
    await clock.advance(10);
    expect(signal.reason).toBe(call.error);
  });

  it("times each of many overlapping calls from its own start", async () => {
    const clock = new TestClock();
    const guarded = pipeline("many", timeout({ timeoutMs: 100, clock }));
    const { operation, run } = manualOperation();
    const calls = [];
    for (let i = 0; i < 5; i++) {
      calls.push(watch(guarded.execute(operation)));
      await clock.advance(10);
    }
    run(1).resolve("left from the middle");
    run(4).resolve("left from the end");
    const rejectedAtMs: number[] = [];
    while (clock.now() < 200) {
      await clock.advance(1);
      if (calls.filter(({ state }) => state === "rejected").length > rejectedAtMs.length)
        rejectedAtMs.push(clock.now());
    }
    expect(rejectedAtMs).toEqual([100, 120, 130]);
    expect(calls.map(({ state }) => state)).toEqual(["rejected", "fulfilled", "rejected", "rejected", "fulfilled"]);
    expect(await heldTimers(clock)).toBe(0);
  });

  it("times a call that starts after an idle time in full, and holds the process meanwhile", async () => {
    const clock = new TestClock();
    const guarded = pipeline("idle", timeout({ timeoutMs: 100, clock }));
    await guarded.execute(() => Promise.resolve(1));
    await clock.advance(60);
    const call = watch(guarded.execute(manualOperation().operation));
    expect(clock.pending).toBe(1);
    await clock.advance(99);
    expect(call.state).toBe("pending");
    await clock.advance(1);
    expect(call.state).toBe("rejected");
  });

  it("times each attempt anew when it stands inside a retry", async () => {
    const clock = new TestClock();
    const events = new EventRecorder();
    const guarded = pipeline(
      { name: "attempts", clock, observer: events.observer },
      retry({ maxAttempts: 2, backoff: constantBackoff({ delayMs: 5 }), clock }),
      timeout({ timeoutMs: 10, clock }),
    );
    const { operation, runs } = manualOperation();
    const call = watch(guarded.execute(operation));
    await clock.advance(15);
    expect(runs.map(({ context }) => context.attempt)).toEqual([1, 2]);
    expect(call.state).toBe("pending");
    await clock.advance(10);
    expect(call.error).toMatchObject({ scope: "attempt", message: "The attempt took longer than 10 ms" });
    expect(events.of("timeout.fired")).toEqual([
      { type: "timeout.fired", pipeline: "attempts", scope: "attempt", timeoutMs: 10 },
      { type: "timeout.fired", pipeline: "attempts", scope: "attempt", timeoutMs: 10 },
    ]);
  });

  it("ends attempts and back-off alike when the whole call has taken too long", async () => {
    const clock = new TestClock();
    const guarded = pipeline(
      { name: "both", clock },
      timeout({ timeoutMs: 25, clock }),
      retry({ maxAttempts: 9, backoff: constantBackoff({ delayMs: 1 }), clock }),
      timeout({ timeoutMs: 10, clock }),
    );
    const { operation, runs } = manualOperation();
    const call = watch(guarded.execute(operation));
    await clock.advance(25);
    expect(call.error).toMatchObject({ scope: "total", timeoutMs: 25 });
    expect(runs).toHaveLength(3);
    expect(await heldTimers(clock)).toBe(0);
  });

  it("counts as ignored where `isIgnored` says that it was not the dependency that took so long", async () => {
    const clock = new TestClock();
    const outcomes: string[] = [];
    const watching: Policy = { kind: "watching", leave: (call) => (outcomes.push(call.outcome), "pass") };
    const guarded = pipeline({ name: "uploads", clock }, watching, timeout({ timeoutMs: 10, clock }));
    const uploading = (result: unknown) => isHeadgateError(result) && result.code === "ERR_TIMEOUT";
    const failing = () => {
      throw new Error("predicate");
    };
    const calls = [uploading, () => false, failing].map((isIgnored) =>
      watch(guarded.execute(() => new Promise(() => {}), { isIgnored })),
    );
    await clock.advance(10);
    expect(calls.map(({ error }) => isHeadgateError(error) && error.code)).toEqual(Array(3).fill("ERR_TIMEOUT"));
    expect(outcomes).toEqual(["ignored", "dropped", "dropped"]);
  });

  it("holds the process while any of its calls runs, by one timer for all of them", async () => {
    const clock = new TestClock();
    const guarded = pipeline({ name: "shared", clock }, timeout({ timeoutMs: 100, clock }));
    const { operation, run } = manualOperation();
    void guarded.execute(operation);
    void guarded.execute(operation);
    run(0).resolve("done");
    expect(await heldTimers(clock)).toBe(1);
    run(1).resolve("done");
    expect(await heldTimers(clock)).toBe(0);
    void guarded.execute(operation);
    expect(await heldTimers(clock)).toBe(1);
    run(2).resolve("done");
    expect(await heldTimers(clock)).toBe(0);
  });

  it("describes itself by its time", () => {
    expect(timeout({ timeoutMs: 2000 }).describe?.()).toBe("2000 ms");
  });

  it("reads the clock of its own, where that is not the pipeline's", async () => {
    const [clock, other] = [new TestClock(1000), new TestClock(5000)];
    const guarded = pipeline(
      { name: "clocks", clock, checkOrder: false },
      timeout({ timeoutMs: 50, clock: other }),
      timeout({ timeoutMs: 10, clock }),
    );
    const { operation, run } = manualOperation();
    const call = watch(guarded.execute(operation));
    expect(run(0).context.deadline).toBe(1010);
    await clock.advance(9);
    expect(call.state).toBe("pending");
    await clock.advance(1);
    expect(call.error).toMatchObject({ timeoutMs: 10 });
  });

  it("tells the operation how much time remains until the nearest deadline", async () => {
    const clock = new TestClock();
    const seen: number[] = [];
    const outer = timeout({ timeoutMs: 100, clock });
    const guarded = pipeline(
      { name: "remaining", clock },
      outer,
      retry({ clock, maxAttempts: 1 }),
      timeout({ timeoutMs: 30, clock }),
    );
    const call = watch(
      guarded.execute(async (context) => {
        seen.push(context.remainingMs);
        await clock.sleep(20);
        seen.push(context.remainingMs);
        await clock.sleep(20);
        seen.push(context.remainingMs);
      }),
    );
    await clock.advance(50);
    expect(seen).toEqual([30, 10, 0]);
    expect(call.error).toMatchObject({ timeoutMs: 30 });
    await pipeline("none").execute((context) => void seen.push(context.remainingMs));
    expect(seen.at(-1)).toBe(Number.POSITIVE_INFINITY);
  });

  it("recognises its own error from a pipeline inside as overload, not as its own deadline", async () => {
    const clock = new TestClock();
    const events = new EventRecorder();
    const inner = pipeline("inner", timeout({ timeoutMs: 10, clock }));
    const outer = pipeline({ name: "outer", clock, observer: events.observer }, timeout({ timeoutMs: 100, clock }));
    const call = watch(outer.execute(() => inner.execute(manualOperation().operation)));
    await clock.advance(10);
    expect(isHeadgateError(call.error) && call.error.pipeline).toBe("inner");
    expect(events.of("pipeline.settled")).toMatchObject([{ outcome: "dropped", durationMs: 10 }]);
  });

  itRefuses(
    [() => timeout({ timeoutMs: 0 }), "`timeout.timeoutMs` must be a number above 0 and at most 2147483647, got 0"],
    [() => timeout({ timeoutMs: -1 }), "`timeout.timeoutMs` must be a number above 0 and at most 2147483647, got -1"],
    [
      () => timeout({ timeoutMs: Number.NaN }),
      "`timeout.timeoutMs` must be a number above 0 and at most 2147483647, got NaN",
    ],
    [
      () => timeout({ timeoutMs: 2 ** 31 }),
      "`timeout.timeoutMs` must be a number above 0 and at most 2147483647, got 2147483648",
    ],
    [
      () => timeout({ timeoutMs: "100" as unknown as number }),
      '`timeout.timeoutMs` must be a number above 0 and at most 2147483647, got "100"',
    ],
  );
});
