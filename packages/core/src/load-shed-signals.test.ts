import {
  adaptiveLimit,
  concurrencyLimit,
  fixedLimit,
  latencySignal,
  limitSignal,
  loadShed,
  pipeline,
  type QueueOrder,
  queueWaitSignal,
  type ShedSignal,
} from "@headgate/core";
import { SeededRandom, TestClock } from "@headgate/core/testing";
import { describe, expect, it } from "vitest";
import { heldTimers } from "../test/support/leftovers.ts";
import { itRefuses } from "../test/support/options.ts";

describe("limitSignal", () => {
  const at = (inUse: number, queued: number, options?: Parameters<typeof limitSignal>[1]) =>
    limitSignal({ inUse, queued, maxConcurrent: 10 }, options).read(0);

  it("begins when half as many wait as may run, and is full when one and a half times as many do", () => {
    expect(at(10, 5)).toBe(0);
    expect(at(10, 10)).toBe(0.5);
    expect(at(10, 15)).toBe(1);
  });

  it("tells how much room there is", () => {
    expect(at(10, 0)).toBe(-0.5);
    expect(at(0, 0)).toBe(-1.5);
  });

  it("has other bounds for a limit without a queue", () => {
    const bounds = [0.8, 1] as const;
    expect(at(8, 0, { bounds })).toBe(0);
    expect(at(9, 0, { bounds })).toBeCloseTo(0.5);
    expect(at(10, 0, { bounds })).toBe(1);
  });

  it("reads a limit as it is at the moment", () => {
    const limit = concurrencyLimit({ maxConcurrent: 2 });
    const signal = limitSignal(limit, { name: "database", bounds: [0.5, 1] });
    expect([signal.name, signal.read(0)]).toEqual(["database", -1]);
    limit.tryAcquire();
    limit.tryAcquire();
    expect(signal.read(0)).toBe(1);
    limit.resize(4);
    expect(signal.read(0)).toBe(0);
  });

  itRefuses(
    [() => limitSignal({} as never), "`limitSignal.limit` must be a concurrency limit, got an object"],
    [() => at(0, 0, { name: "" }), '`limitSignal.name` must be a string that is not empty, got ""'],
    [
      () => at(0, 0, { bounds: [-1, 1] }),
      "`limitSignal.bounds[0]` must be a number of at least 0 and at most 9007199254740991, got -1",
    ],
    [
      () => at(0, 0, { bounds: [1, 1] }),
      "`limitSignal.bounds[1]` must be a number above 1 and at most 9007199254740991, got 1",
    ],
  );
});

describe("queueWaitSignal", () => {
  const at = (oldestWaitMs: number, options?: Parameters<typeof queueWaitSignal>[1]) =>
    queueWaitSignal({ oldestWaitMs }, options).read(0);

  it("begins with twice the target, and is full with six times as much", () => {
    expect([at(0), at(20), at(40), at(80), at(120), at(160)]).toEqual([-0.5, -0.25, 0, 0.5, 1, 1.5]);
    expect(at(100, { targetMs: 100, bounds: [0.5, 1.5] })).toBe(0.5);
  });

  /** A limit of one that is taken, and calls that come to it 10 ms after one another. */
  async function queued(order: QueueOrder, ...priorities: number[]) {
    const clock = new TestClock();
    const limit = concurrencyLimit({ maxConcurrent: 1, maxQueue: 9, maxWaitMs: 500, order, targetWaitMs: 500, clock });
    const held = await limit.acquire();
    for (const priority of priorities) {
      void limit.acquire({ priority }).catch(() => undefined);
      await clock.advance(10);
    }
    return { clock, limit, held };
  }

  it.each<[QueueOrder, number]>([
    ["fifo", 20],
    ["lifo", 30],
    ["adaptive-lifo", 20],
    ["priority", 30],
  ])("reads how long the oldest of three waits in the order %s, also when one has gone on", async (order, then) => {
    const { clock, limit, held } = await queued(order, 3, 7, 5);
    const signal = queueWaitSignal(limit, { targetMs: 10, bounds: [0, 1] });
    expect([limit.oldestWaitMs, signal.read(0)]).toEqual([30, 3]);
    held.release();
    expect(limit.oldestWaitMs).toBe(then);
    await clock.advance(1000);
    expect([limit.queued, limit.oldestWaitMs, signal.read(0)]).toEqual([0, 0, 0]);
    expect(await heldTimers(clock)).toBe(0);
  });

  it("is told by an adaptive limit too, and forgets a waiter that has left", async () => {
    const clock = new TestClock();
    const limit = adaptiveLimit({ limit: fixedLimit({ limit: 1 }), maxQueue: 9, clock });
    const signal = queueWaitSignal(limit, { name: "database" });
    const held = await limit.acquire();
    const leaves = new AbortController();
    const left = limit.acquire({ signal: leaves.signal }).catch(() => undefined);
    await clock.advance(60);
    const stays = limit.acquire();
    await clock.advance(20);
    expect([signal.name, signal.read(0)]).toEqual(["database", 0.5]);
    leaves.abort();
    expect(limit.oldestWaitMs).toBe(20);
    await left;
    held.release();
    (await stays).release();
    expect(limit.oldestWaitMs).toBe(0);
    expect(await heldTimers(clock)).toBe(0);
  });

  it("makes a load shedder turn calls away while the queue stands, and let them in again after it", async () => {
    const clock = new TestClock();
    const limit = concurrencyLimit({ maxConcurrent: 1, maxQueue: 9, maxWaitMs: 5000, clock });
    const shed = loadShed({ signals: [queueWaitSignal(limit)], clock, random: new SeededRandom(1) });
    const guarded = pipeline({ name: "orders", clock }, shed);
    const held = await limit.acquire();
    const waits = limit.acquire();
    const comeFor = async (ms: number) => {
      for (let i = 0; i < ms / 100; i++) {
        await guarded.attempt(() => "served");
        await clock.advance(100);
      }
    };
    await comeFor(100);
    expect(shed.ratio).toBe(0);
    await comeFor(2000);
    expect(shed.ratio).toBeGreaterThan(0.5);
    expect(shed.pressures).toEqual([{ signal: "queue-wait", ratio: 1 }]);
    held.release();
    (await waits).release();
    await comeFor(6000);
    expect(shed.ratio).toBe(0);
    expect(await heldTimers(clock)).toBe(0);
  });

  itRefuses(
    [() => queueWaitSignal({} as never), "`queueWaitSignal.limit` must be a concurrency limit, got an object"],
    [() => at(0, { name: "" }), '`queueWaitSignal.name` must be a string that is not empty, got ""'],
    [
      () => at(0, { targetMs: 0 }),
      "`queueWaitSignal.targetMs` must be a number above 0 and at most 9007199254740991, got 0",
    ],
    [
      () => at(0, { bounds: [2, 1] }),
      "`queueWaitSignal.bounds[1]` must be a number above 2 and at most 9007199254740991, got 1",
    ],
  );
});

describe("latencySignal", () => {
  /** `count` calls that take so long, one every millisecond or as told, and what the signal says then. */
  function player(signal: ShedSignal) {
    let nowMs = 1000;
    return (count: number, durationMs: number, everyMs = 1): number => {
      let read = 0;
      for (let i = 0; i < count; i++) {
        nowMs += everyMs;
        signal.ended?.(nowMs, durationMs, "success");
        read = signal.read(nowMs);
      }
      return read;
    };
  }

  it("knows nothing before it has seen enough", () => {
    const play = player(latencySignal());
    expect(play(99, 1000)).toBe(0);
    expect(latencySignal({ targetMs: 10 }).read(5)).toBeLessThanOrEqual(0);
  });

  it("holds what calls take against the target", () => {
    const play = player(latencySignal({ targetMs: 100 }));
    expect(play(200, 100)).toBe(-0.5);
    expect(play(200, 200)).toBe(0);
    expect(play(200, 300)).toBe(0.5);
    expect(play(200, 900)).toBeGreaterThanOrEqual(1);
  });

  it("learns what is usual while all is well", () => {
    const play = player(latencySignal());
    expect(play(5000, 50)).toBe(-0.5);
    expect(play(200, 150)).toBeCloseTo(0.5, 1);
    // 50 % slower for good is the new usual within a minute.
    expect(play(7500, 75, 8)).toBeCloseTo(-0.5, 1);
  });

  it("does not take an overload of a minute for the usual, but one that stays", () => {
    const play = player(latencySignal());
    play(5000, 50);
    expect(play(7500, 200, 8)).toBeGreaterThan(0.5);
    expect(play(150_000, 200, 8)).toBeLessThan(0);
  });

  it("forgets after ten seconds without calls", () => {
    const signal = latencySignal({ targetMs: 10 });
    player(signal)(200, 100);
    expect(signal.read(1200 + 9000)).toBeGreaterThan(1);
    expect(signal.read(1200 + 10_001)).toBe(0);
  });

  it("leaves out what says nothing about the service", () => {
    const signal = latencySignal({ targetMs: 10 });
    for (let i = 0; i < 200; i++) {
      signal.ended?.(i, 1000, "ignored");
      signal.ended?.(i, Number.NaN, "success");
      signal.ended?.(i, -5, "success");
    }
    expect(signal.read(200)).toBeLessThanOrEqual(0);
    for (let i = 0; i < 200; i++) signal.ended?.(200 + i, 1000, i % 2 === 0 ? "dropped" : "failure");
    expect(signal.read(400)).toBeGreaterThan(1);
  });

  itRefuses(
    [
      () => latencySignal({ targetMs: 0 }),
      "`latencySignal.targetMs` must be a number above 0 and at most 9007199254740991, got 0",
    ],
    [
      () => latencySignal({ bounds: [0.5, 2] }),
      "`latencySignal.bounds[0]` must be a number of at least 1 and at most 9007199254740991, got 0.5",
    ],
    [() => latencySignal({ name: 7 as never }), "`latencySignal.name` must be a string that is not empty, got 7"],
  );
});
