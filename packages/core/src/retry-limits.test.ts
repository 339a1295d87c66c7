import {
  circuitBreaker,
  concurrencyLimit,
  consecutiveFailures,
  constantBackoff,
  exponentialBackoff,
  type Operation,
  pipeline,
  type Policy,
  rateLimit,
  retry,
  type RetryOptions,
  timeout,
} from "@headgate/core";
import { EventRecorder, SeededRandom, TestClock } from "@headgate/core/testing";
import { describe, expect, it } from "vitest";
import { heldTimers } from "../test/support/leftovers.ts";
import { failingTimes, manualOperation, rejectionOf, watch } from "../test/support/operations.ts";
import { itRefuses } from "../test/support/options.ts";

const atOnce = constantBackoff({ delayMs: 0 });

/** A pipeline of one retry, and when the attempts of its calls began. */
function setUp(options: RetryOptions, ...outside: Policy[]) {
  const clock = new TestClock();
  const events = new EventRecorder();
  const again = retry({ backoff: atOnce, clock, random: new SeededRandom(1), ...options });
  const guarded = pipeline({ name: "calls", clock, observer: events.observer }, ...outside, again);
  const startedMs: number[] = [];
  const start = (result: Operation<unknown>, deadline?: number, signal?: AbortSignal) =>
    watch(guarded.execute((context) => (startedMs.push(clock.now()), result(context)), { deadline, signal }));
  return { clock, events, again, guarded, startedMs, start };
}

/** Fails and asks to be left alone. */
const overloaded = (retryAfterMs: number) => () => Promise.reject(Object.assign(new Error("busy"), { retryAfterMs }));

describe("retry with the dependency's wish", () => {
  it("waits as long as the dependency asks for when that is longer than the back-off", async () => {
    const { clock, startedMs, start } = setUp({ backoff: constantBackoff({ delayMs: 100 }) });
    start(overloaded(700));
    await clock.advance(2000);
    expect(startedMs).toEqual([0, 700, 1400]);
  });

  it("waits for the back-off when that is longer", async () => {
    const { clock, startedMs, start } = setUp({ backoff: constantBackoff({ delayMs: 100 }) });
    start(overloaded(20));
    await clock.advance(2000);
    expect(startedMs).toEqual([0, 100, 200]);
  });

  it("waits no longer than the cap for a wish, thirty seconds by default", async () => {
    const { clock, startedMs, start } = setUp({ maxAttempts: 2 });
    start(overloaded(3_600_000));
    await clock.advance(60_000);
    expect(startedMs).toEqual([0, 30_000]);
  });

  it("disregards wishes when the cap is 0", async () => {
    const { clock, startedMs, start } = setUp({ maxRetryAfterMs: 0 });
    start(overloaded(5000));
    await clock.settle();
    expect(startedMs).toEqual([0, 0, 0]);
  });

  it("does not wait for a wish beyond the deadline: the last error comes now", async () => {
    const { clock, again, start } = setUp({});
    const call = start(overloaded(500), 400);
    await clock.settle();
    expect(call.error).toMatchObject({ message: "busy" });
    expect(again).toMatchObject({ outOfTime: 1, retries: 0 });
    expect(await heldTimers(clock)).toBe(0);
  });

  it("reads the wish from returned values as the caller says", async () => {
    const { clock, guarded, startedMs } = setUp({ maxAttempts: 2 });
    const operation = () => (startedMs.push(clock.now()), new Response(null, { headers: { "retry-after": "2" } }));
    const call = watch(
      guarded.execute(operation, {
        isFailure: () => true,
        retryAfterMs: (result) => Number((result as Response).headers.get("retry-after")) * 1000,
      }),
    );
    await clock.advance(3000);
    expect(startedMs).toEqual([0, 2000]);
    expect(call.value).toBeInstanceOf(Response);
  });
});

/** A breaker that is open for so long from now on. */
async function openFor(openMs: number, clock: TestClock) {
  const breaker = circuitBreaker({ trip: consecutiveFailures({ maxFailures: 1 }), openMs, clock });
  await rejectionOf(pipeline("opener", breaker).execute(failingTimes(1)));
  return breaker;
}

describe("retry of refusals", () => {
  it("neither asks about a refusal that outlasts the deadline nor counts it as out of time", async () => {
    const clock = new TestClock();
    const breaker = await openFor(50, clock);
    let asked = 0;
    const again = retry({ backoff: atOnce, clock, shouldRetry: () => ++asked > 0 });
    const guarded = pipeline({ name: "impatient", clock }, again, breaker);
    for (const deadline of [50, undefined]) {
      expect(await rejectionOf(guarded.execute(() => 1, { deadline }))).toMatchObject({ code: "ERR_CIRCUIT_OPEN" });
    }
    expect(asked).toBe(0);
    expect(again).toMatchObject({ outOfTime: 0, retries: 0, exhausted: 0 });
  });

  it("waits for an open circuit even longer than the cap for wishes", async () => {
    const clock = new TestClock();
    const breaker = await openFor(120_000, clock);
    const guarded = pipeline({ name: "patient", clock }, retry({ backoff: atOnce, clock }), breaker);
    const call = watch(guarded.execute(() => "done", { deadline: 200_000 }));
    await clock.advance(119_999);
    expect(call.state).toBe("pending");
    await clock.advance(1);
    expect(call.value).toBe("done");
  });

  it("waits for the open circuit of a pipeline that the operation uses, and for no other refusal in it", async () => {
    const clock = new TestClock();
    const inner = pipeline({ name: "inner", clock }, await openFor(50, clock));
    const { start, startedMs } = setUp({ clock });
    const call = start(() => inner.execute(() => "done"), 100);
    await clock.advance(50);
    expect(call.value).toBe("done");
    expect(startedMs).toHaveLength(2);

    const full = pipeline("full", concurrencyLimit({ maxConcurrent: 1, clock }));
    void full.execute(() => new Promise(() => {}));
    const refused = start(() => full.execute(() => "never"), 200);
    const aside = start(() => Promise.reject(Object.assign(new Error("other"), { code: "ERR_CIRCUIT_OPEN" })), 200);
    await clock.settle();
    expect(refused.error).toMatchObject({ code: "ERR_CONCURRENCY_LIMIT" });
    expect(aside.error).toMatchObject({ message: "other" });
    expect(startedMs).toHaveLength(6);
  });

  it("does not wait for a rate limit, neither one inside it nor one that the operation uses", async () => {
    const { clock, start, startedMs } = setUp({});
    const limit = rateLimit({ limit: 1, windowMs: 50, clock });
    const inner = pipeline({ name: "inner", clock }, limit);
    expect(await inner.execute(() => "first")).toBe("first");
    const guarded = pipeline({ name: "inside", clock }, retry({ backoff: atOnce, clock }), limit);
    const calls = [start(() => inner.execute(() => "second"), 100), watch(guarded.execute(() => 2, { deadline: 100 }))];
    await clock.settle();
    for (const { error } of calls) expect(error).toMatchObject({ code: "ERR_RATE_LIMIT", retryAfterMs: 50 });
    expect(startedMs).toEqual([0]);
  });

  it("does not retry what says nothing about the dependency", async () => {
    const { guarded, clock, again } = setUp({});
    const operation = failingTimes(9);
    await rejectionOf(guarded.execute(operation, { deadline: clock.now() + 100, isIgnored: () => true }));
    expect(operation.runs).toBe(1);
    expect(again.outOfTime).toBe(0);
  });
});

describe("retry before a deadline", () => {
  it("runs again at once with less time left than a timer can tell", async () => {
    const { start, startedMs, clock } = setUp({ maxAttempts: 2 });
    start(failingTimes(9), 0.5);
    await clock.settle();
    expect(startedMs).toHaveLength(2);
  });

  it("starts no attempt that would have less time than it needs, and gives the last error", async () => {
    const failure = new Error("down");
    const { clock, startedMs, start, again } = setUp({ minAttemptMs: 30, backoff: constantBackoff({ delayMs: 10 }) });
    const call = start(() => Promise.reject(failure), 50);
    await clock.advance(100);
    // The second attempt has 40 ms, the third would have 30.
    expect(startedMs).toEqual([0, 10]);
    expect(call.error).toBe(failure);
    expect(again).toMatchObject({ retries: 1, outOfTime: 1, exhausted: 0 });
  });

  it("keeps to the deadline of the nearest timeout outside, without a delay too", async () => {
    const clock = new TestClock();
    const again = retry({ maxAttempts: 9, backoff: atOnce, minAttemptMs: 5, clock });
    const guarded = pipeline({ name: "near", clock }, timeout({ timeoutMs: 10, clock }), again);
    const failure = new Error("slow");
    let runs = 0;
    const call = watch(
      guarded.execute(async () => {
        runs++;
        await clock.sleep(3);
        throw failure;
      }),
    );
    await clock.advance(20);
    expect(runs).toBe(2);
    expect(call.error).toBe(failure);
  });

  it("waits for an open circuit within the caller's own deadline", async () => {
    const clock = new TestClock();
    const breaker = circuitBreaker({ trip: consecutiveFailures({ maxFailures: 1 }), openMs: 50, clock });
    await rejectionOf(pipeline("opener", breaker).execute(failingTimes(1)));
    const guarded = pipeline({ name: "patient", clock }, retry({ backoff: atOnce, clock }), breaker);
    const call = watch(guarded.execute(() => "done", { deadline: 100 }));
    await clock.advance(50);
    expect(call.value).toBe("done");
  });
});

describe("retry with a budget", () => {
  it("asks before the back-off, and ends with the operation's own error when refused", async () => {
    const failure = new Error("down");
    const asked: unknown[] = [];
    const budget = { tryAcquire: (call: { attempt: number }) => asked.push(call.attempt) < 2 };
    const { clock, events, again, start } = setUp({
      maxAttempts: 9,
      budget,
      backoff: constantBackoff({ delayMs: 1000 }),
    });
    const call = start(() => Promise.reject(failure));
    await clock.advance(1000);
    expect(call.error).toBe(failure);
    expect(asked).toEqual([1, 2]);
    expect(again).toMatchObject({ retries: 1, budgetDenied: 1, exhausted: 0 });
    expect(events.of("retry.budget-denied")).toEqual([
      { type: "retry.budget-denied", pipeline: "calls", attempts: 2, result: failure },
    ]);
    expect(await heldTimers(clock)).toBe(0);
  });

  it("is not asked for a retry that does not happen anyway", async () => {
    let asked = 0;
    const budget = { tryAcquire: () => ++asked > 0 };
    const failing = () => Promise.reject(new Error("down"));
    await rejectionOf(pipeline("once", retry({ maxAttempts: 1, budget })).execute(failing));
    await rejectionOf(pipeline("no", retry({ shouldRetry: () => false, budget })).execute(failing));
    const { start, clock } = setUp({ budget, backoff: constantBackoff({ delayMs: 100 }) });
    start(failing, 50);
    await clock.settle();
    expect(asked).toBe(0);
  });

  it("returns a failed value as it is when refused", async () => {
    const guarded = pipeline("values", retry({ budget: { tryAcquire: () => false } }));
    expect(await guarded.execute(() => 503, { isFailure: (status) => status >= 500 })).toBe(503);
  });
});

describe("retry of values", () => {
  it.each([undefined, null, 503])("retries %j, which says nothing of when to try again", async (failed) => {
    const results = [failed, "done"];
    const guarded = pipeline("values", retry({ backoff: atOnce }));
    expect(await guarded.execute(() => results.shift(), { isFailure: (value) => value === failed })).toBe("done");
  });
});

describe("retry in figures", () => {
  it("counts a call as exhausted when every one of several attempts was used, and not when there was but one", async () => {
    const several = setUp({ maxAttempts: 2 });
    several.start(failingTimes(9));
    await several.clock.settle();
    expect(several.again).toMatchObject({ retries: 1, exhausted: 1 });
    const one = setUp({ maxAttempts: 1 });
    one.start(failingTimes(9));
    await one.clock.settle();
    expect(one.again).toMatchObject({ retries: 0, exhausted: 0 });
    expect(one.events.types).toEqual(["pipeline.settled"]);
  });

  it("describes itself by its attempts", () => {
    expect(retry({ maxAttempts: 4 }).describe?.()).toBe("4 attempts");
  });
});

describe("retry and what came before", () => {
  it("keeps what each earlier attempt ended with, for policies outside it", async () => {
    const seen: unknown[] = [];
    const looker: Policy = { kind: "looker", leave: (call) => (seen.push(call.history), "pass") };
    const { start, clock } = setUp({}, looker);
    const errors = [new Error("first"), new Error("second"), new Error("third")];
    let runs = 0;
    const call = start(() => Promise.reject(errors[runs++]));
    await clock.settle();
    expect(call.error).toBe(errors[2]);
    expect(seen).toEqual([[errors[0], errors[1]]]);
    start(() => "fine");
    await clock.settle();
    expect(seen[1]).toBeNull();
  });

  it("keeps each result once when retries stand inside each other", async () => {
    let history: unknown[] | null = null;
    const looker: Policy = { kind: "looker", leave: (call) => ((history = call.history), "pass") };
    const guarded = pipeline(
      { name: "nested", checkOrder: false },
      looker,
      retry({ maxAttempts: 2, backoff: atOnce }),
      { kind: "between", enter: () => "pass" },
      retry({ maxAttempts: 2, backoff: atOnce }),
    );
    let runs = 0;
    const last = await guarded.execute(() => ++runs, { isFailure: () => true });
    expect([...(history ?? []), last]).toEqual([1, 2, 3, 4]);
  });

  it("gives the back-off its own last answer, not the wait that the dependency asked for", async () => {
    const asked: number[] = [];
    const backoff = (retry: number, _: unknown, previousDelayMs = -1) => (asked.push(previousDelayMs), retry);
    const { start, clock } = setUp({ backoff });
    start(overloaded(100));
    await clock.advance(1000);
    expect(asked).toEqual([0, 1]);
  });

  it("draws each decorrelated delay from the one before it", async () => {
    const backoff = exponentialBackoff({ initialMs: 100, maxMs: 10_000, jitter: "decorrelated" });
    const { start, clock, startedMs } = setUp({ backoff, random: { next: () => 0.5 } });
    start(() => Promise.reject(new Error("down")));
    await clock.advance(10_000);
    expect(startedMs).toEqual([0, 200, 550]);
  });
});

describe("retry and its caller", () => {
  it("ends a back-off as soon as the caller leaves, and runs nothing afterwards", async () => {
    const { start, clock, startedMs } = setUp({ backoff: constantBackoff({ delayMs: 1000 }) });
    const controller = new AbortController();
    const call = start(() => Promise.reject(new Error("down")), undefined, controller.signal);
    await clock.advance(50);
    controller.abort("left");
    await clock.settle();
    expect([call.error, clock.now()]).toEqual(["left", 50]);
    await clock.advance(5000);
    expect(startedMs).toEqual([0]);
    expect(await heldTimers(clock)).toBe(0);
  });

  it("does not run again what its caller has aborted while it ran", async () => {
    const { guarded, clock } = setUp({});
    const controller = new AbortController();
    const { operation, runs, run } = manualOperation();
    const call = watch(guarded.execute(operation, { signal: controller.signal }));
    controller.abort("left");
    run(0).reject(new Error("aborted"));
    await clock.settle();
    expect([call.error, runs.length]).toEqual(["left", 1]);
  });

  itRefuses(
    [
      () => retry({ maxRetryAfterMs: -1 }),
      "`retry.maxRetryAfterMs` must be a number of at least 0 and at most 2147483647, got -1",
    ],
    [
      () => retry({ minAttemptMs: Number.POSITIVE_INFINITY }),
      "`retry.minAttemptMs` must be a number of at least 0 and at most 2147483647, got Infinity",
    ],
    [
      () => retry({ budget: {} as never }),
      "`retry.budget` must be an object with a function `tryAcquire`, got an object",
    ],
  );
});
