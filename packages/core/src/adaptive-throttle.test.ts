import {
  adaptiveThrottle,
  type AdaptiveThrottleOptions,
  circuitBreaker,
  consecutiveFailures,
  constantBackoff,
  pipeline,
  retry,
  timeout,
} from "@headgate/core";
import { EventRecorder, SeededRandom, TestClock } from "@headgate/core/testing";
import { describe, expect, it } from "vitest";
import { manualOperation, rejectionOf, watch } from "../test/support/operations.ts";

const busy = new Error("busy");
const down = new Error("down");
const isOverload = (result: unknown): boolean => result === busy;
const succeed = () => "served";
const fail = () => Promise.reject(down);
const turnAway = () => Promise.reject(busy);

/** A throttle in a pipeline of its own; `next` is what chance says: by default nobody is refused. */
function throttled(options: AdaptiveThrottleOptions = {}) {
  const clock = new TestClock(1000);
  const chance = { next: () => 0.999 };
  const events = new EventRecorder();
  const throttle = adaptiveThrottle({ name: "orders", minCalls: 1, clock, random: chance, ...options });
  const calls = pipeline({ name: "shop", clock, observer: events.observer, isOverload }, throttle);
  const run = async (times: number, operation: () => unknown): Promise<void> => {
    for (let i = 0; i < times; i++) await calls.attempt(operation);
  };
  return { clock, chance, events, throttle, calls, run };
}

describe("adaptiveThrottle", () => {
  it("refuses with the probability of the formula", async () => {
    const { throttle, run } = throttled();
    await run(20, succeed);
    await run(20, turnAway);
    expect(throttle).toMatchObject({ requests: 40, accepts: 20, rejectRatio: 0 });
    await run(60, turnAway);
    expect(throttle.rejectRatio).toBeCloseTo((100 - 2 * 20) / 101, 12);
    const keen = throttled({ acceptMultiplier: 1 });
    await keen.run(20, succeed);
    await keen.run(20, turnAway);
    expect(keen.throttle.rejectRatio).toBeCloseTo(20 / 41, 12);
  });

  it("refuses when chance is below the ratio, without running the operation, and tells why", async () => {
    const { throttle, calls, run, chance, events } = throttled();
    await run(100, turnAway);
    chance.next = () => 0.8999;
    let ran = 0;
    const error = await rejectionOf(calls.execute(() => ran++));
    expect(ran).toBe(0);
    expect(error).toMatchObject({
      name: "AdaptiveThrottleError",
      code: "ERR_ADAPTIVE_THROTTLE",
      policy: "adaptive-throttle",
      pipeline: "shop",
      throttle: "orders",
      rejectRatio: 0.9,
      message: 'The throttle "orders" refuses 90 % of the calls, because they are turned away',
    });
    expect(throttle.rejected).toBe(1);
    expect(events.of("adaptive-throttle.rejected")).toEqual([
      { type: "adaptive-throttle.rejected", pipeline: "shop", name: "orders", rejectRatio: 0.9 },
    ]);
    chance.next = () => 0.9;
    await calls.execute(() => ran++);
    expect(ran).toBe(1);
  });

  it("counts what it refuses as a request", async () => {
    const { throttle, run, chance } = throttled();
    await run(10, turnAway);
    chance.next = () => 0;
    await run(10, succeed);
    expect(throttle).toMatchObject({ requests: 20, accepts: 0, rejected: 10 });
  });

  it("takes a failure for accepted, and does not count what is ignored", async () => {
    const { throttle, calls, run } = throttled();
    await run(5, fail);
    expect(throttle).toMatchObject({ requests: 5, accepts: 5 });
    await calls.attempt(turnAway, { isIgnored: (result) => result === busy });
    expect(throttle).toMatchObject({ requests: 5, accepts: 5 });
  });

  it("takes our own timeout for turned away", async () => {
    const clock = new TestClock();
    const throttle = adaptiveThrottle({ minCalls: 1, clock });
    const limited = pipeline({ name: "slow", clock }, throttle, timeout({ timeoutMs: 10, clock }));
    const call = watch(limited.execute(manualOperation().operation));
    await clock.advance(10);
    expect(call.state).toBe("rejected");
    expect(throttle.rejectRatio).toBe(0.5);
  });

  it("counts an attempt from its start, once any was turned away", async () => {
    const { throttle, calls, run } = throttled();
    const hanging = manualOperation();
    const watched = Array.from({ length: 99 }, () => watch(calls.execute(hanging.operation)));
    // Nothing says yet that these will not be served.
    expect(throttle).toMatchObject({ requests: 99, accepts: 0, rejectRatio: 0 });
    await run(1, turnAway);
    expect(throttle.rejectRatio).toBe(0.9);
    for (const { resolve } of hanging.runs) resolve("late");
    await run(1, succeed);
    expect(throttle).toMatchObject({ requests: 101, accepts: 100, rejectRatio: 0 });
    expect(watched.every(({ state }) => state === "fulfilled")).toBe(true);
  });

  it("lets everything through while there are few calls", async () => {
    const { throttle, run } = throttled({ minCalls: 50 });
    await run(49, turnAway);
    expect(throttle.rejectRatio).toBe(0);
    await run(1, turnAway);
    expect(throttle.rejectRatio).toBe(0.9);
    const byDefault = throttled({ minCalls: undefined as never });
    await byDefault.run(99, turnAway);
    expect(byDefault.throttle.rejectRatio).toBe(0);
  });

  it("forgets what is older than the window, step by step", async () => {
    const { throttle, run, clock } = throttled({ windowMs: 1000, buckets: 10 });
    await run(10, turnAway);
    await clock.advance(900);
    await run(10, succeed);
    expect(throttle).toMatchObject({ requests: 20, accepts: 10, busy: false });
    await run(10, turnAway);
    expect(throttle.busy).toBe(true);
    await clock.advance(100);
    expect(throttle).toMatchObject({ requests: 20, accepts: 10, rejectRatio: 0 });
    await clock.advance(10_000);
    expect(throttle).toMatchObject({ requests: 0, accepts: 0, rejectRatio: 0 });
  });

  it("counts the end of an attempt where its start is, and not at all once that has left the window", async () => {
    const { throttle, calls, clock } = throttled({ windowMs: 1000, buckets: 10 });
    const { operation, run } = manualOperation();
    const early = calls.attempt(operation);
    await clock.advance(500);
    const late = calls.attempt(operation);
    await clock.advance(600);
    run(0).resolve("old");
    await early;
    expect(throttle).toMatchObject({ requests: 1, accepts: 0 });
    run(1).resolve("young");
    await late;
    expect(throttle).toMatchObject({ requests: 1, accepts: 1 });
    await clock.advance(400);
    expect(throttle).toMatchObject({ requests: 0, accepts: 0 });
  });

  it("does not count calls whose caller has left", async () => {
    const { throttle, calls, clock } = throttled();
    const controller = new AbortController();
    const call = watch(calls.execute(manualOperation().operation, { signal: controller.signal }));
    controller.abort(new Error("left"));
    await clock.settle();
    expect(call.state).toBe("rejected");
    expect(throttle).toMatchObject({ requests: 0, accepts: 0 });
  });

  it("counts every attempt of a retry, and its refusal ends the call", async () => {
    const clock = new TestClock();
    const chance = { next: () => 0.999 };
    const throttle = adaptiveThrottle({ minCalls: 1, clock, random: chance });
    const again = retry({ maxAttempts: 3, backoff: constantBackoff({ delayMs: 0 }), clock });
    const calls = pipeline({ name: "shop", clock, isOverload }, again, throttle);
    await calls.attempt(turnAway);
    expect(throttle.requests).toBe(3);
    chance.next = () => 0;
    expect(await calls.attempt(turnAway)).toMatchObject({ ok: false, outcome: "ignored" });
    expect(throttle).toMatchObject({ requests: 4, rejected: 1 });
  });

  it("does not count what a circuit inside it refuses", async () => {
    const clock = new TestClock();
    const throttle = adaptiveThrottle({ minCalls: 1, clock });
    const breaker = circuitBreaker({ trip: consecutiveFailures({ maxFailures: 1 }), clock });
    const calls = pipeline({ name: "shop", clock }, throttle, breaker);
    await calls.attempt(fail);
    await calls.attempt(succeed);
    expect(breaker.rejected).toBe(1);
    expect(throttle).toMatchObject({ requests: 1, accepts: 1 });
  });

  it("keeps the load near twice what is served, lets a trickle through an outage, and opens again after it", async () => {
    const clock = new TestClock();
    const throttle = adaptiveThrottle({ windowMs: 20_000, clock, random: new SeededRandom(7) });
    const calls = pipeline({ name: "shop", clock, isOverload }, throttle);
    let capacity = 20;
    let sent = 0;
    /** Each second 100 calls come, of which the dependency serves so many and turns the others away. */
    const seconds = async (count: number): Promise<{ sent: number; served: number }> => {
      const result = { sent: 0, served: 0 };
      for (let second = 0; second < count; second++) {
        sent = 0;
        for (let i = 0; i < 100; i++) {
          const { ok } = await calls.attempt(() => (sent++ < capacity ? "served" : turnAway()));
          if (ok) result.served++;
        }
        result.sent += sent;
        await clock.advance(1000);
      }
      return { sent: result.sent / count, served: result.served / count };
    };
    await seconds(40);
    const overload = await seconds(60);
    expect(overload.served).toBe(20);
    expect(overload.sent).toBeGreaterThan(35);
    expect(overload.sent).toBeLessThan(45);
    capacity = 0;
    await seconds(20);
    const outage = await seconds(60);
    expect(outage.sent).toBeGreaterThan(8);
    expect(outage.sent).toBeLessThan(12);
    capacity = 1000;
    await seconds(40);
    expect(await seconds(10)).toEqual({ sent: 100, served: 100 });
  });

  it("says what it does", () => {
    expect(pipeline("shop", adaptiveThrottle({ name: "orders" })).describe()).toContain(
      'adaptive-throttle  "orders", at most 90 % refused, by the last 120000 ms',
    );
  });

  it.each<[AdaptiveThrottleOptions, string]>([
    [{ name: "" }, "`adaptiveThrottle.name` must be a string that is not empty"],
    [{ acceptMultiplier: 0.9 }, "`adaptiveThrottle.acceptMultiplier` must be a number of at least 1 and at most 100"],
    [{ windowMs: 0 }, "`adaptiveThrottle.windowMs` must be a number above 0"],
    [{ buckets: 0 }, "`adaptiveThrottle.buckets` must be an integer from 1 to 1000"],
    [{ minCalls: 0 }, "`adaptiveThrottle.minCalls` must be an integer of at least 1"],
    [{ maxRejectRatio: 1 }, "`adaptiveThrottle.maxRejectRatio` must be a number above 0 and below 1, got 1"],
    [{ maxRejectRatio: 0 }, "`adaptiveThrottle.maxRejectRatio` must be a number above 0 and below 1, got 0"],
    [{ clock: {} as TestClock }, "`adaptiveThrottle.clock` must be a clock"],
    [{ random: {} as SeededRandom }, "`adaptiveThrottle.random` must be a source of chance"],
  ])("names an option that is out of bounds: %j", (options, message) => {
    expect(() => adaptiveThrottle(options)).toThrow(message);
  });
});
