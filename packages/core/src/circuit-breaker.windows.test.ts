import {
  circuitBreaker,
  concurrencyLimit,
  consecutiveFailures,
  countWindow,
  pipeline,
  timeWindow,
} from "@headgate/core";
import type { CircuitBreakerOptions, Clock, ExecuteOptions, Trip } from "@headgate/core";
import { EventRecorder, TestClock } from "@headgate/core/testing";
import { describe, expect, it } from "vitest";
import { heldTimers } from "../test/support/leftovers.ts";
import { manualOperation, rejectionOf, watch } from "../test/support/operations.ts";

const failure = new Error("down");
const fail = () => Promise.reject(failure);
const succeed = () => Promise.resolve("up");

function setUp(options: CircuitBreakerOptions) {
  const clock = new TestClock();
  const events = new EventRecorder();
  const breaker = circuitBreaker({ openMs: 100, clock, ...options });
  const guarded = pipeline({ name: "calls", clock, observer: events.observer }, breaker);
  /** Starts a call that the test settles; says whether it was let through. */
  const start = () => {
    const controller = new AbortController();
    const { operation, runs, run } = manualOperation();
    const call = watch(guarded.execute(operation, { signal: controller.signal }));
    return { call, controller, run, admitted: () => runs.length === 1 };
  };
  return { clock, events, breaker, guarded, start };
}

describe("circuitBreaker with a time window", () => {
  const trip = () => timeWindow({ windowMs: 1000, failureRatio: 0.5, minCalls: 4 });

  it("opens on the share of failures of the last while, not of an hour ago", async () => {
    const { clock, breaker, guarded } = setUp({ trip: trip() });
    for (let i = 0; i < 3; i++) await rejectionOf(guarded.execute(fail));
    await clock.advance(3_600_000);
    await rejectionOf(guarded.execute(fail));
    expect(breaker.state).toBe("closed");
    for (let i = 0; i < 3; i++) await rejectionOf(guarded.execute(fail));
    expect(breaker.state).toBe("open");
  });

  it("is not diluted by callers that leave, by refusals inside it and by calls in flight", async () => {
    const { clock, breaker, guarded, start } = setUp({ trip: trip() });
    const busy = pipeline("busy", concurrencyLimit({ maxConcurrent: 1 }));
    void busy.execute(manualOperation().operation);
    for (let i = 0; i < 20; i++) {
      start().controller.abort();
      start();
      await rejectionOf(guarded.execute(() => busy.execute(succeed)));
    }
    await guarded.execute(succeed);
    for (let i = 0; i < 2; i++) await rejectionOf(guarded.execute(fail));
    await clock.settle();
    expect(breaker.state).toBe("closed");
    await rejectionOf(guarded.execute(fail));
    expect(breaker.state).toBe("open");
  });

  it("tells its share of failures for metrics, as of now", async () => {
    const { clock, breaker, guarded } = setUp({ trip: trip() });
    expect([breaker.failureRatio, breaker.slowRatio]).toEqual([0, undefined]);
    await rejectionOf(guarded.execute(fail));
    await guarded.execute(succeed);
    expect(breaker.failureRatio).toBe(0.5);
    await clock.advance(1000);
    expect(breaker.failureRatio).toBe(0);
    expect(circuitBreaker().failureRatio).toBeUndefined();
  });
});

describe("circuitBreaker with a threshold for slow calls", () => {
  const trip = () => countWindow({ calls: 4, minCalls: 4, slowMs: 50, slowRatio: 0.5 });

  it("opens on the share of calls that took that long, although all succeed", async () => {
    const { clock, breaker, guarded, start } = setUp({ trip: trip() });
    const calls = [start(), start()];
    await guarded.execute(succeed);
    await clock.advance(49);
    calls[0]?.run(0).resolve("in time");
    await clock.advance(1);
    calls[1]?.run(0).resolve("late");
    await guarded.execute(succeed);
    expect([breaker.state, breaker.slowRatio]).toEqual(["closed", 0.25]);
    const third = start();
    await clock.advance(50);
    third.run(0).resolve("late");
    await clock.settle();
    expect(breaker.state).toBe("open");
  });

  it("counts calls that hang as slow from that moment on, not when they end", async () => {
    const { clock, breaker, start, events } = setUp({ trip: trip() });
    const hung = [start(), start(), start(), start()];
    await clock.advance(49);
    expect(start().admitted()).toBe(true);
    await clock.advance(1);
    const refused = start();
    await clock.settle();
    // Slow calls are no failure that could be shown as the cause.
    expect(refused.call.error).toMatchObject({ retryAfterMs: 100, cause: undefined });
    expect(events.of("circuit-breaker.opened")).toMatchObject([{ cause: undefined }]);
    for (const { run } of hung) run(0).resolve("at last");
    await clock.settle();
    expect([breaker.state, breaker.opened]).toEqual(["open", 1]);
    expect(await heldTimers(clock)).toBe(0);
  });

  it("shows no failure as the cause that has left the window when slow calls open it", async () => {
    const { clock, events, guarded, start } = setUp({ trip: trip() });
    await rejectionOf(guarded.execute(fail));
    for (let i = 0; i < 4; i++) await guarded.execute(succeed);
    start();
    start();
    await clock.advance(50);
    await rejectionOf(guarded.execute(succeed));
    expect(events.of("circuit-breaker.opened")).toMatchObject([{ cause: undefined }]);
  });

  it("shows the last failure as the cause that is among the calls when slow ones open it", async () => {
    const { clock, events, guarded, start } = setUp({ trip: trip() });
    await rejectionOf(guarded.execute(fail));
    start();
    start();
    await guarded.execute(succeed);
    await clock.advance(50);
    await rejectionOf(guarded.execute(succeed));
    expect(events.of("circuit-breaker.opened")).toMatchObject([{ cause: failure }]);
  });

  it("drops the failure of a slow call that has opened it by being slow", async () => {
    const { clock, breaker, guarded, start, events } = setUp({
      trip: countWindow({ calls: 1, minCalls: 1, slowMs: 50, slowRatio: 1 }),
    });
    const hung = start();
    await clock.advance(50);
    hung.run(0).reject(failure);
    await clock.settle();
    expect(await rejectionOf(guarded.execute(succeed))).toMatchObject({ retryAfterMs: 100, cause: undefined });
    expect([breaker.opened, breaker.failureRatio]).toEqual([1, 0]);
    expect(events.of("circuit-breaker.opened")).toHaveLength(1);
  });

  it("drops the failure of a quick call whose end shows that others were slow", async () => {
    const { clock, breaker, start } = setUp({
      trip: countWindow({ calls: 1, minCalls: 1, slowMs: 50, slowRatio: 1 }),
    });
    start();
    await clock.advance(40);
    const quick = start();
    await clock.advance(10);
    quick.run(0).reject(failure);
    await clock.settle();
    expect([breaker.state, breaker.opened, breaker.failureRatio]).toEqual(["open", 1, 0]);
  });

  it("takes a trip of one's own that finds no samples again", async () => {
    const told: unknown[] = [];
    const own: Trip = {
      slowMs: 50,
      record: (result) => (told.push(result), result === "slow" && told.length > 2),
      failSlow: (sample) => (told.push(["failed", sample]), false),
      reset: () => told.push("reset"),
    };
    const { clock, breaker, start } = setUp({ trip: own });
    const slow = start();
    await clock.advance(50);
    slow.run(0).reject(failure);
    await clock.settle();
    expect(told).toEqual(["slow", ["failed", 0]]);
    const hung = start();
    await clock.advance(50);
    expect(start().admitted()).toBe(false);
    expect(told).toEqual(["slow", ["failed", 0], "slow", "reset"]);
    expect([breaker.state, breaker.failureRatio, breaker.slowRatio]).toEqual(["open", undefined, undefined]);
    hung.controller.abort();
  });

  it("opens as of the moment the calls had hung too long, whenever that is noticed", async () => {
    const { clock, start, events } = setUp({ trip: trip() });
    for (let i = 0; i < 4; i++) start();
    await clock.advance(100);
    const refused = start();
    await clock.settle();
    expect(refused.call.error).toMatchObject({ retryAfterMs: 50 });
    await clock.advance(50);
    expect(start().admitted()).toBe(true);
    const told = events.types.filter((type) => type.startsWith("circuit-breaker"));
    expect(told).toEqual(["circuit-breaker.opened", "circuit-breaker.rejected", "circuit-breaker.half-opened"]);
  });

  it("notices when a call ends, too", async () => {
    const { clock, breaker, start } = setUp({ trip: trip() });
    for (let i = 0; i < 3; i++) start();
    await clock.advance(20);
    const quick = start();
    await clock.advance(30);
    expect(breaker.state).toBe("closed");
    quick.run(0).resolve("in time");
    await clock.settle();
    expect(breaker.state).toBe("open");
  });

  it("counts each call once, whether it hangs, ends or is given up", async () => {
    const { clock, breaker, guarded, start } = setUp({
      trip: countWindow({ calls: 8, minCalls: 8, slowMs: 50, slowRatio: 1 }),
    });
    const [succeeds, fails, left] = [start(), start(), start()];
    await clock.advance(60);
    for (let i = 0; i < 2; i++) await guarded.execute(succeed);
    succeeds.run(0).resolve("late");
    fails.run(0).reject(failure);
    left.controller.abort();
    await clock.settle();
    expect([breaker.slowRatio, breaker.failureRatio]).toEqual([3 / 5, 1 / 5]);
  });

  it("does not let a call that was slow first hide that it failed", async () => {
    const { clock, breaker, start } = setUp({
      trip: timeWindow({ windowMs: 1000, minCalls: 4, failureRatio: 0.5, slowMs: 50, slowRatio: 1 }),
    });
    const calls = [start(), start()];
    await clock.advance(50);
    for (const { run } of [start(), start()]) run(0).resolve("quick");
    await clock.settle();
    for (const { run } of calls) run(0).reject(failure);
    await clock.settle();
    expect(breaker.state).toBe("open");
  });

  it("forgets calls in flight when the circuit changes its state", async () => {
    const { clock, breaker, guarded, start } = setUp({
      trip: countWindow({ calls: 2, minCalls: 2, slowMs: 50, slowRatio: 0.5 }),
    });
    start();
    start();
    await clock.advance(49);
    for (let i = 0; i < 2; i++) await rejectionOf(guarded.execute(fail));
    await clock.advance(100);
    await guarded.execute(succeed);
    await guarded.execute(succeed);
    expect([breaker.state, breaker.slowRatio]).toEqual(["closed", 0]);
  });

  it("opens on the share of calls that either failed or were slow", async () => {
    const { clock, breaker, guarded, start } = setUp({
      trip: countWindow({ calls: 4, minCalls: 4, failureRatio: 1, slowMs: 50, combinedRatio: 0.75 }),
    });
    start();
    await clock.advance(50);
    await guarded.execute(succeed);
    await rejectionOf(guarded.execute(fail));
    expect(breaker.state).toBe("closed");
    await rejectionOf(guarded.execute(fail));
    expect(breaker.state).toBe("open");
  });
});

describe("circuitBreaker when the dependency says it has too much to do", () => {
  const isOverload = (result: unknown) => result === 429 || result === busy || result === refused;
  const busy = Object.assign(new Error("busy"), { status: 429, retryAfterMs: 0 });
  const refused = new Error("connection refused");
  const run = (trip: CircuitBreakerOptions["trip"], results: readonly unknown[], options: ExecuteOptions<unknown>) => {
    const { breaker, guarded } = setUp({ trip: trip! });
    return results.reduce<Promise<string>>(async (before, result) => {
      await before;
      const operation = async () => {
        if (result instanceof Error) throw result;
        return result;
      };
      await guarded.execute(operation, options).catch(() => {});
      return breaker.state;
    }, Promise.resolve("closed"));
  };
  const twoInARow = () => consecutiveFailures({ maxFailures: 2 });

  it("counts that in shares", async () => {
    const window = countWindow({ calls: 4, minCalls: 4, failureRatio: 0.5 });
    expect(await run(window, ["ok", "ok", 429, busy], { isOverload })).toBe("open");
  });

  it("does not count answers among failures in a row, returned or thrown with a time to wait", async () => {
    expect(await run(twoInARow(), [429, 429, busy, busy, 429], { isOverload })).toBe("closed");
    expect(await run(twoInARow(), [failure, 429, busy, failure], { isOverload })).toBe("open");
  });

  it("counts a connection that was refused, which is no answer", async () => {
    expect(await run(twoInARow(), [refused, refused], { isOverload })).toBe("open");
  });

  it("takes an error for no answer when the function that reads its time to wait fails", async () => {
    const retryAfterMs = () => {
      throw new Error("unreadable");
    };
    expect(await run(twoInARow(), [busy, busy], { isOverload, retryAfterMs })).toBe("open");
  });
});

describe("circuitBreaker on the way of a call that succeeds", () => {
  class CountingClock extends TestClock implements Clock {
    reads = 0;
    override now(): number {
      this.reads++;
      return super.now();
    }
  }
  const readsOf = async (trip: CircuitBreakerOptions["trip"]) => {
    const clock = new CountingClock();
    const guarded = pipeline("calls", circuitBreaker({ trip: trip!, clock }));
    for (let i = 0; i < 10; i++) await guarded.execute(succeed);
    return clock.reads;
  };

  it("reads the clock only for a trip that needs it", async () => {
    expect(await readsOf(consecutiveFailures())).toBe(0);
    expect(await readsOf(countWindow())).toBe(0);
    expect(await readsOf(timeWindow())).toBe(10);
    expect(await readsOf(timeWindow({ slowMs: 10, slowRatio: 1 }))).toBe(20);
  });
});
