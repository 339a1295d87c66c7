import {
  circuitBreaker,
  concurrencyLimit,
  consecutiveFailures,
  constantBackoff,
  explain,
  hedge,
  type HedgeOptions,
  type Operation,
  pipeline,
  type Policy,
  retry,
  retryBudget,
  SupersededError,
  timeout,
} from "@headgate/core";
import { EventRecorder, TestClock } from "@headgate/core/testing";
import { describe, expect, it } from "vitest";
import { HandClock } from "../test/support/hand-clock.ts";
import { heldTimers } from "../test/support/leftovers.ts";
import { manualOperation, rejectionOf, watch } from "../test/support/operations.ts";
import { itRefuses } from "../test/support/options.ts";

function setUp(options: HedgeOptions & { readonly clock?: TestClock } = {}, ...inside: readonly Policy[]) {
  const { clock = new TestClock() } = options;
  const events = new EventRecorder();
  const policy = hedge({ delayMs: 10, budget: false, clock, ...options });
  const guarded = pipeline({ name: "calls", clock, observer: events.observer }, policy, ...inside);
  const { operation, runs, run } = manualOperation();
  const discarded: unknown[] = [];
  const discard = (value: string) => discarded.push(value);
  return { clock, events, policy, guarded, operation, runs, run, discarded, discard };
}

describe("hedge", () => {
  itRefuses(
    [() => hedge({ maxAttempts: 1 }), "`hedge.maxAttempts` must be an integer from 2 to 10, got 1"],
    [() => hedge({ delayMs: 0 }), "`hedge.delayMs` must be a number above 0 and at most 2147483647, got 0"],
    [() => hedge({ quantile: 1 }), "`hedge.quantile` must be a number above 0 and below 1, got 1"],
    [() => hedge({ minSamples: 0 }), "`hedge.minSamples` must be an integer of at least 1, got 0"],
    [() => hedge({ delayMs: 5, quantile: 0.9 }), "`hedge.quantile` must be left out beside `hedge.delayMs`, got 0.9"],
    [
      () => hedge({ budget: {} as never }),
      "`hedge.budget` must be an object with a function `tryAcquire`, got an object",
    ],
  );

  it("sends nothing twice where the answer comes in time", async () => {
    const { clock, guarded, operation, runs, run, policy } = setUp();
    const call = watch(guarded.execute(operation));
    await clock.advance(9);
    run(0).resolve("first");
    await clock.advance(100);
    expect([call.value, runs.length, policy.hedges]).toEqual(["first", 1, 0]);
    expect(await heldTimers(clock)).toBe(0);
  });

  it("answers with a hedge that is quicker, at once, and ends the first attempt as superseded", async () => {
    const { clock, guarded, operation, runs, run, policy, events, discarded, discard } = setUp();
    const call = watch(guarded.execute(operation, { discard }));
    await clock.advance(10);
    expect(runs.map(({ context }) => context.attempt)).toEqual([1, 2]);
    run(1).resolve("second");
    await clock.settle();
    expect(call.value).toBe("second");
    const { reason } = run(0).context.signal;
    expect(reason).toBeInstanceOf(SupersededError);
    expect(reason).toMatchObject({ code: "ERR_SUPERSEDED", policy: "hedge", pipeline: "calls", refusal: false });
    expect(String(reason)).toBe("SupersededError: Another attempt of this call was quicker");
    expect(run(1).context.signal.aborted).toBe(false);
    run(0).resolve("late");
    await clock.settle();
    expect(discarded).toEqual(["late"]);
    expect(policy).toMatchObject({ hedges: 1, won: 1, budgetDenied: 0 });
    expect(events.events).toMatchObject([
      { type: "hedge.started", pipeline: "calls", attempt: 2, delayMs: 10 },
      { type: "hedge.won", pipeline: "calls", attempt: 2 },
      { type: "operation.abandoned", attempt: 1 },
      { type: "pipeline.settled", outcome: "success", attempts: 2 },
    ]);
    expect(await heldTimers(clock)).toBe(0);
  });

  it("answers with the first attempt when that is quicker after all, and ends the hedge", async () => {
    const { clock, guarded, operation, run, policy, discarded, discard } = setUp();
    const call = watch(guarded.execute(operation, { discard }));
    await clock.advance(10);
    run(0).resolve("first");
    await clock.settle();
    expect(call.value).toBe("first");
    expect(run(1).context.signal.reason).toBeInstanceOf(SupersededError);
    run(1).reject(new Error("late"));
    await clock.settle();
    expect([discarded, policy.won]).toEqual([[], 0]);
  });

  it("sends up to maxAttempts, one for each delay", async () => {
    const { clock, guarded, operation, runs, run } = setUp({ maxAttempts: 3 });
    const call = watch(guarded.execute(operation));
    await clock.advance(19);
    expect(runs).toHaveLength(2);
    await clock.advance(100);
    expect(runs).toHaveLength(3);
    run(1).resolve("second");
    await clock.settle();
    expect(call.value).toBe("second");
    expect([run(0), run(2)].map(({ context }) => (context.signal.reason as Error).name)).toEqual([
      "SupersededError",
      "SupersededError",
    ]);
    expect(await heldTimers(clock)).toBe(0);
  });

  it("leaves a failure before the delay to the policies further out", async () => {
    const { clock, guarded, operation, runs, run } = setUp();
    const error = new Error("down");
    const call = watch(guarded.execute(operation));
    run(0).reject(error);
    await clock.advance(100);
    expect([call.error, runs.length]).toEqual([error, 1]);
    expect(await heldTimers(clock)).toBe(0);
  });

  it("waits for the others when one has failed, whichever that is", async () => {
    for (const [fails, answers] of [
      [0, 1],
      [1, 0],
    ] as const) {
      const { clock, guarded, operation, run } = setUp();
      const call = watch(guarded.execute(operation));
      await clock.advance(10);
      run(fails).reject(new Error("down"));
      await clock.settle();
      expect(call.state).toBe("pending");
      run(answers).resolve("answer");
      await clock.settle();
      expect(call.value).toBe("answer");
      expect(await heldTimers(clock)).toBe(0);
    }
  });

  it("gives what the first to fail has ended with when all have, and keeps the others for explain", async () => {
    for (const order of [
      [0, 1],
      [1, 0],
    ]) {
      const { clock, guarded, operation, run } = setUp();
      const call = watch(guarded.execute(operation));
      await clock.advance(10);
      const errors = order.map((which) => new Error(`attempt ${which + 1}`));
      for (const [i, which] of order.entries()) {
        run(which).reject(errors[i]);
        await clock.settle();
      }
      expect(call.error).toBe(errors[0]);
      expect(explain(call.error)).toMatchObject({ attempts: 2, decidedBy: "operation", earlier: [errors[1]] });
    }
  });

  it("discards failed values that are not given to the caller", async () => {
    const { clock, guarded, operation, run, discarded, discard } = setUp();
    const isFailure = (value: string) => value.startsWith("bad");
    const both = watch(guarded.execute(operation, { discard, isFailure }));
    await clock.advance(10);
    run(1).resolve("bad 2");
    await clock.settle();
    run(0).resolve("bad 1");
    await clock.settle();
    expect([both.value, discarded]).toEqual(["bad 2", ["bad 1"]]);
    const won = watch(guarded.execute(operation, { discard, isFailure }));
    await clock.advance(10);
    run(2).resolve("bad 3");
    await clock.settle();
    run(3).resolve("good");
    await clock.settle();
    expect([won.value, discarded]).toEqual(["good", ["bad 1", "bad 3"]]);
  });

  it("takes what says nothing about the dependency as the answer, and a refusal of one attempt not", async () => {
    const { clock, guarded, operation, run } = setUp();
    const mistake = new Error("no such thing");
    const call = watch(guarded.execute(operation, { isIgnored: (result) => result === mistake }));
    await clock.advance(10);
    run(1).reject(mistake);
    await clock.settle();
    expect(call.error).toBe(mistake);
    expect(run(0).context.signal.reason).toBeInstanceOf(SupersededError);

    const limit = concurrencyLimit({ maxConcurrent: 1 });
    const limited = setUp({}, limit);
    const waits = watch(limited.guarded.execute(limited.operation));
    await limited.clock.advance(10);
    expect([limited.policy.hedges, limited.runs.length, waits.state]).toEqual([1, 1, "pending"]);
    limited.run(0).resolve("first");
    await limited.clock.settle();
    expect(waits.value).toBe("first");
  });

  it("does not hedge what waits for its turn inside, until that runs", async () => {
    const clock = new TestClock();
    const limit = concurrencyLimit({ maxConcurrent: 2, maxQueue: 9, clock });
    const { policy, ...given } = setUp({ clock }, limit);
    const permits = [limit.tryAcquire(), limit.tryAcquire()];
    const call = watch(given.guarded.execute(given.operation));
    await clock.advance(35);
    expect([policy.hedges, limit.queued]).toEqual([0, 1]);
    for (const permit of permits) permit?.release();
    await clock.advance(5);
    expect([policy.hedges, given.runs.length]).toEqual([1, 2]);
    given.run(1).resolve("second");
    await clock.settle();
    expect(call.value).toBe("second");
  });

  it("keeps the permit of what has lost until it has really ended, and ends what still waits for one", async () => {
    const clock = new TestClock();
    const limit = concurrencyLimit({ maxConcurrent: 2, maxQueue: 9, clock });
    const { guarded, operation, run } = setUp({ clock, maxAttempts: 3 }, limit);
    const call = watch(guarded.execute(operation));
    await clock.advance(20);
    expect([limit.inUse, limit.queued]).toEqual([2, 1]);
    run(1).resolve("second");
    await clock.settle();
    expect(call.value).toBe("second");
    expect(limit).toMatchObject({ inUse: 1, queued: 0, abandoned: 1 });
    run(0).resolve("late");
    await clock.settle();
    expect(limit).toMatchObject({ inUse: 0, queued: 0, abandoned: 0 });
    expect(await heldTimers(clock)).toBe(0);
  });

  it("keeps the permit of the winner for as long as that holds it", async () => {
    const limit = concurrencyLimit({ maxConcurrent: 2 });
    const { guarded, clock } = setUp({}, limit);
    let letGo = () => {};
    const operation: Operation<string> = async ({ attempt, hold }) => {
      if (attempt === 1) await clock.sleep(50);
      else letGo = hold();
      return `attempt ${attempt}`;
    };
    const call = watch(guarded.execute(operation));
    await clock.advance(10);
    expect([call.value, limit.inUse]).toEqual(["attempt 2", 2]);
    await clock.advance(50);
    expect(limit.inUse).toBe(1);
    letGo();
    expect(limit.inUse).toBe(0);
  });

  it("is seen by a breaker inside attempt by attempt, what was superseded not at all", async () => {
    const clock = new TestClock();
    const breaker = circuitBreaker({ trip: consecutiveFailures({ maxFailures: 2 }), clock });
    const { guarded, operation, run } = setUp({ clock }, breaker);
    watch(guarded.execute(operation));
    await clock.advance(10);
    run(1).resolve("second");
    await clock.settle();
    run(0).reject(new Error("late"));
    watch(guarded.execute(operation));
    await clock.advance(10);
    run(2).reject(new Error("down"));
    run(3).reject(new Error("down"));
    await clock.settle();
    expect(breaker.state).toBe("open");
  });

  it("ends all attempts when the caller leaves, with the caller's reason", async () => {
    const { clock, guarded, operation, runs } = setUp({ maxAttempts: 3 });
    const controller = new AbortController();
    const reason = { left: true };
    const call = watch(guarded.execute(operation, { signal: controller.signal }));
    await clock.advance(20);
    const heard: unknown[] = [];
    for (const { context } of runs)
      context.signal.addEventListener("abort", () => void heard.push(context.signal.reason));
    controller.abort(reason);
    expect(heard).toEqual([reason, reason, reason]);
    await clock.settle();
    expect(call.error).toBe(reason);
    expect(explain(reason)).toMatchObject({ decidedBy: "caller", outcome: "ignored", attempts: 3 });
    expect(await heldTimers(clock)).toBe(0);
  });

  it("ends all attempts when the time of the call is up, also while only a hedge runs", async () => {
    const clock = new TestClock();
    const again = hedge({ delayMs: 10, budget: false, clock });
    const breaker = circuitBreaker({ trip: consecutiveFailures({ maxFailures: 2 }), clock });
    const guarded = pipeline({ name: "timed", clock }, timeout({ timeoutMs: 50, clock }), again, breaker);
    const { operation, runs, run } = manualOperation();
    const call = watch(guarded.execute(operation));
    await clock.advance(10);
    expect(runs.map(({ context }) => context.remainingMs)).toEqual([40, 40]);
    expect(run(1).context.deadline).toBe(50);
    await clock.advance(40);
    expect(call.error).toMatchObject({ code: "ERR_TIMEOUT", scope: "total" });
    expect(runs.map(({ context }) => context.signal.reason === call.error)).toEqual([true, true]);
    // Both attempts were too slow.
    expect(breaker.state).toBe("open");
  });

  it("ends a hedge that runs alone when the time of the call is up", async () => {
    const clock = new TestClock();
    const alone = hedge({ delayMs: 10, budget: false, clock });
    const guarded = pipeline({ name: "timed", clock }, timeout({ timeoutMs: 50, clock }), alone);
    const { operation, run } = manualOperation();
    const call = watch(guarded.execute(operation));
    await clock.advance(10);
    run(0).reject(new Error("down"));
    await clock.advance(40);
    expect(call.error).toMatchObject({ code: "ERR_TIMEOUT", scope: "total" });
    expect(run(1).context.signal.reason).toBe(call.error);
    expect(await heldTimers(clock)).toBe(0);
  });

  it("gives each attempt the attempt timeout inside, and the deadline of the caller", async () => {
    const clock = new TestClock();
    const { guarded, operation, runs, run, events } = setUp({ clock }, timeout({ timeoutMs: 30, clock }));
    const call = watch(guarded.execute(operation, { deadline: 100 }));
    await clock.advance(10);
    expect(runs.map(({ context }) => context.deadline)).toEqual([30, 40]);
    await clock.advance(20);
    expect(run(0).context.signal.reason).toMatchObject({ code: "ERR_TIMEOUT", scope: "attempt" });
    expect(call.state).toBe("pending");
    await clock.advance(10);
    expect(call.error).toMatchObject({ code: "ERR_TIMEOUT", scope: "attempt" });
    expect(events.of("timeout.fired")).toHaveLength(2);
    const late = watch(guarded.execute(operation, { deadline: 52 }));
    await clock.advance(11);
    expect(run(3).context.remainingMs).toBe(1);
    await clock.advance(1);
    expect(late.error).toMatchObject({ scope: "deadline" });
    expect(await heldTimers(clock)).toBe(0);
  });

  it("works inside a retry, whose attempts go on counting", async () => {
    const clock = new TestClock();
    const again = retry({ maxAttempts: 2, backoff: constantBackoff({ delayMs: 5 }), clock });
    const guarded = pipeline({ name: "both", clock }, again, hedge({ delayMs: 10, budget: false, clock }));
    const { operation, runs, run } = manualOperation();
    const call = watch(guarded.execute(operation));
    await clock.advance(10);
    run(0).reject(new Error("1"));
    run(1).reject(new Error("2"));
    await clock.advance(15);
    expect(runs.map(({ context }) => context.attempt)).toEqual([1, 2, 3, 4]);
    run(3).resolve("done");
    await clock.settle();
    expect(call.value).toBe("done");
    expect(await heldTimers(clock)).toBe(0);
  });

  it("takes no further hedge when the dependency asks for that, and waits for those that run", async () => {
    const { clock, guarded, operation, runs, run, policy, events } = setUp({ maxAttempts: 3 });
    const call = watch(guarded.execute(operation));
    await clock.advance(10);
    run(1).reject(Object.assign(new Error("go away"), { retryAfterMs: -1 }));
    await clock.settle();
    // None is due yet that would not be sent.
    expect(policy.pushedBack).toBe(0);
    await clock.advance(100);
    expect(runs).toHaveLength(2);
    expect(policy).toMatchObject({ hedges: 1, budgetDenied: 0, pushedBack: 1 });
    expect(events.of("hedge.pushed-back")).toEqual([{ type: "hedge.pushed-back", pipeline: "calls", attempts: 2 }]);
    run(0).resolve("first");
    await clock.settle();
    expect(call.value).toBe("first");
  });

  it("goes on where the code that tells of wishes throws, or the budget does", async () => {
    const retryAfterMs = () => {
      throw new Error("a bug");
    };
    const budget = { tryAcquire: retryAfterMs };
    const { clock, guarded, operation, run, policy } = setUp({ budget });
    const call = watch(guarded.execute(operation));
    await clock.advance(10);
    expect(policy.budgetDenied).toBe(1);
    run(0).resolve("first");
    await clock.settle();
    expect(call.value).toBe("first");
    const wishes = setUp();
    const failing = watch(wishes.guarded.execute(wishes.operation, { retryAfterMs }));
    await wishes.clock.advance(10);
    wishes.run(1).reject(new Error("down"));
    wishes.run(0).resolve("first");
    await wishes.clock.settle();
    expect(failing.value).toBe("first");
  });

  it("takes an operation that returns at once, and one that throws at once", async () => {
    const { clock, guarded, policy, discard } = setUp();
    let answer = "second";
    const operation: Operation<string> = ({ attempt }) => {
      if (attempt === 1) return new Promise<string>(() => {});
      if (answer === "") throw new Error("at once");
      return answer;
    };
    const call = watch(guarded.execute(operation, { discard }));
    await clock.advance(10);
    expect(call.value).toBe("second");
    answer = "";
    const controller = new AbortController();
    const failing = watch(guarded.execute(operation, { signal: controller.signal }));
    await clock.advance(10);
    expect([failing.state, policy.hedges, policy.won]).toEqual(["pending", 2, 1]);
    controller.abort();
    expect(await heldTimers(clock)).toBe(0);
  });

  it("ends a hedge that ends its own call while it is sent down", async () => {
    const { clock, guarded, policy, discarded, discard } = setUp();
    const [controller, again] = [new AbortController(), new AbortController()];
    const signals: AbortSignal[] = [];
    const operation: Operation<string> = ({ attempt, signal }) => {
      signals.push(signal);
      if (attempt === 2) controller.abort("enough");
      return new Promise(() => {});
    };
    const call = watch(guarded.execute(operation, { signal: controller.signal }));
    await clock.advance(10);
    expect([call.error, policy.hedges]).toEqual(["enough", 1]);
    expect(signals.map(({ reason }) => reason as unknown)).toEqual(["enough", "enough"]);
    const sync = watch(
      guarded.execute(
        ({ attempt }) => {
          if (attempt === 1) return new Promise<string>(() => {});
          again.abort("enough");
          return "sync";
        },
        { signal: again.signal, discard },
      ),
    );
    await clock.advance(10);
    expect([sync.error, discarded]).toEqual(["enough", ["sync"]]);
    expect(await heldTimers(clock)).toBe(0);
  });

  it("shows policies further out the attempt that has answered", async () => {
    const clock = new TestClock();
    const seen: unknown[] = [];
    const outer: Policy = {
      kind: "outer",
      leave: ({ work, outcome }) => (seen.push([work?.attempt, work?.over, outcome]), "pass"),
    };
    const guarded = pipeline({ name: "seen", clock }, outer, hedge({ delayMs: 10, budget: false, clock }));
    const { operation, run } = manualOperation();
    watch(guarded.execute(operation));
    await clock.advance(10);
    run(1).resolve("second");
    await clock.settle();
    expect(seen).toEqual([[2, true, "success"]]);
  });

  it("lets a result win that came in the same tick as the delay", async () => {
    const clock = new HandClock();
    const policy = hedge({ delayMs: 10, budget: false, clock });
    const { operation, runs, run } = manualOperation();
    const call = watch(pipeline({ name: "tick", clock }, policy).execute(operation));
    run(0).resolve("first");
    clock.fire(10);
    for (let turn = 0; turn < 9; turn++) await Promise.resolve();
    expect([call.value, runs.length, policy.hedges]).toEqual(["first", 1, 0]);
  });

  it("is told of by describe", () => {
    expect(hedge({ delayMs: 50 }).describe?.()).toBe("2 attempts, the next after 50 ms");
    expect(hedge({ maxAttempts: 3 }).describe?.()).toBe("3 attempts, the next after the 0.95 quantile of latencies");
  });
});

describe("hedge on a budget", () => {
  it("sends nothing when the budget refuses, and tells it; the call goes on", async () => {
    const clock = new TestClock();
    const budget = retryBudget({ minPerSecond: 0.1, ratio: 0, clock });
    const { guarded, operation, runs, run, policy, events } = setUp({ clock, budget });
    const calls = [watch(guarded.execute(operation)), watch(guarded.execute(operation))];
    await clock.advance(100);
    expect(runs).toHaveLength(3);
    expect(policy).toMatchObject({ hedges: 1, budgetDenied: 1 });
    expect(events.of("hedge.budget-denied")).toEqual([{ type: "hedge.budget-denied", pipeline: "calls", attempts: 1 }]);
    expect(budget).toMatchObject({ retriesInFlight: 1, callsInFlight: 2 });
    run(0).resolve("first");
    run(1).resolve("second");
    await clock.settle();
    expect(calls.map(({ value }) => value)).toEqual(["first", "second"]);
    expect(budget).toMatchObject({ retriesInFlight: 0, callsInFlight: 0 });
  });

  it("has one of its own by default", () => {
    expect(hedge({ delayMs: 5 }).budget).toBeDefined();
    expect(hedge({ delayMs: 5, budget: false }).budget).toBeUndefined();
  });

  it("counts each call once where a retry draws on the same budget", async () => {
    const clock = new TestClock();
    const budget = retryBudget({ minPerSecond: 0, clock });
    const again = retry({ maxAttempts: 3, budget, backoff: constantBackoff({ delayMs: 0 }), clock });
    const beside = hedge({ delayMs: 10, budget, clock });
    const guarded = pipeline({ name: "both", clock }, again, beside);
    for (let i = 0; i < 9; i++) await guarded.execute(() => "fine");
    const { operation, run } = manualOperation();
    const call = watch(guarded.execute(operation));
    await clock.advance(10);
    expect(budget).toMatchObject({ callsInFlight: 1, retriesInFlight: 1 });
    run(0).reject(new Error("1"));
    run(1).reject(new Error("2"));
    await clock.settle();
    // Of ten calls two: the hedge, and this retry.
    expect([again.retries, budget.retriesInFlight]).toEqual([1, 1]);
    await clock.advance(10);
    expect(beside).toMatchObject({ hedges: 1, budgetDenied: 1 });
    run(2).reject(new Error("3"));
    await clock.settle();
    expect(explain(call.error)?.gaveUp).toBe("budget");
    expect(budget).toMatchObject({ callsInFlight: 0, retriesInFlight: 0, deniedByWindow: 2 });
    expect(await rejectionOf(guarded.execute(() => Promise.reject(new Error("4"))))).toMatchObject({ message: "4" });
  });
});
