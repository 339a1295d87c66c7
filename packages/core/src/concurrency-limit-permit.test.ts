import { concurrencyLimit, type ConcurrencyLimitOptions, pipeline, timeout } from "@headgate/core";
import { TestClock } from "@headgate/core/testing";
import { describe, expect, it } from "vitest";
import { HandClock } from "../test/support/hand-clock.ts";
import { heldTimers } from "../test/support/leftovers.ts";
import { manualOperation, rejectionOf, watch } from "../test/support/operations.ts";

function setUp(options: Partial<ConcurrencyLimitOptions> = {}) {
  const clock = new TestClock();
  const limit = concurrencyLimit({ maxConcurrent: 1, maxQueue: 5, maxWaitMs: 100, clock, ...options });
  return { clock, limit, guarded: pipeline({ name: "calls", clock }, limit) };
}

describe("concurrencyLimit.acquire", () => {
  it("holds a permit until it is released, and gives it back once", async () => {
    const { clock, limit, guarded } = setUp();
    const permit = await limit.acquire();
    expect(limit.inUse).toBe(1);
    const call = watch(guarded.execute(() => "done"));
    permit.release();
    await clock.settle();
    expect(call.value).toBe("done");
    permit.release();
    expect(limit.inUse).toBe(0);
  });

  it("waits in the same queue as calls do", async () => {
    const { clock, limit, guarded } = setUp();
    const first = await limit.acquire();
    const order: string[] = [];
    const call = watch(guarded.execute(() => order.push("call")));
    const second = watch(limit.acquire().then((permit) => (order.push("permit"), permit)));
    const last = watch(guarded.execute(() => order.push("last")));
    expect(limit).toMatchObject({ inUse: 1, queued: 3 });
    first.release();
    await clock.settle();
    expect([call.state, second.state, last.state]).toEqual(["fulfilled", "fulfilled", "pending"]);
    second.value?.release();
    await clock.settle();
    expect(order).toEqual(["call", "permit", "last"]);
    expect([limit.inUse, limit.queued, await heldTimers(clock)]).toEqual([0, 0, 0]);
  });

  it("ends its wait at once when its signal aborts, with the reason", async () => {
    const { clock, limit } = setUp();
    const permit = await limit.acquire();
    const controller = new AbortController();
    const waiting = watch(limit.acquire({ signal: controller.signal }));
    controller.abort("left");
    await clock.settle();
    expect([waiting.error, limit.queued]).toEqual(["left", 0]);
    permit.release();
    expect(limit.inUse).toBe(0);
  });

  it("is refused as calls are", async () => {
    const { clock, limit } = setUp({ maxQueue: 1, maxConcurrent: 2 });
    await limit.acquire({ weight: 2 });
    const waiting = watch(limit.acquire());
    expect(await rejectionOf(limit.acquire())).toMatchObject({ reason: "full", pipeline: "default" });
    expect(await rejectionOf(limit.acquire({ weight: 3 }))).toMatchObject({ reason: "weight" });
    expect(await rejectionOf(limit.acquire({ weight: -3 }))).toMatchObject({ code: "ERR_INVALID_OPTION" });
    await clock.advance(100);
    expect(waiting.error).toMatchObject({ reason: "wait" });
  });

  it("gives back its whole weight, at the end of a block with `using`", async () => {
    const { limit } = setUp({ maxConcurrent: 3 });
    {
      using permit = await limit.acquire({ weight: 2 });
      expect([permit.weight, limit.inUse]).toEqual([2, 2]);
    }
    expect(limit.inUse).toBe(0);
  });

  it("goes by priority where the limit does", async () => {
    const { clock, limit } = setUp({ order: "priority" });
    const permit = await limit.acquire();
    const low = watch(limit.acquire());
    const high = watch(limit.acquire({ priority: 1 }));
    permit.release();
    await clock.settle();
    expect([low.state, high.state]).toEqual(["pending", "fulfilled"]);
  });
});

describe("a hand-over that is not taken up in time", () => {
  it("leaves its waiter in the queue: it is given the next permit", async () => {
    const { clock, limit, guarded } = setUp({ maxWaitMs: 5000 });
    const first = await limit.acquire();
    const stalled = watch(guarded.execute(() => "went on"));
    first.release();
    // Everything stands still for a second before the waiter goes on.
    clock.jump(1000);
    const newcomer = limit.tryAcquire();
    expect(newcomer).toBeDefined();
    await clock.settle();
    expect([stalled.state, limit.queued]).toEqual(["pending", 1]);
    newcomer?.release();
    await clock.settle();
    expect([stalled.value, limit.inUse, limit.queued]).toEqual(["went on", 0, 0]);
    expect(await heldTimers(clock)).toBe(0);
  });

  it("is not taken back before a second has passed, at any time of day", async () => {
    const { clock, limit, guarded } = setUp({ maxWaitMs: 5000 });
    await clock.advance(5000);
    const first = await limit.acquire();
    const waiting = watch(guarded.execute(() => clock.now()));
    first.release();
    clock.jump(999);
    expect(limit.tryAcquire()).toBeUndefined();
    await clock.settle();
    expect([waiting.value, limit.inUse]).toEqual([5999, 0]);
  });

  it("is taken back also when one that was passed over for it has left meanwhile", async () => {
    const { clock, limit, guarded } = setUp({ maxWaitMs: 5000 });
    const first = await limit.acquire();
    const controller = new AbortController();
    const late = watch(guarded.execute(() => "late", { deadline: 50, signal: controller.signal }));
    const stalled = watch(guarded.execute(() => "went on"));
    clock.jump(60);
    first.release();
    controller.abort("left");
    clock.jump(1000);
    const newcomer = limit.tryAcquire();
    expect(newcomer).toBeDefined();
    newcomer?.release();
    await clock.settle();
    expect([late.error, stalled.value, limit.inUse]).toEqual(["left", "went on", 0]);
  });

  it("is its waiter's although that has waited as long as it may before it goes on", async () => {
    const clock = new HandClock();
    const limit = concurrencyLimit({ maxConcurrent: 1, maxQueue: 5, maxWaitMs: 100, clock });
    const first = await limit.acquire();
    const waiting = limit.acquire();
    first.release();
    clock.fire(100);
    const permit = await waiting;
    expect(limit).toMatchObject({ inUse: 1, rejectedWait: 0 });
    permit.release();
    expect(limit.inUse).toBe(0);
  });

  it("refuses its waiter when that has waited as long as it may before it goes on", async () => {
    const clock = new HandClock();
    const limit = concurrencyLimit({ maxConcurrent: 1, maxQueue: 5, maxWaitMs: 1500, clock });
    const first = await limit.acquire();
    const refused = rejectionOf(limit.acquire());
    first.release();
    clock.jump(1000);
    const newcomer = limit.tryAcquire();
    expect(newcomer).toBeDefined();
    // Its timer fires while its request still stands still.
    clock.fire(500);
    expect(await refused).toMatchObject({ reason: "wait" });
    expect(limit).toMatchObject({ inUse: 1, queued: 0, rejectedWait: 1 });
    newcomer?.release();
    expect(limit.inUse).toBe(0);
  });
});

describe("concurrencyLimit.tryAcquire", () => {
  it("takes a permit when there is one, and nothing when there is none", async () => {
    const { limit } = setUp({ maxConcurrent: 3 });
    const permit = limit.tryAcquire({ weight: 2 });
    expect(permit?.weight).toBe(2);
    expect(limit.tryAcquire({ weight: 2 })).toBeUndefined();
    expect(limit.inUse).toBe(2);
    permit?.release();
    permit?.release();
    expect(limit.inUse).toBe(0);
  });

  it("does not overtake a heavy waiter", async () => {
    const { clock, limit } = setUp({ maxConcurrent: 2 });
    const permit = limit.tryAcquire();
    const heavy = watch(limit.acquire({ weight: 2 }));
    expect(limit.tryAcquire()).toBeUndefined();
    permit?.release();
    await clock.settle();
    expect(heavy.state).toBe("fulfilled");
  });

  it("refuses a weight that is none", () => {
    const { limit } = setUp();
    expect(() => limit.tryAcquire({ weight: 0 })).toThrow("`tryAcquire.weight` must be a number above 0");
  });
});

describe("concurrencyLimit with `reclaimAfterMs`", () => {
  /** One permit, and a call that was answered at its deadline while its operation goes on. */
  async function abandon(options: Partial<ConcurrencyLimitOptions>) {
    const { clock, limit, guarded } = setUp({ reclaimAfterMs: 50, ...options });
    const hurried = pipeline({ name: "hurried", clock }, timeout({ timeoutMs: 10, clock }), limit);
    const { operation, run } = manualOperation();
    const call = watch(hurried.execute(operation));
    await clock.advance(10);
    expect(call.error).toMatchObject({ code: "ERR_TIMEOUT" });
    expect(limit).toMatchObject({ inUse: 1, abandoned: 1 });
    const endLate = async () => {
      run(0).resolve("late");
      await clock.settle();
    };
    return { clock, limit, guarded, endLate };
  }

  it("takes the permit of abandoned work back after that, and is not given it twice", async () => {
    const { clock, limit, guarded, endLate } = await abandon({ maxQueue: 0 });
    await clock.advance(49);
    expect(await rejectionOf(guarded.execute(() => "early"))).toMatchObject({ reason: "full" });
    await clock.advance(1);
    const { operation, run } = manualOperation();
    const call = watch(guarded.execute(operation));
    expect(limit).toMatchObject({ inUse: 1, abandoned: 0, reclaimed: 1 });
    await endLate();
    expect(limit).toMatchObject({ inUse: 1, abandoned: 0 });
    run(0).resolve("done");
    await clock.settle();
    expect([call.value, limit.inUse]).toEqual(["done", 0]);
  });

  it("takes nothing back when the work ends in time", async () => {
    const { clock, limit, guarded, endLate } = await abandon({});
    await endLate();
    expect(limit).toMatchObject({ inUse: 0, abandoned: 0 });
    await clock.advance(100);
    expect(await guarded.execute(() => "done")).toBe("done");
    expect(limit).toMatchObject({ inUse: 0, reclaimed: 0 });
  });

  it("gives it to those who wait when one of them has waited too long", async () => {
    const { clock, guarded } = await abandon({ reclaimAfterMs: 60, maxWaitMs: 60 });
    const early = watch(guarded.execute(() => "early"));
    await clock.advance(30);
    const late = watch(guarded.execute(() => "late"));
    await clock.advance(30);
    expect(early.error).toMatchObject({ reason: "wait" });
    expect(late.value).toBe("late");
  });

  it("leaves the permit of a held value alone: its caller still uses it", async () => {
    const { clock, limit, guarded } = setUp({ reclaimAfterMs: 50, maxQueue: 0 });
    let release = () => {};
    await guarded.execute((context) => void (release = context.hold()));
    await clock.advance(1000);
    expect(await rejectionOf(guarded.execute(() => "next"))).toMatchObject({ reason: "full" });
    release();
    expect(limit.inUse).toBe(0);
  });

  it("goes together with a lease, whichever ends first", async () => {
    const { clock, limit, guarded, endLate } = await abandon({ leaseMs: 30, maxQueue: 0 });
    await clock.advance(20);
    expect(await guarded.execute(() => "done")).toBe("done");
    expect(limit).toMatchObject({ inUse: 0, abandoned: 0, reclaimed: 1 });
    await endLate();
    expect(limit).toMatchObject({ inUse: 0, abandoned: 0, reclaimed: 1 });
  });
});
