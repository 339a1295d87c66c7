import {
  type FailedAttempt,
  circuitBreaker,
  concurrencyLimit,
  consecutiveFailures,
  constantBackoff,
  pipeline,
  retry,
  timeout,
} from "@headgate/core";
import { EventRecorder, SeededRandom, TestClock } from "@headgate/core/testing";
import { describe, expect, it } from "vitest";
import { heldTimers } from "../test/support/leftovers.ts";
import { failingTimes, manualOperation, rejectionOf, watch } from "../test/support/operations.ts";
import { itRefuses } from "../test/support/options.ts";

const failure = new Error("down");
const atOnce = constantBackoff({ delayMs: 0 });

describe("retry", () => {
  it("does not run again what succeeds", async () => {
    const operation = failingTimes(0);
    expect(await pipeline("fine", retry()).execute(operation)).toBe("done");
    expect(operation.runs).toBe(1);
  });

  it("runs three times in all by default, and gives the last error as it was thrown", async () => {
    const clock = new TestClock();
    const errors = [new Error("first"), new Error("second"), new Error("third"), new Error("fourth")];
    let runs = 0;
    const guarded = pipeline("failing", retry({ clock, random: new SeededRandom(1) }));
    const call = watch(guarded.execute(() => Promise.reject(errors[runs++])));
    await clock.advance(1000);
    expect(runs).toBe(3);
    expect(call.error).toBe(errors[2]);
    expect(await heldTimers(clock)).toBe(0);
  });

  it("waits as the back-off says, told how often it was asked, given the source of chance and its last answer", async () => {
    const clock = new TestClock();
    const random = new SeededRandom(1);
    const asked: unknown[] = [];
    const startedMs: number[] = [];
    const backoff = (...args: unknown[]) => asked.push(args) * 10;
    const guarded = pipeline("spaced", retry({ maxAttempts: 3, backoff, clock, random }));
    const operation = failingTimes(2);
    const call = watch(guarded.execute((context) => (startedMs.push(clock.now()), operation(context))));
    await clock.advance(100);
    expect(startedMs).toEqual([0, 10, 30]);
    expect(asked).toEqual([
      [1, random, 0],
      [2, random, 10],
    ]);
    expect(call.value).toBe("done");
  });

  it("tells the operation which attempt it is, in a context of its own", async () => {
    const contexts: { attempt: number }[] = [];
    const guarded = pipeline("counted", retry({ backoff: atOnce }));
    await rejectionOf(guarded.execute((context) => (contexts.push(context), Promise.reject(failure))));
    expect(contexts.map(({ attempt }) => attempt)).toEqual([1, 2, 3]);
    expect(new Set(contexts).size).toBe(3);
  });

  it("runs again at once and without a timer when there is no delay, thousands of times", async () => {
    const clock = new TestClock();
    const operation = failingTimes(20_000);
    const guarded = pipeline("deep", retry({ maxAttempts: 20_001, backoff: atOnce, clock }));
    expect(await guarded.execute(operation)).toBe("done");
    expect(operation.runs).toBe(20_001);
  });

  it("retries a returned value that is a failure or overload, and discards those it does not return", async () => {
    const guarded = pipeline("statuses", retry({ maxAttempts: 3, backoff: atOnce }));
    const statuses = [500, 429, 503];
    const discarded: number[] = [];
    const last = await guarded.execute(() => statuses.shift() as number, {
      isFailure: (status) => status >= 500,
      isOverload: (status) => status === 429,
      discard: (status) => discarded.push(status),
    });
    expect(last).toBe(503);
    expect(discarded).toEqual([500, 429]);
  });

  it("asks `shouldRetry` about each attempt that may be retried, and stops when it says no", async () => {
    const seen: FailedAttempt[] = [];
    const shouldRetry = (attempt: FailedAttempt) => seen.push(attempt) < 2;
    const guarded = pipeline("choosy", retry({ maxAttempts: 9, backoff: atOnce, shouldRetry }));
    expect(await rejectionOf(guarded.execute(() => Promise.reject(failure)))).toBe(failure);
    expect(seen).toEqual([
      { result: failure, threw: true, outcome: "failure", attempt: 1 },
      { result: failure, threw: true, outcome: "failure", attempt: 2 },
    ]);
  });

  it("rejects with what `shouldRetry` or the back-off throws", async () => {
    const broken = new Error("broken predicate");
    const throwing = (): never => {
      throw broken;
    };
    const operation = failingTimes(9);
    expect(await rejectionOf(pipeline("a", retry({ shouldRetry: throwing })).execute(operation))).toBe(broken);
    expect(await rejectionOf(pipeline("b", retry({ backoff: throwing })).execute(operation))).toBe(broken);
    expect(operation.runs).toBe(2);
  });

  it("fails now with the last error when the delay would reach the deadline", async () => {
    const clock = new TestClock();
    const events = new EventRecorder();
    const guarded = pipeline(
      { name: "late", clock, observer: events.observer },
      timeout({ timeoutMs: 100, clock }),
      retry({ backoff: constantBackoff({ delayMs: 100 }), clock }),
    );
    expect(await rejectionOf(guarded.execute(() => Promise.reject(failure)))).toBe(failure);
    expect(clock.now()).toBe(0);
    expect(events.types).toEqual(["pipeline.settled"]);
    expect(await heldTimers(clock)).toBe(0);
  });

  it("does not retry a refusal of a policy inside", async () => {
    const clock = new TestClock();
    const limit = concurrencyLimit({ maxConcurrent: 1, clock });
    const { operation, run } = manualOperation();
    const holder = watch(pipeline("holder", limit).execute(operation));
    const tries = new EventRecorder();
    const guarded = pipeline({ name: "refused", clock, observer: tries.observer }, retry({ backoff: atOnce }), limit);
    expect(await rejectionOf(guarded.execute(operation))).toMatchObject({ code: "ERR_CONCURRENCY_LIMIT" });
    expect(tries.of("concurrency-limit.rejected")).toHaveLength(1);
    run(0).resolve("done");
    await clock.settle();
    expect(holder.value).toBe("done");
  });

  it("waits for an open circuit that will let a call through before the deadline", async () => {
    const clock = new TestClock();
    const breaker = circuitBreaker({ trip: consecutiveFailures({ maxFailures: 1 }), openMs: 50, clock });
    await rejectionOf(pipeline("opener", breaker).execute(() => Promise.reject(failure)));
    const again = retry({ backoff: atOnce, clock });
    const patient = pipeline({ name: "patient", clock }, timeout({ timeoutMs: 100, clock }), again, breaker);
    const operation = failingTimes(0);
    const call = watch(patient.execute(operation));
    await clock.advance(49);
    expect(operation.runs).toBe(0);
    await clock.advance(1);
    expect(call.value).toBe("done");
  });

  it.each([
    ["that opens after the deadline", 50],
    ["without a deadline", undefined],
  ])("does not wait for an open circuit %s", async (_, timeoutMs) => {
    const clock = new TestClock();
    const breaker = circuitBreaker({ trip: consecutiveFailures({ maxFailures: 1 }), openMs: 50, clock });
    await rejectionOf(pipeline("opener", breaker).execute(() => Promise.reject(failure)));
    const deadline = timeoutMs === undefined ? [] : [timeout({ timeoutMs, clock })];
    const guarded = pipeline({ name: "impatient", clock }, ...deadline, retry({ backoff: atOnce, clock }), breaker);
    expect(await rejectionOf(guarded.execute(() => 1))).toMatchObject({ code: "ERR_CIRCUIT_OPEN" });
    expect(await heldTimers(clock)).toBe(0);
  });

  it("holds no permit while it waits", async () => {
    const clock = new TestClock();
    const limit = concurrencyLimit({ maxConcurrent: 1, clock });
    const backoff = constantBackoff({ delayMs: 10 });
    const guarded = pipeline("polite", retry({ maxAttempts: 2, backoff, clock }), limit);
    const call = watch(guarded.execute(failingTimes(1)));
    await clock.settle();
    expect(limit.inUse).toBe(0);
    expect(await pipeline("other", limit).execute(() => "in between")).toBe("in between");
    await clock.advance(10);
    expect(call.value).toBe("done");
  });

  it("counts the attempts of one trip anew when a retry further out sends the call down again", async () => {
    const inner = retry({ maxAttempts: 2, backoff: atOnce });
    const operation = failingTimes(9);
    const outer = retry({ maxAttempts: 3, backoff: atOnce });
    await rejectionOf(pipeline({ name: "nested", checkOrder: false }, outer, inner).execute(operation));
    expect(operation.runs).toBe(6);
  });

  it("tells when it will run again and when it has given up", async () => {
    const events = new EventRecorder();
    const guarded = pipeline({ name: "told", observer: events.observer }, retry({ maxAttempts: 2, backoff: atOnce }));
    await rejectionOf(guarded.execute(() => Promise.reject(failure)));
    expect(events.events.slice(0, 2)).toEqual([
      { type: "retry.scheduled", pipeline: "told", attempt: 2, delayMs: 0, result: failure },
      { type: "retry.exhausted", pipeline: "told", attempts: 2, result: failure },
    ]);
    expect(events.of("pipeline.settled")).toMatchObject([{ outcome: "failure", attempts: 2, error: failure }]);
  });

  itRefuses(
    [() => retry({ maxAttempts: 0 }), "`retry.maxAttempts` must be an integer of at least 1, got 0"],
    [() => retry({ maxAttempts: 1.5 }), "`retry.maxAttempts` must be an integer of at least 1, got 1.5"],
    [
      () => retry({ maxAttempts: Number.POSITIVE_INFINITY }),
      "`retry.maxAttempts` must be an integer of at least 1, got Infinity",
    ],
    [() => retry({ backoff: 100 as never }), "`retry.backoff` must be a function, got 100"],
    [() => retry({ shouldRetry: {} as never }), "`retry.shouldRetry` must be a function, got an object"],
  );
});
