import {
  ConcurrencyLimitError,
  type ConcurrencyLimitOptions,
  concurrencyLimit,
  pipeline,
  type Policy,
  timeout,
} from "@headgate/core";
import { EventRecorder, TestClock } from "@headgate/core/testing";
import { describe, expect, it } from "vitest";
import { heldTimers } from "../test/support/leftovers.ts";
import { manualOperation, rejectionOf, watch } from "../test/support/operations.ts";
import { itRefuses } from "../test/support/options.ts";

/** A limit of one permit and five places to wait unless told otherwise, and calls named by their number. */
function setUp(options: Partial<ConcurrencyLimitOptions> = {}) {
  const clock = new TestClock();
  const events = new EventRecorder();
  const limit = concurrencyLimit({ maxConcurrent: 1, maxQueue: 5, maxWaitMs: 100, clock, ...options });
  const guarded = pipeline({ name: "calls", clock, observer: events.observer }, limit);
  const started: number[] = [];
  let number = 0;
  const start = (signal?: AbortSignal) => {
    const own = ++number;
    const { operation, run } = manualOperation();
    const call = watch(guarded.execute((context) => (started.push(own), operation(context)), { signal }));
    const end = async () => {
      run(0).resolve("done");
      await clock.settle();
    };
    return { call, run, end };
  };
  return { clock, events, limit, guarded, started, start };
}

const limitedBy = (limit: Policy) => pipeline("newcomer", limit).execute(() => 1);

describe("concurrencyLimit", () => {
  it("runs as many at once as it has permits, and gives each back when its operation settles", async () => {
    const { clock, limit, start, started } = setUp({ maxConcurrent: 2, maxQueue: 0 });
    const first = start();
    const second = start();
    expect(limit).toMatchObject({ maxConcurrent: 2, inUse: 2, queued: 0 });
    await first.end();
    second.run(0).reject(new Error("down"));
    await clock.settle();
    expect(limit.inUse).toBe(0);
    expect(started).toEqual([1, 2]);
  });

  it("gives the permit back when the operation throws or returns synchronously", async () => {
    const { guarded, limit } = setUp();
    const failure = new Error("thrown");
    const thrown = guarded.execute(() => {
      throw failure;
    });
    expect(limit.inUse).toBe(0);
    expect(await rejectionOf(thrown)).toBe(failure);
    expect(await guarded.execute(() => "value")).toBe("value");
    expect(limit.inUse).toBe(0);
  });

  it("counts what it refuses by the reason, and tells how long a wait was at any time of day", async () => {
    const { clock, events, limit, start } = setUp({ maxQueue: 1 });
    await clock.advance(5000);
    const holder = start();
    const waiter = start();
    start();
    expect(limit).toMatchObject({ rejectedFull: 1, rejectedWait: 0 });
    await clock.advance(40);
    await holder.end();
    expect(events.of("concurrency-limit.waited")).toMatchObject([{ waitMs: 40 }]);
    start();
    await clock.advance(100);
    expect(limit).toMatchObject({ rejectedFull: 1, rejectedWait: 1 });
    await waiter.end();
  });

  it("describes itself by its permits and its queue", () => {
    expect(concurrencyLimit({ maxConcurrent: 3 }).describe?.()).toBe("3 at once, no queue");
    expect(concurrencyLimit({ maxConcurrent: 3, maxQueue: 9, maxWaitMs: 50 }).describe?.()).toBe(
      "3 at once, 9 waiting up to 50 ms",
    );
  });

  it("refuses at once when the queue is full", async () => {
    const { events, limit, start, guarded } = setUp({ maxQueue: 1 });
    start();
    start();
    const error = await rejectionOf(guarded.execute(() => expect.unreachable()));
    expect(error).toBeInstanceOf(ConcurrencyLimitError);
    expect(error).toMatchObject({
      code: "ERR_CONCURRENCY_LIMIT",
      policy: "concurrency-limit",
      pipeline: "calls",
      reason: "full",
      message: "All 1 permits are taken and 1 calls are waiting",
    });
    expect(limit.queued).toBe(1);
    expect(events.events[0]).toEqual({
      type: "concurrency-limit.rejected",
      pipeline: "calls",
      name: "default",
      reason: "full",
    });
  });

  it("has no queue by default", async () => {
    const limit = concurrencyLimit({ maxConcurrent: 1 });
    const guarded = pipeline("calls", limit);
    watch(guarded.execute(manualOperation().operation));
    expect(await rejectionOf(guarded.execute(() => 1))).toMatchObject({ reason: "full" });
  });

  it("lets waiters through in the order in which they came", async () => {
    const { limit, start, started, clock } = setUp();
    const calls = [start(), start(), start(), start()];
    for (const [i, call] of calls.entries()) {
      expect(started).toEqual([1, 2, 3, 4].slice(0, i + 1));
      expect(limit).toMatchObject({ inUse: 1, queued: 3 - i });
      await call.end();
    }
    expect(limit.inUse).toBe(0);
    expect(await heldTimers(clock)).toBe(0);
  });

  it("tells how long a call had to wait for its permit, and nothing of one that did not", async () => {
    const { clock, events, start } = setUp();
    const first = start();
    start();
    await clock.advance(40);
    await first.end();
    expect(events.of("concurrency-limit.waited")).toEqual([
      { type: "concurrency-limit.waited", pipeline: "calls", name: "default", waitMs: 40 },
    ]);
  });

  it("does not let a newcomer overtake: a permit that comes free goes to the queue", async () => {
    const { clock, limit, start, started } = setUp();
    const first = start();
    start();
    first.run(0).resolve("done");
    // The permit is on its way to the second call when the third comes.
    for (let turn = 0; turn < 3; turn++) {
      start();
      await Promise.resolve();
    }
    await clock.settle();
    expect(started).toEqual([1, 2]);
    expect(limit).toMatchObject({ inUse: 1, queued: 3 });
  });

  it("refuses a waiter when its time is over, and leaves the others their places", async () => {
    const { clock, events, limit, start, started } = setUp();
    const running = start();
    const early = start();
    await clock.advance(50);
    const late = start();
    await clock.advance(50);
    expect(early.call.error).toMatchObject({
      reason: "wait",
      pipeline: "calls",
      message: "None of 1 permits came free within 100 ms",
    });
    expect(limit).toMatchObject({ inUse: 1, queued: 1 });
    expect(events.of("concurrency-limit.rejected")).toMatchObject([{ reason: "wait" }]);
    await running.end();
    expect(started).toEqual([1, 3]);
    await late.end();
    expect(late.call.value).toBe("done");
    expect(await heldTimers(clock)).toBe(0);
  });

  it("does not hand a permit to a waiter whose time is over, though its timer has not fired yet", async () => {
    const { clock, limit, start, started } = setUp();
    const running = start();
    const expired = start();
    await clock.advance(10);
    start();
    clock.jump(95);
    await running.end();
    expect(started).toEqual([1, 3]);
    await clock.advance(0);
    expect(expired.call.error).toMatchObject({ reason: "wait" });
    expect(limit.inUse).toBe(1);
  });

  it("lets a waiter leave from the middle as soon as its signal aborts", async () => {
    const { clock, limit, start, started } = setUp();
    const running = start();
    const controller = new AbortController();
    const second = start();
    const leaver = start(controller.signal);
    start();
    const reason = new Error("left");
    controller.abort(reason);
    expect(limit.queued).toBe(2);
    await clock.settle();
    expect(leaver.call.error).toBe(reason);
    await running.end();
    await second.end();
    expect(started).toEqual([1, 2, 4]);
  });

  it("passes on a permit that was handed to a waiter who leaves before it goes on", async () => {
    const { clock, events, limit, start, started } = setUp();
    const running = start();
    const controller = new AbortController();
    const leaver = start(controller.signal);
    start();
    running.run(0).resolve("done");
    // Abort between the hand-over and the waiter's going on, wherever that is.
    while (limit.queued === 2) await Promise.resolve();
    controller.abort("left");
    await clock.settle();
    expect(leaver.call.error).toBe("left");
    expect(started).toEqual([1, 3]);
    expect(limit).toMatchObject({ inUse: 1, queued: 0, rejectedWait: 0, rejectedWeight: 0 });
    expect(events.of("concurrency-limit.rejected")).toEqual([]);
    // Neither of the two hand-overs is still waiting to be taken up, or back.
    clock.jump(1000);
    expect(limit.tryAcquire()).toBeUndefined();
    expect(limit.inUse).toBe(1);
  });

  it("keeps the permit of abandoned work until that has really ended", async () => {
    const clock = new TestClock();
    const limit = concurrencyLimit({ maxConcurrent: 1, clock });
    const guarded = pipeline("calls", timeout({ timeoutMs: 10, clock }), limit);
    const { operation, run } = manualOperation();
    const call = watch(guarded.execute(operation));
    await clock.advance(10);
    expect(call.state).toBe("rejected");
    expect(limit).toMatchObject({ inUse: 1, abandoned: 1 });
    expect(await rejectionOf(guarded.execute(operation))).toMatchObject({ reason: "full" });
    run(0).resolve("late");
    await clock.settle();
    expect(limit).toMatchObject({ inUse: 0, abandoned: 0 });
  });

  it("keeps the permit of a value that is held, until everybody has let go of it", async () => {
    const { clock, guarded, limit } = setUp();
    const releases: (() => void)[] = [];
    const value = await guarded.execute(({ hold }) => (expect(hold).toBeTypeOf("function"), "unheld"));
    expect([value, limit.inUse]).toEqual(["unheld", 0]);
    await guarded.execute((context) => void releases.push(context.hold(), context.hold()));
    expect(limit).toMatchObject({ inUse: 1, abandoned: 0 });
    releases[0]?.();
    releases[0]?.();
    expect(limit.inUse).toBe(1);
    const waiting = watch(guarded.execute(() => "next"));
    releases[1]?.();
    await clock.settle();
    expect(waiting.value).toBe("next");
    expect(limit.inUse).toBe(0);
  });

  it("takes back a permit whose lease has ended, and is not given it twice", async () => {
    const { clock, limit, start, started } = setUp({ maxQueue: 0, leaseMs: 50 });
    const killed = start();
    await clock.advance(49);
    start();
    expect(started).toEqual([1]);
    await clock.advance(1);
    const next = start();
    expect(started).toEqual([1, 3]);
    await killed.end();
    expect(limit.inUse).toBe(1);
    await next.end();
    expect(limit.inUse).toBe(0);
  });

  it("takes nothing back of a call that has ended within its lease", async () => {
    const { clock, limit, start } = setUp({ leaseMs: 100, maxQueue: 0 });
    await start().end();
    await clock.advance(60);
    const second = start();
    await clock.advance(60);
    expect(await rejectionOf(limitedBy(limit))).toMatchObject({ reason: "full" });
    expect(limit).toMatchObject({ reclaimed: 0, inUse: 1 });
    await second.end();
    expect(limit.inUse).toBe(0);
  });

  it("gives a lease to a waiter that goes on, too", async () => {
    const { clock, limit, start, started } = setUp({ leaseMs: 50 });
    const first = start();
    const waiter = start();
    await first.end();
    expect(limit.inUse).toBe(1);
    await clock.advance(50);
    const next = start();
    expect(started).toEqual([1, 2, 3]);
    await waiter.end();
    await next.end();
    expect(limit).toMatchObject({ inUse: 0, queued: 0 });
  });

  it("passes on a permit that its waiter has not taken up for a second, which is refused when its own time is over", async () => {
    const { clock, limit, start, started } = setUp({ maxWaitMs: 5000 });
    const first = start();
    const stalled = start();
    first.run(0).resolve("done");
    while (limit.queued === 1) await Promise.resolve();
    // Its request stands still: a second passes before it could go on.
    clock.jump(1000);
    const next = start();
    await clock.settle();
    expect(started).toEqual([1, 3]);
    await clock.advance(5000);
    expect(stalled.call.error).toMatchObject({ reason: "wait" });
    expect(limit.inUse).toBe(1);
    await next.end();
    expect([limit.inUse, await heldTimers(clock)]).toEqual([0, 0]);
  });

  it("lets a waiter whose permit was passed on go on all the same when there is another", async () => {
    const { clock, limit, start, started } = setUp({ maxWaitMs: 5000 });
    const first = start();
    const stalled = start();
    first.run(0).resolve("done");
    while (limit.queued === 1) await Promise.resolve();
    clock.jump(1000);
    // A newcomer takes the permit back and is done with it before the waiter goes on.
    expect(watch(pipeline("quick", limit).execute(() => "quick"))).toMatchObject({ state: "pending" });
    expect(limit.inUse).toBe(0);
    await clock.settle();
    expect(started).toEqual([1, 2]);
    await stalled.end();
    expect([limit.inUse, await heldTimers(clock)]).toEqual([0, 0]);
  });

  it("loses nothing when a request is killed while it waits and another while it works", async () => {
    const { clock, limit, start, started } = setUp({ leaseMs: 50 });
    start();
    start();
    clock.dropTimers();
    clock.jump(100);
    const later = start();
    await clock.settle();
    expect(started).toEqual([1, 3]);
    await later.end();
    expect(limit).toMatchObject({ inUse: 0, queued: 0 });
  });

  itRefuses(
    [
      () => concurrencyLimit({ maxConcurrent: 0 }),
      "`concurrencyLimit.maxConcurrent` must be an integer of at least 1, got 0",
    ],
    [
      () => concurrencyLimit({} as ConcurrencyLimitOptions),
      "`concurrencyLimit.maxConcurrent` must be an integer of at least 1, got undefined",
    ],
    [
      () => concurrencyLimit({ maxConcurrent: 1, maxQueue: -1 }),
      "`concurrencyLimit.maxQueue` must be an integer of at least 0, got -1",
    ],
    [
      () => concurrencyLimit({ maxConcurrent: 1, maxWaitMs: 0 }),
      "`concurrencyLimit.maxWaitMs` must be a number above 0 and at most 2147483647, got 0",
    ],
    [
      () => concurrencyLimit({ maxConcurrent: 1, maxWaitMs: Number.POSITIVE_INFINITY }),
      "`concurrencyLimit.maxWaitMs` must be a number above 0 and at most 2147483647, got Infinity",
    ],
    [
      () => concurrencyLimit({ maxConcurrent: 1, reclaimAfterMs: 0 }),
      "`concurrencyLimit.reclaimAfterMs` must be a number above 0 and at most 2147483647, got 0",
    ],
    [
      () => concurrencyLimit({ maxConcurrent: 1, leaseMs: 0 }),
      "`concurrencyLimit.leaseMs` must be a number above 0 and at most 2147483647, got 0",
    ],
    [
      () => concurrencyLimit({ maxConcurrent: 1, name: 1 as never }),
      "`concurrencyLimit.name` must be a string that is not empty, got 1",
    ],
  );
});
