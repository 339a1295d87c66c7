// The caller's own deadline: `ExecuteOptions.deadline`, a time on the pipeline's clock.
import {
  circuitBreaker,
  concurrencyLimit,
  consecutiveFailures,
  constantBackoff,
  explain,
  pipeline,
  retry,
  timeout,
  TimeoutError,
} from "@headgate/core";
import { TestClock } from "@headgate/core/testing";
import { describe, expect, it } from "vitest";
import { heldTimers } from "./support/leftovers.ts";
import { manualOperation, rejectionOf, watch } from "./support/operations.ts";

describe("a caller's deadline", () => {
  it("ends the call with a TimeoutError of its own scope, and counts as ignored", async () => {
    const clock = new TestClock(1000);
    const breaker = circuitBreaker({ trip: consecutiveFailures({ maxFailures: 1 }), clock });
    const { operation, runs } = manualOperation();
    const call = watch(pipeline({ name: "orders", clock }, breaker).execute(operation, { deadline: 1050 }));
    await clock.advance(49);
    expect(call.state).toBe("pending");
    await clock.advance(1);
    expect(call.error).toBeInstanceOf(TimeoutError);
    expect(call.error).toMatchObject({ scope: "deadline", timeoutMs: 50, pipeline: "orders" });
    expect(explain(call.error)?.outcome).toBe("ignored");
    expect(breaker.state).toBe("closed");
    expect(runs[0]?.context.signal.reason).toBe(call.error);
    runs[0]?.resolve("late");
    expect(await heldTimers(clock)).toBe(0);
  });

  it("aborts a signal of the operation's own where the caller has given one too", async () => {
    const clock = new TestClock();
    const { signal } = new AbortController();
    const { operation, run } = manualOperation();
    const call = watch(pipeline({ name: "bare", clock }).execute(operation, { deadline: 10, signal }));
    const endless = watch(pipeline({ name: "bare", clock }).execute(operation, { deadline: Number.POSITIVE_INFINITY }));
    expect(clock.pending).toBe(1);
    await clock.advance(10);
    expect(run(0).context.signal.reason).toBe(call.error);
    expect([signal.aborted, endless.state]).toEqual([false, "pending"]);
  });

  it("refuses a call whose deadline has passed, without running the operation", async () => {
    const clock = new TestClock(1000);
    const { operation, runs } = manualOperation();
    const error = await rejectionOf(pipeline({ name: "late", clock }).execute(operation, { deadline: 1000 }));
    expect(error).toMatchObject({ code: "ERR_TIMEOUT", scope: "deadline", timeoutMs: 0 });
    expect(runs).toHaveLength(0);
  });

  it("ends a call that waits for a permit, and takes it from the queue", async () => {
    const clock = new TestClock();
    const limit = concurrencyLimit({ maxConcurrent: 1, maxQueue: 1, clock });
    const guarded = pipeline({ name: "queue", clock }, limit);
    const { operation, runs } = manualOperation();
    const running = watch(guarded.execute(operation));
    const waiting = watch(guarded.execute(operation, { deadline: 20 }));
    await clock.advance(20);
    expect(waiting.error).toMatchObject({ scope: "deadline" });
    expect(limit.queued).toBe(0);
    runs[0]?.resolve("done");
    await clock.settle();
    expect(running.state).toBe("fulfilled");
    expect(await heldTimers(clock)).toBe(0);
  });

  it("keeps a retry from waiting past it, and the last error comes through", async () => {
    const clock = new TestClock();
    const failure = new Error("reset");
    const tried = pipeline({ name: "tried", clock }, retry({ backoff: constantBackoff({ delayMs: 100 }), clock }));
    expect(await rejectionOf(tried.execute(() => Promise.reject(failure), { deadline: 50 }))).toBe(failure);
    expect(await heldTimers(clock)).toBe(0);
  });

  it("is told to the operation together with the timeouts, whichever is nearest", async () => {
    const clock = new TestClock(10);
    const guarded = pipeline({ name: "nearest", clock }, timeout({ timeoutMs: 100, clock }));
    const told = (deadline?: number) =>
      guarded.execute((context) => [context.deadline, context.remainingMs], deadline === undefined ? {} : { deadline });
    expect(await told()).toEqual([110, 100]);
    expect(await told(60)).toEqual([60, 50]);
    expect(await told(500)).toEqual([110, 100]);
    expect(await pipeline({ name: "none", clock }).execute(({ deadline }) => deadline)).toBe(Number.POSITIVE_INFINITY);
  });

  it("passes from an outer operation to an inner pipeline", async () => {
    const clock = new TestClock();
    const outer = pipeline({ name: "outer", clock }, timeout({ timeoutMs: 30, clock }));
    const inner = pipeline({ name: "inner", clock });
    const call = watch(
      outer.execute(({ deadline, signal }) => inner.execute(() => new Promise(() => {}), { deadline, signal })),
    );
    await clock.advance(30);
    expect(call.error).toMatchObject({ code: "ERR_TIMEOUT", timeoutMs: 30 });
    expect(await heldTimers(clock)).toBe(0);
  });

  it("loses to the caller's abort and to a result in the same tick", async () => {
    const clock = new TestClock();
    const guarded = pipeline({ name: "tie", clock });
    const controller = new AbortController();
    const reason = new Error("left");
    void clock.sleep(20).then(() => controller.abort(reason));
    const aborted = watch(guarded.execute(() => new Promise(() => {}), { deadline: 20, signal: controller.signal }));
    const completed = watch(guarded.execute(() => clock.sleep(20).then(() => "done"), { deadline: 20 }));
    await clock.advance(20);
    expect(aborted.error).toBe(reason);
    expect(completed.value).toBe("done");
  });
});
