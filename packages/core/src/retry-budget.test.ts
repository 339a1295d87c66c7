import {
  concurrencyLimit,
  constantBackoff,
  explain,
  type HeadgateEvent,
  pipeline,
  retry,
  type RetryBudgetOptions,
  retryBudget,
  type RetryOptions,
  standardPipeline,
  timeout,
} from "@headgate/core";
import { resilientFetch } from "@headgate/core/fetch";
import { EventRecorder, TestClock } from "@headgate/core/testing";
import { describe, expect, it } from "vitest";
import { heldTimers } from "../test/support/leftovers.ts";
import { failingTimes, manualOperation, rejectionOf, watch } from "../test/support/operations.ts";
import { itRefuses } from "../test/support/options.ts";
import { stubFetch } from "../test/support/stub-fetch.ts";

const atOnce = constantBackoff({ delayMs: 0 });
const down = () => {
  throw new Error("down");
};

/** A pipeline of one retry on a budget, and another that shares the budget. */
function setUp(options: RetryBudgetOptions = {}, retries: RetryOptions = {}) {
  const clock = new TestClock();
  const events = new EventRecorder();
  const budget = retryBudget({ clock, minPerSecond: 0, minConcurrent: 1000, ...options });
  const make = (name: string) => {
    const again = retry({ maxAttempts: 2, backoff: atOnce, budget, clock, ...retries });
    return { again, guarded: pipeline({ name, clock, observer: events.observer }, again) };
  };
  const { again, guarded } = make("calls");
  const succeed = async (times: number) => {
    for (let i = 0; i < times; i++) await guarded.execute(() => "fine");
  };
  const fail = async (times: number) => {
    for (let i = 0; i < times; i++) await rejectionOf(guarded.execute(down));
  };
  return { clock, events, budget, again, guarded, make, succeed, fail };
}

describe("retryBudget", () => {
  itRefuses(
    [() => retryBudget({ ratio: 1.5 }), "`retryBudget.ratio` must be a number of at least 0 and at most 1, got 1.5"],
    [
      () => retryBudget({ windowMs: 0 }),
      "`retryBudget.windowMs` must be a number above 0 and at most 2147483647, got 0",
    ],
    [
      () => retryBudget({ minPerSecond: -1 }),
      "`retryBudget.minPerSecond` must be a number of at least 0 and at most 9007199254740991, got -1",
    ],
    [
      () => retryBudget({ minConcurrent: 0.5 }),
      "`retryBudget.minConcurrent` must be an integer of at least 0, got 0.5",
    ],
    [
      () => retry({ budget: {} as never }),
      "`retry.budget` must be an object with a function `tryAcquire`, got an object",
    ],
  );

  it("allows one retry for every five calls, to the call", async () => {
    const { again, budget, succeed, fail } = setUp();
    await succeed(96);
    await fail(3);
    // 99 calls: 19 retries, of which 3 are used.
    expect(again).toMatchObject({ retries: 3, budgetDenied: 0 });
    await fail(40);
    // 139 calls in the end: 27 retries.
    expect(again.retries).toBe(27);
    expect(again.budgetDenied).toBe(43 - 27);
    expect(budget).toMatchObject({ deniedByWindow: 16, deniedByConcurrency: 0, callsInFlight: 0, retriesInFlight: 0 });
  });

  it.each([0.07, 0.1, 0.29, 0.7])("counts exactly where the ratio is no binary fraction: %d", async (ratio) => {
    const { again, succeed, fail } = setUp({ ratio });
    await succeed(99);
    await fail(1);
    expect(again.retries).toBe(1);
    const { again: exact, succeed: more, fail: failing } = setUp({ ratio });
    await more(100 - Math.round(ratio * 100));
    await failing(Math.round(ratio * 100));
    expect(exact.retries).toBeGreaterThanOrEqual(Math.round(ratio * 100) - 1);
    expect(exact.retries).toBeLessThanOrEqual(Math.round(ratio * 100));
  });

  it("allows the minimum for each second of the window however few calls there are", async () => {
    const { again, fail } = setUp({ ratio: 0, minPerSecond: 0.5 });
    await fail(8);
    expect(again).toMatchObject({ retries: 5, budgetDenied: 3 });
  });

  it("forgets calls and retries when they have left the window, step by step", async () => {
    const { again, clock, succeed, fail } = setUp();
    await succeed(50);
    await clock.advance(5000);
    await fail(10);
    expect(again.retries).toBe(10);
    await clock.advance(4999);
    await fail(1);
    // 61 calls: 12 retries, 10 used.
    expect(again.retries).toBe(11);
    await clock.advance(1);
    await fail(1);
    // Of 12 calls, 2 retries, and 11 are used.
    expect(again).toMatchObject({ retries: 11, budgetDenied: 1 });
    await clock.advance(10_000);
    await succeed(4);
    await fail(1);
    expect(again.retries).toBe(12);
  });

  it("moves nothing when the clock stands still or is set back", async () => {
    const { again, clock, succeed, fail } = setUp();
    await clock.advance(60_000);
    await succeed(10);
    clock.jump(-30_000);
    await fail(4);
    expect(again.retries).toBe(2);
  });

  it("bounds retries in flight by the share of calls in flight, or the minimum", async () => {
    const limits = { ratio: 0.5, minPerSecond: 1000, minConcurrent: 3 };
    const { again, budget, clock, guarded } = setUp(limits, { backoff: constantBackoff({ delayMs: 100 }) });
    const calls = Array.from({ length: 5 }, () => watch(guarded.execute(down)));
    await clock.settle();
    // Five are in flight: half of them would be two, the minimum is three.
    expect(budget).toMatchObject({ callsInFlight: 3, retriesInFlight: 3, deniedByConcurrency: 2 });
    expect(calls.map(({ state }) => state)).toEqual(["pending", "pending", "pending", "rejected", "rejected"]);
    const { operation, run } = manualOperation();
    for (let i = 0; i < 17; i++) watch(guarded.execute(operation));
    for (let i = 0; i < 10; i++) run(i).reject(new Error("down"));
    await clock.settle();
    // Twenty are in flight when the seventh fails: half of them are ten.
    expect(budget.retriesInFlight).toBe(10);
    expect(again.budgetDenied).toBe(2 + 3);
    await clock.advance(100);
    for (let i = 10; i < 24; i++) run(i).resolve("fine");
    await clock.settle();
    expect(budget).toMatchObject({ callsInFlight: 0, retriesInFlight: 0 });
    expect(await heldTimers(clock)).toBe(0);
  });

  it("is shared: what one pipeline uses is not there for another", async () => {
    const { again, make, succeed, fail } = setUp();
    const other = make("other");
    await succeed(8);
    await fail(1);
    for (let i = 0; i < 6; i++) await rejectionOf(other.guarded.execute(down));
    // Fifteen calls of both: three retries.
    expect([again.retries, other.again.retries, other.again.budgetDenied]).toEqual([1, 2, 4]);
  });

  it("keeps the operation's own error, tells it and explains it", async () => {
    const { events, guarded, clock } = setUp();
    const error = new Error("down");
    const call = watch(guarded.execute(() => Promise.reject(error)));
    await clock.settle();
    expect(call.error).toBe(error);
    expect(explain(error)).toMatchObject({ gaveUp: "budget", attempts: 1, decidedBy: "operation" });
    expect(events.of("retry.budget-denied")).toMatchObject([{ attempts: 1, result: error }]);
  });

  it("gets back what a call has taken, however the call ends", async () => {
    const { budget, clock } = setUp({ minPerSecond: 1000 });
    const again = retry({ maxAttempts: 3, backoff: constantBackoff({ delayMs: 50 }), budget, clock });
    const guarded = pipeline({ name: "ends", clock }, timeout({ timeoutMs: 200, clock }), again);
    const { operation, run } = manualOperation();
    const controller = new AbortController();
    watch(guarded.execute(operation, { signal: controller.signal }));
    watch(guarded.execute(operation));
    run(0).reject(new Error("down"));
    run(1).reject(new Error("down"));
    await clock.settle();
    expect(budget).toMatchObject({ callsInFlight: 2, retriesInFlight: 2 });
    // During the back-off.
    controller.abort();
    expect(budget).toMatchObject({ callsInFlight: 1, retriesInFlight: 1 });
    await clock.advance(200);
    // By the timeout, while the second attempt was running.
    expect(budget).toMatchObject({ callsInFlight: 0, retriesInFlight: 0 });
    run(2).resolve("late");
    await clock.settle();
    expect(budget).toMatchObject({ callsInFlight: 0, retriesInFlight: 0 });
  });

  it("loses no call when the caller's own code throws in the policy", async () => {
    const shouldRetry = () => {
      throw new Error("a bug");
    };
    const { budget, guarded } = setUp({ minPerSecond: 1000 }, { shouldRetry });
    expect(await rejectionOf(guarded.execute(down))).toMatchObject({ message: "a bug" });
    expect(budget).toMatchObject({ callsInFlight: 0, retriesInFlight: 0 });
  });

  it("is not locked for good by requests that were killed", async () => {
    const { budget, clock, guarded } = setUp(
      { minPerSecond: 1000, minConcurrent: 2 },
      { backoff: constantBackoff({ delayMs: 100 }) },
    );
    for (let i = 0; i < 2; i++) watch(guarded.execute(failingTimes(1)));
    await clock.settle();
    clock.dropTimers();
    watch(guarded.execute(failingTimes(1)));
    await clock.settle();
    expect(budget).toMatchObject({ retriesInFlight: 2, deniedByConcurrency: 1 });
    await clock.advance(10_000);
    const call = watch(guarded.execute(failingTimes(1)));
    await clock.advance(100);
    expect(call.value).toBe("done");
    // The two that were lost count as calls for ever, and allow nothing.
    expect(budget).toMatchObject({ callsInFlight: 2, retriesInFlight: 0 });
  });

  it("costs a call nothing where the budget counts no calls", () => {
    const plain = retry({ budget: { tryAcquire: () => true } });
    expect([plain.enter, plain.failuresOnly]).toEqual([undefined, true]);
    const counted = retry({ budget: retryBudget() });
    expect([typeof counted.enter, counted.failuresOnly]).toEqual(["function", false]);
  });
});

describe("a dependency that asks not to be sent a call again", () => {
  it("is heeded, with and without a budget", async () => {
    const error = Object.assign(new Error("go away"), { retryAfterMs: -1 });
    const events: HeadgateEvent["type"][] = [];
    const again = retry({ backoff: atOnce });
    const guarded = pipeline({ name: "calls", observer: ({ type }) => events.push(type) }, again);
    expect(await rejectionOf(guarded.execute(() => Promise.reject(error)))).toBe(error);
    expect(again).toMatchObject({ retries: 0, pushedBack: 1, budgetDenied: 0 });
    expect(explain(error)?.gaveUp).toBe("push-back");
    expect(events).toEqual(["retry.pushed-back", "pipeline.settled"]);
    const { budget, make } = setUp({ minPerSecond: 1000 });
    const other = make("other");
    await rejectionOf(other.guarded.execute(() => Promise.reject(error)));
    expect([other.again.pushedBack, budget.deniedByWindow]).toEqual([1, 0]);
  });

  it("says so through the judgement of the pipeline", async () => {
    const again = retry({ backoff: atOnce });
    const retryAfterMs = (result: unknown) => ((result as { again: boolean }).again ? 0 : -1);
    const guarded = pipeline({ name: "calls", retryAfterMs, isFailure: () => true }, again);
    await guarded.execute(() => ({ again: true }));
    expect(again.retries).toBe(2);
    await guarded.execute(() => ({ again: false }));
    expect(again).toMatchObject({ retries: 2, pushedBack: 1 });
  });
});

describe("explain", () => {
  it("tells why a call was not sent again", async () => {
    const clock = new TestClock();
    const backoff = constantBackoff({ delayMs: 100 });
    const patient = pipeline({ name: "calls", clock }, timeout({ timeoutMs: 50, clock }), retry({ backoff, clock }));
    const late = await rejectionOf(patient.execute(down));
    expect(explain(late)?.gaveUp).toBe("deadline");
    const eager = pipeline("calls", retry({ maxAttempts: 2, backoff: atOnce }));
    expect(explain(await rejectionOf(eager.execute(down)))?.gaveUp).toBe("attempts");
    const never = pipeline("calls", retry({ shouldRetry: () => false }));
    expect(explain(await rejectionOf(never.execute(down)))?.gaveUp).toBeUndefined();
    expect(
      explain(await rejectionOf(pipeline("bare", concurrencyLimit({ maxConcurrent: 1 })).execute(down)))?.gaveUp,
    ).toBe(undefined);
  });
});

describe("the budget of what is built ready", () => {
  it("bounds the retries of standardPipeline, unless it is left out", async () => {
    const clock = new TestClock();
    const run = async (retryBudget?: false) => {
      const options = { circuitBreaker: false, retry: { maxAttempts: 2, backoff: atOnce } } as const;
      const guarded = standardPipeline({
        name: "users",
        clock,
        ...options,
        ...(retryBudget === false && { retryBudget }),
      });
      for (let i = 0; i < 200; i++) await rejectionOf(guarded.execute(down));
      return guarded.policies.find(({ kind }) => kind === "retry");
    };
    // 10 a second for ten seconds, and a fifth of the calls so far: the 125th is the first to be refused.
    expect(await run()).toMatchObject({ retries: 140, budgetDenied: 60 });
    expect(await run(false)).toMatchObject({ retries: 200, budgetDenied: 0 });
  });

  it("bounds those of resilientFetch, by the budget that is given", async () => {
    const budget = retryBudget({ minPerSecond: 0 });
    const send = resilientFetch({ fetch: stubFetch(new Error("reset")).fetch, retryBudget: budget });
    const error = await rejectionOf(send("https://example.com/"));
    expect(explain(error)).toMatchObject({ attempts: 1, gaveUp: "budget" });
    expect(budget.deniedByWindow).toBe(1);
    await rejectionOf(send("https://example.com/", { method: "POST" }));
    expect(budget).toMatchObject({ deniedByWindow: 1, callsInFlight: 0 });
  });
});
