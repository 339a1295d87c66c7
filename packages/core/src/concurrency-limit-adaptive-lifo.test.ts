import { concurrencyLimit, type ConcurrencyLimitOptions, pipeline } from "@headgate/core";
import { TestClock } from "@headgate/core/testing";
import { describe, expect, it } from "vitest";
import { heldTimers } from "../test/support/leftovers.ts";
import { manualOperation, watch } from "../test/support/operations.ts";
import { itRefuses } from "../test/support/options.ts";

/** One permit, a queue that should not delay anybody by more than 5 ms, and calls by number. */
function setUp(options: Partial<ConcurrencyLimitOptions> = {}) {
  const clock = new TestClock();
  const limit = concurrencyLimit({
    maxConcurrent: 1,
    maxQueue: 100,
    maxWaitMs: 500,
    order: "adaptive-lifo",
    targetWaitMs: 5,
    clock,
    ...options,
  });
  const guarded = pipeline({ name: "calls", clock }, limit);
  const started: number[] = [];
  const ends: (() => void)[] = [];
  let calls = 0;
  const start = () => {
    const name = ++calls;
    const { operation, run } = manualOperation();
    const call = watch(guarded.execute((context) => (started.push(name), operation(context))));
    ends[name] = () => run(0).resolve("done");
    return { name, call };
  };
  /** Ends what runs, so that the next may go on. */
  const next = async () => {
    ends[started.at(-1) as number]?.();
    await clock.settle();
  };
  /** Calls come every 10 ms and go every 20 ms, until the queue stands. */
  const overload = async () => {
    const made = [start()];
    for (let ms = 10; ms <= 160; ms += 10) {
      await clock.advance(10);
      made.push(start());
      if (ms % 20 === 0) await next();
    }
    return made;
  };
  return { clock, limit, start, started, next, overload };
}

describe("concurrencyLimit with adaptive-lifo", () => {
  it("lets a burst go on in the order in which it came", async () => {
    const { clock, start, started, next } = setUp();
    for (let i = 0; i < 5; i++) start();
    for (let i = 0; i < 4; i++) {
      await clock.advance(20);
      await next();
    }
    expect(started).toEqual([1, 2, 3, 4, 5]);
  });

  it("lets the last to come go first once everybody has waited for longer than the target for 100 ms", async () => {
    const { clock, start, started, next, overload } = setUp();
    await overload();
    expect(started.slice(0, 6)).toEqual([1, 2, 3, 4, 5, 6]);
    const [, newest] = [start(), start()];
    await clock.advance(4);
    await next();
    expect(started.at(-1)).toBe(newest?.name);
  });

  it("refuses those who have waited for longer than the target, and says for how long", async () => {
    const { clock, limit, next, overload, started } = setUp();
    const made = await overload();
    await next();
    await clock.settle();
    const waited = made.filter(({ name }) => !started.includes(name));
    expect(waited.length).toBeGreaterThan(3);
    expect(waited.map(({ call }) => call.error)).toEqual(
      waited.map(() => expect.objectContaining({ code: "ERR_CONCURRENCY_LIMIT", reason: "wait" })),
    );
    expect(waited[0]?.call.error).toMatchObject({ message: "None of 1 permits came free within 5 ms" });
    expect(limit).toMatchObject({ queued: 0, rejectedWait: waited.length, rejectedFull: 0 });
  });

  it("lets newcomers wait for the target and no longer while the queue stands", async () => {
    const { clock, start, next, overload } = setUp({ targetWaitMs: 8 });
    await overload();
    await next();
    start();
    const { call } = start();
    await clock.advance(7);
    expect(call.state).toBe("pending");
    await clock.advance(1);
    expect(call.error).toMatchObject({ reason: "wait" });
    await next();
    expect(await heldTimers(clock)).toBe(0);
  });

  it("goes back to the order of arrival and to long waits when nobody was refused for a while", async () => {
    const { clock, start, started, next, overload } = setUp();
    await overload();
    await next();
    await clock.advance(1600);
    start();
    const [first, second] = [start(), start()];
    await clock.advance(50);
    expect([first.call.state, second.call.state]).toEqual(["pending", "pending"]);
    await next();
    expect(started.at(-1)).toBe(first.name);
    await next();
    expect(started.at(-1)).toBe(second.name);
  });

  it("stands again at once when it has stood a moment ago, and takes its time later", async () => {
    for (const [pauseMs, newest] of [
      [1000, true],
      [2000, false],
    ] as const) {
      const { clock, start, started, next, overload } = setUp();
      await overload();
      await next();
      await clock.advance(100);
      start();
      await clock.advance(pauseMs);
      for (let i = 0; i < 2; i++) start();
      await clock.advance(6);
      await next();
      const [older, newer] = [start(), start()];
      await next();
      expect(started.at(-1)).toBe(newest ? newer.name : older.name - 1);
    }
  });

  it("does not stand while it is empty now and then", async () => {
    const { clock, start, started, next } = setUp();
    for (let burst = 0; burst < 10; burst++) {
      start();
      const [before] = [start(), start()];
      await clock.advance(20);
      await next();
      expect(started.at(-1)).toBe(before.name);
      await clock.advance(1);
      await next();
      await next();
    }
  });

  it("never lets a call wait for longer than `maxWaitMs`, whatever the target", async () => {
    const { clock, start } = setUp({ maxWaitMs: 3, targetWaitMs: 50 });
    start();
    const { call } = start();
    await clock.advance(3);
    expect(call.error).toMatchObject({ reason: "wait" });
  });

  it("gives a place in a full queue to a newcomer when the oldest has missed its own deadline", async () => {
    const clock = new TestClock();
    const limit = concurrencyLimit({ maxConcurrent: 1, maxQueue: 1, maxWaitMs: 500, clock });
    const guarded = pipeline({ name: "late", clock }, limit);
    const { operation } = manualOperation();
    watch(guarded.execute(operation));
    const late = watch(guarded.execute(operation, { deadline: clock.now() + 10 }));
    // The host is late with its timers.
    clock.jump(10);
    const newcomer = watch(guarded.execute(operation));
    await clock.settle();
    expect([newcomer.state, limit.queued]).toEqual(["pending", 1]);
    await clock.advance(1);
    expect(late.error).toMatchObject({ code: "ERR_TIMEOUT", scope: "deadline" });
  });

  itRefuses([
    () => concurrencyLimit({ maxConcurrent: 1, targetWaitMs: 0 }),
    "`concurrencyLimit.targetWaitMs` must be a number above 0 and at most 2147483647, got 0",
  ]);
});
