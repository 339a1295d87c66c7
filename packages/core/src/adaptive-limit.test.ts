import {
  adaptiveLimit,
  type AdaptiveLimitOptions,
  ConcurrencyLimitError,
  type Limit,
  type LimitSample,
  pipeline,
  retry,
  timeout,
} from "@headgate/core";
import { EventRecorder, TestClock } from "@headgate/core/testing";
import { describe, expect, it } from "vitest";
import { heldTimers } from "../test/support/leftovers.ts";
import { manualOperation, rejectionOf, watch } from "../test/support/operations.ts";
import { itRefuses } from "../test/support/options.ts";

/** An algorithm that a test moves by hand, and that writes down what it is told. */
class HandLimit implements Limit {
  readonly kind = "hand";
  limit: number;
  readonly samples: LimitSample[] = [];
  readonly fulls: { nowMs: number; inFlight: number }[] = [];
  /** What the limit becomes with the next sample, or when a call finds no permit. */
  afterSample: number | undefined;
  whenFull: number | undefined;

  constructor(limit: number) {
    this.limit = limit;
  }

  observe({ startMs, endMs, inFlight, outcome }: LimitSample): void {
    this.samples.push({ startMs, endMs, inFlight, outcome });
    this.limit = this.afterSample ?? this.limit;
  }

  full(nowMs: number, inFlight: number): void {
    this.fulls.push({ nowMs, inFlight });
    this.limit = this.whenFull ?? this.limit;
  }
}

function setUp(initial = 1, options: Partial<AdaptiveLimitOptions> = {}) {
  const clock = new TestClock();
  const events = new EventRecorder();
  const algorithm = new HandLimit(initial);
  const limit = adaptiveLimit({ name: "database", limit: algorithm, clock, maxWaitMs: 100, ...options });
  const guarded = pipeline({ name: "calls", clock, observer: events.observer }, limit);
  return { clock, events, algorithm, limit, guarded };
}

describe("adaptiveLimit", () => {
  it("lets as many through as the algorithm says, and refuses all others as a concurrency limit does", async () => {
    const { guarded, limit, clock } = setUp(2.9);
    const { operation, runs } = manualOperation();
    const calls = [0, 1].map(() => watch(guarded.execute(operation)));
    const error = await rejectionOf(guarded.execute(operation));
    expect(error).toBeInstanceOf(ConcurrencyLimitError);
    expect(error).toMatchObject({ reason: "full", maxConcurrent: 2, code: "ERR_CONCURRENCY_LIMIT" });
    expect(limit).toMatchObject({ kind: "concurrency-limit", maxConcurrent: 2, inUse: 2, rejectedFull: 1 });
    for (const run of runs) run.resolve("done");
    await clock.settle();
    expect(calls.map(({ state }) => state)).toEqual(["fulfilled", "fulfilled"]);
    expect(limit.inUse).toBe(0);
  });

  it("tells of each attempt from its permit to its end, without the time that it waited", async () => {
    const { guarded, algorithm, clock } = setUp(1, { maxQueue: 1 });
    const { operation, run } = manualOperation();
    const first = guarded.execute(operation);
    await clock.advance(5);
    const second = guarded.execute(operation);
    await clock.advance(25);
    run(0).resolve("first");
    await first;
    await clock.advance(10);
    run(1).reject(new Error("down"));
    await rejectionOf(second);
    expect(algorithm.samples).toEqual([
      { startMs: 0, endMs: 30, inFlight: 1, outcome: "success" },
      { startMs: 30, endMs: 40, inFlight: 1, outcome: "failure" },
    ]);
    expect(algorithm.fulls).toEqual([{ nowMs: 5, inFlight: 1 }]);
  });

  it("tells of each attempt of a retry by itself, without the back-off", async () => {
    const { algorithm, limit, clock } = setUp(5);
    const retried = pipeline({ name: "retried", clock }, retry({ clock, backoff: () => 1000 }), limit);
    let failures = 1;
    const call = retried.execute(async () => {
      await clock.sleep(10);
      if (failures-- > 0) throw new Error("down");
    });
    await clock.advance(1020);
    await call;
    expect(algorithm.samples).toMatchObject([
      { startMs: 0, endMs: 10, outcome: "failure" },
      { startMs: 1010, endMs: 1020, outcome: "success" },
    ]);
  });

  it("tells of a timeout at once as dropped, and keeps the permit until the work has ended", async () => {
    const { algorithm, limit, clock } = setUp(1);
    const timed = pipeline({ name: "timed", clock }, limit, timeout({ timeoutMs: 50, clock }));
    const { operation, run } = manualOperation();
    const call = rejectionOf(timed.execute(operation));
    await clock.advance(50);
    expect(await call).toMatchObject({ code: "ERR_TIMEOUT" });
    expect(algorithm.samples).toEqual([{ startMs: 0, endMs: 50, inFlight: 1, outcome: "dropped" }]);
    expect(limit).toMatchObject({ inUse: 1, abandoned: 1 });
    run(0).resolve("late");
    await clock.settle();
    expect(limit).toMatchObject({ inUse: 0, abandoned: 0 });
    expect(algorithm.samples).toHaveLength(1);
  });

  it("tells nothing of an attempt that says nothing about the dependency", async () => {
    const { algorithm, guarded, limit, clock } = setUp(5);
    const controller = new AbortController();
    const { operation, run } = manualOperation();
    const left = rejectionOf(guarded.execute(operation, { signal: controller.signal }));
    controller.abort(new Error("left"));
    await left;
    run(0).resolve("late");
    await rejectionOf(guarded.execute(() => Promise.reject(new Error("mine")), { isIgnored: () => true }));
    await clock.settle();
    expect(algorithm.samples).toEqual([]);
    expect(limit.inUse).toBe(0);
  });

  it("lets waiters go on when the limit has grown, and starts nobody while it has shrunk", async () => {
    const { algorithm, guarded, limit, clock } = setUp(2, { maxQueue: 10 });
    const { operation, runs, run } = manualOperation();
    const calls = [0, 1, 2, 3, 4].map(() => watch(guarded.execute(operation)));
    algorithm.afterSample = 1;
    run(0).resolve("a");
    await clock.settle();
    expect(runs).toHaveLength(2);
    expect(limit).toMatchObject({ maxConcurrent: 1, inUse: 1, queued: 3 });
    algorithm.afterSample = 3;
    run(1).resolve("b");
    await clock.settle();
    expect(runs).toHaveLength(5);
    for (const index of [2, 3, 4]) run(index).resolve("c");
    await clock.settle();
    expect(calls.every(({ state }) => state === "fulfilled")).toBe(true);
    expect(await heldTimers(clock)).toBe(0);
  });

  it("asks the algorithm before it refuses, and again lets those go first who wait", async () => {
    const { algorithm, guarded, limit, clock } = setUp(0, { maxQueue: 1 });
    const { operation, runs } = manualOperation();
    const waiting = watch(guarded.execute(operation));
    expect(limit).toMatchObject({ queued: 1, inUse: 0 });
    algorithm.whenFull = 2;
    const newcomer = watch(guarded.execute(operation));
    await clock.settle();
    expect(runs).toHaveLength(2);
    for (const run of runs) run.resolve("done");
    await clock.settle();
    expect([waiting.state, newcomer.state]).toEqual(["fulfilled", "fulfilled"]);
  });

  it("runs a call that is heavier than the limit alone", async () => {
    const { guarded, limit, clock } = setUp(2, { maxQueue: 5 });
    const { operation, runs, run } = manualOperation();
    const light = watch(guarded.execute(operation));
    const heavy = watch(guarded.execute(operation, { weight: 5 }));
    const behind = watch(guarded.execute(operation));
    expect(runs).toHaveLength(1);
    run(0).resolve("light");
    await clock.settle();
    expect(runs).toHaveLength(2);
    expect(limit).toMatchObject({ inUse: 5, queued: 1, rejectedWeight: 0 });
    run(1).resolve("heavy");
    await clock.settle();
    run(2).resolve("behind");
    await clock.settle();
    expect([light.state, heavy.state, behind.state]).toEqual(["fulfilled", "fulfilled", "fulfilled"]);
  });

  it("tells of a permit without a pipeline when it is given back, once", async () => {
    const { algorithm, limit, clock } = setUp(2);
    const permit = await limit.acquire();
    await clock.advance(7);
    expect(algorithm.samples).toEqual([]);
    permit.release();
    permit.release();
    const other = limit.tryAcquire();
    await clock.advance(3);
    other?.release();
    other?.release();
    expect(algorithm.samples).toEqual([
      { startMs: 0, endMs: 7, inFlight: 1, outcome: "success" },
      { startMs: 7, endMs: 10, inFlight: 1, outcome: "success" },
    ]);
    expect(limit.inUse).toBe(0);
  });

  it("takes permits back whose lease has ended, and tells nothing of them", async () => {
    const { algorithm, limit, clock, guarded } = setUp(1, { leaseMs: 50 });
    const { operation, run } = manualOperation();
    const lost = watch(guarded.execute(operation));
    await clock.advance(60);
    expect(await guarded.execute(() => "next")).toBe("next");
    expect(limit.reclaimed).toBe(1);
    run(0).resolve("late");
    await clock.settle();
    expect(lost.state).toBe("fulfilled");
    expect(limit.inUse).toBe(0);
    expect(algorithm.samples).toHaveLength(2);
  });

  it("says when the limit changes, and only then", async () => {
    const { algorithm, guarded, events } = setUp(2);
    await guarded.execute(() => 1);
    algorithm.afterSample = 2.5;
    await guarded.execute(() => 1);
    algorithm.afterSample = 4;
    await guarded.execute(() => 1);
    expect(events.of("adaptive-limit.changed")).toEqual([
      { type: "adaptive-limit.changed", pipeline: "calls", name: "database", limit: 4, previous: 2 },
    ]);
  });

  it.each([Number.NaN, -1])("stays where it is when the algorithm says %s", async (nonsense) => {
    const { algorithm, guarded, limit } = setUp(3);
    algorithm.afterSample = nonsense;
    await guarded.execute(() => 1);
    expect(limit.maxConcurrent).toBe(3);
  });

  it("describes itself", () => {
    expect(setUp(3).limit.describe?.()).toBe("hand, at present 3 at once, no queue");
    expect(adaptiveLimit().describe?.()).toBe("knee, at present 20 at once, no queue");
  });

  it("stands where a concurrency limit may stand, and not where none may", () => {
    const { limit } = setUp();
    expect(() => pipeline("wrong", limit, retry())).toThrow("concurrency-limit (policy 1) stands outside retry");
  });

  itRefuses(
    [
      () => adaptiveLimit({ limit: 5 as never }),
      "`adaptiveLimit.limit` must be an object with a number `limit` and a function `observe`, got 5",
    ],
    [() => adaptiveLimit({ name: "" }), '`adaptiveLimit.name` must be a string that is not empty, got ""'],
    [() => adaptiveLimit({ maxQueue: -1 }), "`adaptiveLimit.maxQueue` must be an integer of at least 0, got -1"],
    [
      () => adaptiveLimit({ maxWaitMs: 0 }),
      "`adaptiveLimit.maxWaitMs` must be a number above 0 and at most 2147483647, got 0",
    ],
    [
      () => adaptiveLimit({ order: "random" as never }),
      '`adaptiveLimit.order` must be "fifo", "lifo", "priority" or "adaptive-lifo", got "random"',
    ],
    [
      () => adaptiveLimit({ leaseMs: 0 }),
      "`adaptiveLimit.leaseMs` must be a number above 0 and at most 2147483647, got 0",
    ],
    [
      () => adaptiveLimit({ reclaimAfterMs: -5 }),
      "`adaptiveLimit.reclaimAfterMs` must be a number above 0 and at most 2147483647, got -5",
    ],
  );
});
