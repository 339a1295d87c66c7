import {
  type Call,
  circuitBreaker,
  concurrencyLimit,
  consecutiveFailures,
  constantBackoff,
  pipeline,
  type Policy,
  retry,
  timeout,
} from "@headgate/core";
import { EventRecorder, TestClock } from "@headgate/core/testing";
import { describe, expect, it } from "vitest";
import { heldTimers } from "./support/leftovers.ts";
import { failingTimes, manualOperation, rejectionOf, watch } from "./support/operations.ts";

const failure = new Error("down");
const atOnce = constantBackoff({ delayMs: 0 });

describe("policies in one pipeline", () => {
  it("give back only what this attempt took when the one before it still runs", async () => {
    const clock = new TestClock();
    const outer = concurrencyLimit({ maxConcurrent: 2, clock });
    const inner = concurrencyLimit({ maxConcurrent: 1, maxQueue: 1, clock });
    const attempt = [outer, inner, timeout({ timeoutMs: 10, clock })];
    const guarded = pipeline({ name: "two limits", clock }, retry({ backoff: atOnce, clock }), ...attempt);
    const controller = new AbortController();
    const { operation, run } = manualOperation();
    const call = watch(guarded.execute(operation, { signal: controller.signal }));
    await clock.advance(10);
    // The first attempt is abandoned with a permit of each; the second has one and waits for the other.
    expect([outer.inUse, inner.inUse, inner.queued]).toEqual([2, 1, 1]);
    controller.abort(failure);
    await clock.settle();
    expect(call.error).toBe(failure);
    expect([outer.inUse, inner.inUse, inner.queued]).toEqual([1, 1, 0]);
    run(0).resolve("late");
    await clock.settle();
    expect([outer.inUse, inner.inUse, await heldTimers(clock)]).toEqual([0, 0, 0]);
  });

  it("let a breaker see each attempt when it stands inside the retry, and only the last when outside", async () => {
    const trip = () => consecutiveFailures({ maxFailures: 2 });
    const [inside, outside] = [circuitBreaker({ trip: trip() }), circuitBreaker({ trip: trip() })];
    const again = () => retry({ maxAttempts: 2, backoff: atOnce });
    await rejectionOf(pipeline("inside", again(), inside).execute(() => Promise.reject(failure)));
    const unusual = pipeline({ name: "outside", checkOrder: false }, outside, again());
    await rejectionOf(unusual.execute(() => Promise.reject(failure)));
    expect([inside.state, outside.state]).toEqual(["open", "closed"]);
  });

  it("do not open the breaker outside when a limit inside is full for a while", async () => {
    const clock = new TestClock();
    const limit = concurrencyLimit({ maxConcurrent: 1, maxQueue: 2, maxWaitMs: 10, clock });
    const breaker = circuitBreaker({ trip: consecutiveFailures({ maxFailures: 1 }), clock });
    const guarded = pipeline({ name: "burst", clock }, breaker, limit);
    const { operation } = manualOperation();
    const calls = [1, 2, 3, 4, 5].map(() => watch(guarded.execute(operation)));
    await clock.advance(10);
    expect(calls.map(({ error }) => (error as { reason?: string } | undefined)?.reason)).toEqual([
      undefined,
      "wait",
      "wait",
      "full",
      "full",
    ]);
    expect(breaker.state).toBe("closed");
  });

  it("share a limit and a breaker among pipelines, each with its own name in the errors", async () => {
    const limit = concurrencyLimit({ maxConcurrent: 1 });
    const { operation, run } = manualOperation();
    const first = pipeline("first", limit).execute(operation);
    expect(await rejectionOf(pipeline("second", limit).execute(operation))).toMatchObject({ pipeline: "second" });
    run(0).resolve("done");
    expect(await first).toBe("done");
  });

  it("nest by calling one pipeline in the operation of another, with one abort for both", async () => {
    const clock = new TestClock();
    const limit = concurrencyLimit({ maxConcurrent: 1, clock });
    const inner = pipeline({ name: "inner", clock }, retry({ clock }), limit);
    const outer = pipeline({ name: "outer", clock }, timeout({ timeoutMs: 10, clock }));
    const { operation, run } = manualOperation();
    const call = watch(outer.execute(({ signal }) => inner.execute(operation, { signal })));
    await clock.advance(10);
    expect(call.error).toMatchObject({ code: "ERR_TIMEOUT", pipeline: "outer" });
    expect(run(0).context.signal.reason).toBe(call.error);
    expect(limit).toMatchObject({ inUse: 1, abandoned: 1 });
    run(0).resolve("late");
    await clock.settle();
    expect([limit.inUse, await heldTimers(clock)]).toEqual([0, 0]);
  });

  it("tell what happened in the order in which it did", async () => {
    const clock = new TestClock();
    const { observer, events } = new EventRecorder();
    const guarded = pipeline(
      { name: "all", clock, observer },
      timeout({ timeoutMs: 100, clock }),
      retry({ maxAttempts: 3, backoff: constantBackoff({ delayMs: 5 }), clock }),
      circuitBreaker({ name: "b", trip: consecutiveFailures({ maxFailures: 1 }), openMs: 20, clock }),
      timeout({ timeoutMs: 10, clock }),
    );
    const call = watch(guarded.execute(({ attempt }) => (attempt === 1 ? new Promise(() => {}) : "up again")));
    await clock.advance(30);
    expect(call.value).toBe("up again");
    const timedOut: unknown = expect.objectContaining({ code: "ERR_TIMEOUT", scope: "attempt" });
    const refused: unknown = expect.objectContaining({ code: "ERR_CIRCUIT_OPEN" });
    const all = { pipeline: "all" };
    expect(events).toEqual([
      { ...all, type: "timeout.fired", scope: "attempt", timeoutMs: 10 },
      { ...all, type: "operation.abandoned", attempt: 1 },
      { ...all, type: "circuit-breaker.opened", name: "b", openMs: 20, cause: timedOut },
      { ...all, type: "retry.scheduled", attempt: 2, delayMs: 5, result: timedOut },
      { ...all, type: "circuit-breaker.rejected", name: "b", retryAfterMs: 15 },
      { ...all, type: "retry.scheduled", attempt: 3, delayMs: 15, result: refused },
      { ...all, type: "circuit-breaker.half-opened", name: "b" },
      { ...all, type: "circuit-breaker.closed", name: "b" },
      { ...all, type: "pipeline.settled", outcome: "success", error: undefined, durationMs: 30, attempts: 3 },
    ]);
  });

  it("do not send a call down again that the deadline outside them has ended", async () => {
    const clock = new TestClock();
    const events = new EventRecorder();
    const deadline = timeout({ timeoutMs: 10, clock });
    const guarded = pipeline(
      { name: "over", clock, observer: events.observer },
      deadline,
      retry({ backoff: atOnce, clock }),
    );
    const { operation, runs } = manualOperation();
    watch(guarded.execute(operation));
    await clock.advance(100);
    expect(runs).toHaveLength(1);
    expect(events.types).toEqual(["timeout.fired", "operation.abandoned", "pipeline.settled"]);
  });
});

describe("a policy of one's own", () => {
  /** Ends every call in flight when told to. */
  function killSwitch(): Policy & { kill(error: unknown): void } {
    const inFlight = new Map<Call, number>();
    return {
      kind: "kill-switch",
      cuts: true,
      enter(call, at) {
        inFlight.set(call, at);
        return "pass";
      },
      leave(call) {
        inFlight.delete(call);
        return "pass";
      },
      kill(error) {
        for (const [call, at] of inFlight) call.cut(at, "ignored", error);
      },
    };
  }

  it("may end calls from outside wherever they are: running, queued or in back-off", async () => {
    const clock = new TestClock();
    const kill = killSwitch();
    const limit = concurrencyLimit({ maxConcurrent: 1, maxQueue: 5, clock });
    const backoff = constantBackoff({ delayMs: 10 });
    const guarded = pipeline({ name: "killed", clock }, kill, retry({ backoff, clock }), limit);
    const { operation, run } = manualOperation();
    const calls = [failingTimes(9), operation, operation].map((each) => watch(guarded.execute(each)));
    await clock.advance(1);
    kill.kill(failure);
    await clock.settle();
    expect(calls.map(({ error }) => error)).toEqual([failure, failure, failure]);
    expect(run(0).context.signal.reason).toBe(failure);
    expect(limit).toMatchObject({ inUse: 1, abandoned: 1, queued: 0 });
    expect(await heldTimers(clock)).toBe(0);
  });

  it("does not end a call that has come up past it already", async () => {
    const clock = new TestClock();
    const passed: { call: Call; at: number }[] = [];
    const late: Policy = { kind: "late", cuts: true, leave: (call, at) => (passed.push({ call, at }), "pass") };
    const backoff = constantBackoff({ delayMs: 10 });
    const guarded = pipeline({ name: "late", clock }, retry({ backoff, clock }), late);
    const call = watch(guarded.execute(failingTimes(1)));
    for (const each of passed) each.call.cut(each.at, "ignored", failure);
    await clock.advance(10);
    expect(call.value).toBe("done");
  });

  it("may send a call down again after a wait of its own, also when it is cut meanwhile", async () => {
    const clock = new TestClock();
    const waiting: Policy = {
      kind: "second-chance",
      reruns: true,
      failuresOnly: true,
      leave(call, at) {
        if (call.cutting || call.attempt > 1) return "pass";
        call.keep(
          at,
          clock.after(10, () => call.again(at)),
        );
        return "park";
      },
      interrupt(call, at) {
        (call.recall(at) as { cancel(): void }).cancel();
      },
    };
    const guarded = pipeline({ name: "second chance", clock }, timeout({ timeoutMs: 20, clock }), waiting);
    const [patient, late] = [failingTimes(1), failingTimes(9)];
    const first = watch(guarded.execute(patient));
    await clock.advance(10);
    expect(first.value).toBe("done");
    const controller = new AbortController();
    const second = watch(guarded.execute(late, { signal: controller.signal }));
    await clock.advance(5);
    controller.abort(failure);
    await clock.settle();
    expect([second.error, late.runs, await heldTimers(clock)]).toEqual([failure, 1, 0]);
  });
});
