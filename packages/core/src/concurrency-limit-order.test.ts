import { concurrencyLimit, type ConcurrencyLimitOptions, pipeline, timeout } from "@headgate/core";
import { EventRecorder, TestClock } from "@headgate/core/testing";
import { describe, expect, it } from "vitest";
import { heldTimers } from "../test/support/leftovers.ts";
import { manualOperation, rejectionOf, watch } from "../test/support/operations.ts";
import { itRefuses } from "../test/support/options.ts";

/** A limit of one permit and three places to wait unless told otherwise, and calls by name. */
function setUp(options: Partial<ConcurrencyLimitOptions> = {}) {
  const clock = new TestClock();
  const events = new EventRecorder();
  const limit = concurrencyLimit({ maxConcurrent: 1, maxQueue: 3, maxWaitMs: 100, clock, ...options });
  const guarded = pipeline({ name: "calls", clock, observer: events.observer }, limit);
  const started: string[] = [];
  const start = (name: string, how: { priority?: number; weight?: number; signal?: AbortSignal } = {}) => {
    const { operation, run } = manualOperation();
    const call = watch(guarded.execute((context) => (started.push(name), operation(context)), how));
    const end = async () => {
      run(0).resolve(name);
      await clock.settle();
    };
    return { call, run, end };
  };
  return { clock, events, limit, guarded, started, start };
}

describe("concurrencyLimit in order", () => {
  it("lets the last to come go first with `lifo`, and refuses newcomers when the queue is full", async () => {
    const { start, started } = setUp({ order: "lifo" });
    const calls = ["a", "b", "c", "d"].map((name) => start(name));
    expect(await rejectionOf(setUpFull(start))).toMatchObject({ reason: "full" });
    for (const index of [0, 3, 2, 1]) await calls[index]?.end();
    expect(started).toEqual(["a", "d", "c", "b"]);
  });

  it("lets the highest priority go first with `priority`, and among equals the first to come", async () => {
    const { start, started } = setUp({ order: "priority", maxQueue: 5 });
    const running = start("running");
    const waiting = [
      start("low", { priority: -1 }),
      start("normal 1"),
      start("high", { priority: 2.5 }),
      start("normal 2", { priority: 0 }),
    ];
    await running.end();
    for (const index of [2, 1, 3, 0]) await waiting[index]?.end();
    expect(started).toEqual(["running", "high", "normal 1", "normal 2", "low"]);
  });

  it("heeds no priority without `priority`", async () => {
    const { start, started } = setUp();
    const running = start("running");
    const low = start("low");
    start("high", { priority: 9 });
    await running.end();
    await low.end();
    expect(started).toEqual(["running", "low", "high"]);
  });

  it("gives the place of the last of the lowest priority to a higher one when the queue is full", async () => {
    const { clock, events, limit, start } = setUp({ order: "priority" });
    start("running");
    const waiting = [
      start("first", { priority: 1 }),
      start("second", { priority: 1 }),
      start("third", { priority: 2 }),
    ];
    const equal = start("equal", { priority: 1 });
    const higher = start("higher", { priority: 2 });
    await clock.settle();
    expect(equal.call.error).toMatchObject({ reason: "full" });
    expect(waiting.map(({ call }) => call.state)).toEqual(["pending", "rejected", "pending"]);
    expect(waiting[1]?.call.error).toMatchObject({
      code: "ERR_CONCURRENCY_LIMIT",
      reason: "displaced",
      message: "A call of higher priority took the place in the queue",
    });
    expect(higher.call.state).toBe("pending");
    expect(limit).toMatchObject({ queued: 3, rejectedFull: 1, rejectedDisplaced: 1, rejectedWait: 0 });
    expect(events.of("concurrency-limit.rejected").map(({ reason }) => reason)).toEqual(["full", "displaced"]);
  });

  it("refuses a priority that is not a number, as no fault of the dependency's", async () => {
    const { events, start, clock } = setUp({ order: "priority" });
    start("running");
    const { call } = start("odd", { priority: Number.NaN });
    await clock.settle();
    expect(call.error).toMatchObject({
      code: "ERR_INVALID_OPTION",
      place: "execute.priority",
      message: "`execute.priority` must be a number, got NaN",
    });
    expect(events.of("pipeline.settled")).toMatchObject([{ outcome: "ignored" }]);
  });

  it("lets the lowest priority that there is wait behind every other", async () => {
    const { start, started } = setUp({ order: "priority" });
    const running = start("running");
    start("last", { priority: Number.NEGATIVE_INFINITY });
    const low = start("low", { priority: -Number.MAX_VALUE });
    await running.end();
    await low.end();
    expect(started).toEqual(["running", "low", "last"]);
  });

  it.each([10, 20])(
    "does not start a waiter whose own deadline has passed while the host was %d ms late",
    async (ms) => {
      const clock = new TestClock();
      const limit = concurrencyLimit({ maxConcurrent: 1, maxQueue: 5, maxWaitMs: 1000, clock });
      const guarded = pipeline({ name: "late", clock }, timeout({ timeoutMs: 50, clock }), limit);
      const holder = await limit.acquire();
      const late = watch(guarded.execute(() => expect.unreachable()));
      await clock.advance(40);
      const next = watch(guarded.execute(() => "next"));
      clock.jump(ms);
      holder.release();
      await clock.settle();
      expect(next.value).toBe("next");
      await clock.advance(0);
      expect(late.error).toMatchObject({ code: "ERR_TIMEOUT" });
      expect(limit).toMatchObject({ inUse: 0, queued: 0 });
      expect(await heldTimers(clock)).toBe(0);
    },
  );

  it("refuses such a waiter when the timer of its wait fires before that of its deadline", async () => {
    const [clock, waits] = [new TestClock(), new TestClock()];
    const limit = concurrencyLimit({ maxConcurrent: 1, maxQueue: 5, maxWaitMs: 100, clock: waits });
    const guarded = pipeline({ name: "late", clock }, limit);
    const holder = await limit.acquire();
    const late = watch(guarded.execute(() => expect.unreachable(), { deadline: 50 }));
    waits.jump(60);
    holder.release();
    await waits.advance(39);
    expect([late.state, limit.queued]).toEqual(["pending", 0]);
    await waits.advance(1);
    expect(late.error).toMatchObject({ reason: "wait", message: "None of 1 permits came free within 100 ms" });
    expect(limit).toMatchObject({ inUse: 0, queued: 0, rejectedWait: 1, rejectedWeight: 0 });
    expect([await heldTimers(clock), await heldTimers(waits)]).toEqual([0, 0]);
  });

  it("gives the place of a waiter whose own deadline is now to a newcomer when the queue is full", async () => {
    const clock = new TestClock();
    const limit = concurrencyLimit({ maxConcurrent: 1, maxQueue: 1, maxWaitMs: 1000, clock });
    const guarded = pipeline({ name: "late", clock }, limit);
    const holder = await limit.acquire();
    const late = watch(guarded.execute(() => expect.unreachable(), { deadline: 50 }));
    clock.jump(50);
    const newcomer = watch(guarded.execute(() => "newcomer"));
    holder.release();
    await clock.settle();
    expect(newcomer.value).toBe("newcomer");
    await clock.advance(0);
    expect(late.error).toMatchObject({ code: "ERR_TIMEOUT" });
    expect(limit).toMatchObject({ inUse: 0, queued: 0, rejectedFull: 0 });
  });

  itRefuses([
    () => concurrencyLimit({ maxConcurrent: 1, order: "random" as "fifo" }),
    '`concurrencyLimit.order` must be "fifo", "lifo", "priority" or "adaptive-lifo", got "random"',
  ]);
});

async function setUpFull(start: ReturnType<typeof setUp>["start"]): Promise<never> {
  const { call } = start("too many");
  for (let turn = 0; turn < 9; turn++) await Promise.resolve();
  throw call.error;
}

describe("concurrencyLimit with weights", () => {
  it("counts each call by its weight, fractions too", async () => {
    const { limit, start, started } = setUp({ maxConcurrent: 3 });
    const calls = [start("a", { weight: 2 }), start("b", { weight: 0.7 }), start("c", { weight: 0.3 }), start("d")];
    expect(started).toEqual(["a", "b", "c"]);
    expect(limit).toMatchObject({ inUse: 3, queued: 1 });
    await calls[1]?.end();
    expect(started).not.toContain("d");
    await calls[2]?.end();
    expect(started).toContain("d");
    await calls[0]?.end();
    await calls[3]?.end();
    expect(limit.inUse).toBe(0);
  });

  it("does not let light calls overtake a heavy one at the head", async () => {
    const { limit, start, started } = setUp({ maxConcurrent: 3 });
    const light = [start("a"), start("b")];
    const heavy = start("heavy", { weight: 3 });
    start("c");
    expect(started).toEqual(["a", "b"]);
    await light[0]?.end();
    expect(limit).toMatchObject({ inUse: 1, queued: 2 });
    await light[1]?.end();
    expect(started).toEqual(["a", "b", "heavy"]);
    await heavy.end();
    expect(started).toEqual(["a", "b", "heavy", "c"]);
  });

  it("lets those behind a heavy waiter go on when it leaves, and when its time is over", async () => {
    const { clock, start, started } = setUp({ maxConcurrent: 2 });
    start("a");
    const controller = new AbortController();
    start("heavy", { weight: 2, signal: controller.signal });
    const b = start("b");
    controller.abort("left");
    await clock.settle();
    expect(started).toEqual(["a", "b"]);
    await b.end();
    const expiring = start("heavy", { weight: 2 });
    await clock.advance(50);
    start("c");
    await clock.advance(50);
    expect(expiring.call.error).toMatchObject({ reason: "wait" });
    expect(started).toEqual(["a", "b", "c"]);
  });

  it("lets several light waiters go on when a heavy call ends", async () => {
    const { start, started } = setUp({ maxConcurrent: 3 });
    const heavy = start("heavy", { weight: 3 });
    for (const name of ["a", "b", "c"]) start(name);
    await heavy.end();
    expect(started).toEqual(["heavy", "a", "b", "c"]);
  });

  it("refuses at once what is heavier than the whole limit", async () => {
    const { clock, limit, start } = setUp({ maxConcurrent: 3 });
    const { call } = start("huge", { weight: 4 });
    await clock.settle();
    expect(call.error).toMatchObject({ reason: "weight", message: "A weight of 4 never fits into 3 permits" });
    expect(limit).toMatchObject({ inUse: 0, rejectedWeight: 1 });
  });

  it.each([0, -1, Number.NaN])("refuses a weight of %d", async (weight) => {
    const { clock, start } = setUp();
    const { call } = start("odd", { weight });
    await clock.settle();
    expect(call.error).toMatchObject({
      code: "ERR_INVALID_OPTION",
      message: `\`execute.weight\` must be a number above 0, got ${weight}`,
    });
  });
});

describe("concurrencyLimit.resize", () => {
  it("lets waiters go on when it grows", async () => {
    const { clock, limit, start, started } = setUp();
    for (const name of ["a", "b", "c", "d"]) start(name);
    limit.resize(3);
    await clock.settle();
    expect(started).toEqual(["a", "b", "c"]);
    expect(limit).toMatchObject({ maxConcurrent: 3, inUse: 3, queued: 1 });
  });

  it("lets what runs go on when it shrinks, and nobody new until there is room", async () => {
    const { limit, start, started } = setUp({ maxConcurrent: 3 });
    const running = [start("a"), start("b"), start("c")];
    start("d");
    limit.resize(1);
    expect(limit.inUse).toBe(3);
    await running[0]?.end();
    await running[1]?.end();
    expect(started).toEqual(["a", "b", "c"]);
    await running[2]?.end();
    expect(started).toEqual(["a", "b", "c", "d"]);
  });

  it("refuses a waiter that has become heavier than the limit when its turn comes", async () => {
    const { clock, limit, start, started } = setUp({ maxConcurrent: 3 });
    const running = start("running", { weight: 3 });
    const heavy = start("heavy", { weight: 2 });
    start("light");
    limit.resize(1);
    await running.end();
    await clock.settle();
    expect(heavy.call.error).toMatchObject({
      reason: "weight",
      message: "A weight of 2 never fits into 1 permits",
    });
    expect(started).toEqual(["running", "light"]);
  });

  itRefuses([
    () => concurrencyLimit({ maxConcurrent: 1 }).resize(0.5),
    "`concurrencyLimit.resize` must be an integer of at least 1, got 0.5",
  ]);
});
