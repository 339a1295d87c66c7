import { concurrencyLimit, constantBackoff, pipeline, retry, timeout } from "@headgate/core";
import { EventRecorder, TestClock } from "@headgate/core/testing";
import { describe, expect, it } from "vitest";
import { HandClock } from "./support/hand-clock.ts";
import { heldTimers } from "./support/leftovers.ts";
import { failingTimes, manualOperation, rejectionOf, watch } from "./support/operations.ts";

const failure = new Error("down");

describe("the caller's deadline", () => {
  it("ends the call when it comes, wherever the call is", async () => {
    const clock = new TestClock(1000);
    const events = new EventRecorder();
    const limit = concurrencyLimit({ maxConcurrent: 1, maxQueue: 5, clock });
    const backoff = constantBackoff({ delayMs: 100 });
    const guarded = pipeline({ name: "late", clock, observer: events.observer }, retry({ backoff, clock }), limit);
    const { operation, run } = manualOperation();
    const { signal } = new AbortController();
    const [running, queued] = [1050, 1060].map((deadline) => watch(guarded.execute(operation, { deadline, signal })));
    await clock.advance(49);
    expect(running?.state).toBe("pending");
    await clock.advance(1);
    expect(running?.error).toMatchObject({
      code: "ERR_TIMEOUT",
      scope: "deadline",
      timeoutMs: 50,
      pipeline: "late",
      message: "The caller's deadline has passed; it left 50 ms",
    });
    expect(run(0).context.signal.reason).toBe(running?.error);
    expect(queued?.state).toBe("pending");
    await clock.advance(10);
    expect(queued?.error).toMatchObject({ scope: "deadline", timeoutMs: 60 });
    expect(limit).toMatchObject({ inUse: 1, abandoned: 1, queued: 0 });
    expect(events.of("pipeline.settled").map(({ outcome }) => outcome)).toEqual(["ignored", "ignored"]);
    expect(await heldTimers(clock)).toBe(0);
  });

  it("refuses a call at once that comes when it has passed", async () => {
    const clock = new TestClock(1000);
    const guarded = pipeline({ name: "late", clock }, retry({ clock }));
    const error = await rejectionOf(guarded.execute(() => expect.unreachable(), { deadline: 1000 }));
    expect(error).toMatchObject({ code: "ERR_TIMEOUT", scope: "deadline", timeoutMs: 0 });
    expect(await heldTimers(clock)).toBe(0);
  });

  it("leaves no timer when the call is done before it, nor one for a deadline that never comes", async () => {
    const clock = new TestClock();
    const guarded = pipeline({ name: "early", clock });
    const { operation, run } = manualOperation();
    const call = watch(guarded.execute(operation, { deadline: 100 }));
    const endless = watch(guarded.execute(manualOperation().operation, { deadline: Number.POSITIVE_INFINITY }));
    expect(clock.pending).toBe(1);
    run(0).resolve("done");
    await clock.settle();
    expect([call.value, endless.state, await heldTimers(clock)]).toEqual(["done", "pending", 0]);
  });

  it("is told to the operation together with those of the timeouts, the nearest of them", async () => {
    const clock = new TestClock(1000);
    const guarded = pipeline({ name: "told", clock }, timeout({ timeoutMs: 30, clock }));
    const seen: number[][] = [];
    const look = (context: { deadline: number; remainingMs: number }) => {
      seen.push([context.deadline, context.remainingMs]);
    };
    await guarded.execute(look, { deadline: 1010 });
    await guarded.execute(look, { deadline: 1050 });
    await guarded.execute(look);
    await pipeline({ name: "none", clock }).execute(look);
    const never = Number.POSITIVE_INFINITY;
    expect(seen).toEqual([
      [1010, 10],
      [1030, 30],
      [1030, 30],
      [never, never],
    ]);
  });

  it("is kept by a pipeline inside that is given it", async () => {
    const clock = new TestClock();
    const inner = pipeline({ name: "inner", clock }, retry({ backoff: constantBackoff({ delayMs: 50 }), clock }));
    const outer = pipeline({ name: "outer", clock }, timeout({ timeoutMs: 40, clock }));
    const operation = failingTimes(9, failure);
    // The back-off would pass the outer deadline: the inner retry does not wait for that.
    const call = watch(outer.execute(({ deadline, signal }) => inner.execute(operation, { deadline, signal })));
    await clock.settle();
    expect([call.error, operation.runs, clock.now()]).toEqual([failure, 1, 0]);
    expect(await heldTimers(clock)).toBe(0);
  });

  it.each(["result", "abort"])("gives way to the caller's %s in the same tick", async (winner) => {
    const clock = new HandClock();
    const controller = new AbortController();
    const { operation, run } = manualOperation();
    const ended = pipeline({ name: "race", clock })
      .execute(operation, { deadline: 10, signal: controller.signal })
      .catch((error: unknown) => error);
    if (winner === "result") run(0).resolve("result");
    clock.fire(10);
    if (winner === "abort") controller.abort("abort");
    expect(await ended).toBe(winner);
  });
});
