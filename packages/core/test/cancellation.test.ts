import { constantBackoff, pipeline, retry, timeout } from "@headgate/core";
import { EventRecorder, TestClock } from "@headgate/core/testing";
import { describe, expect, it } from "vitest";
import { guardedOperation } from "./support/guarded.ts";
import { HandClock } from "./support/hand-clock.ts";
import { heldTimers } from "./support/leftovers.ts";
import { failingTimes, manualOperation, rejectionOf, watch } from "./support/operations.ts";

type Settle = (resolve: (value: string) => void, reject: (error: unknown) => void) => void;

/** A promise of a make that is not the host's. */
const thenable = (settle: Settle, method = "then") => ({ [method]: settle }) as unknown as PromiseLike<string>;

const failure = new Error("down");
/** Not an error on purpose: the reason must come through whatever it is. */
const reason = { left: "the building" };

describe("a caller's abort", () => {
  it("rejects before the start without running anything", async () => {
    const { clock, guarded, limit } = guardedOperation();
    const signal = AbortSignal.abort(reason);
    expect(await rejectionOf(guarded.execute(() => expect.unreachable(), { signal }))).toBe(reason);
    expect([limit.inUse, await heldTimers(clock)]).toEqual([0, 0]);
  });

  it("rejects at once while queued, and the queue forgets the call", async () => {
    const { clock, guarded, limit, controller, signal, operation, run, runs } = guardedOperation();
    const running = watch(guarded.execute(operation));
    const queued = watch(guarded.execute(operation, { signal }));
    controller.abort(reason);
    expect(limit.queued).toBe(0);
    await clock.settle();
    expect(queued.error).toBe(reason);
    run(0).resolve("done");
    await clock.settle();
    expect(running.value).toBe("done");
    expect([runs.length, limit.inUse, await heldTimers(clock)]).toEqual([1, 0, 0]);
  });

  it("rejects at once while running, and tells the operation", async () => {
    const { clock, guarded, controller, signal, operation, run } = guardedOperation();
    const call = watch(guarded.execute(operation, { signal }));
    const own = run(0).context.signal;
    controller.abort(reason);
    expect(own.reason).toBe(reason);
    await clock.settle();
    expect(call.error).toBe(reason);
    expect(await heldTimers(clock)).toBe(0);
  });

  it("rejects at once during back-off, and nothing runs again", async () => {
    const clock = new TestClock();
    const controller = new AbortController();
    const operation = failingTimes(9);
    const guarded = pipeline("waiting", retry({ backoff: constantBackoff({ delayMs: 10 }), clock }));
    const call = watch(guarded.execute(operation, { signal: controller.signal }));
    await clock.advance(5);
    controller.abort(reason);
    await clock.settle();
    expect(call.error).toBe(reason);
    expect(await heldTimers(clock)).toBe(0);
    await clock.advance(100);
    expect(operation.runs).toBe(1);
  });

  it("rejects at once while probing a half-open circuit, and leaves the circuit as it was", async () => {
    const { clock, breaker, controller, signal, operation } = guardedOperation();
    const guarded = pipeline("probing", breaker);
    await rejectionOf(guarded.execute(() => Promise.reject(failure)));
    await clock.advance(20);
    const probe = watch(guarded.execute(operation, { signal }));
    controller.abort(reason);
    await clock.settle();
    expect(probe.error).toBe(reason);
    expect(breaker.state).toBe("half-open");
    expect(await guarded.execute(() => "next")).toBe("next");
  });

  it("comes through unchanged whatever it is", async () => {
    const { guarded, operation } = guardedOperation();
    for (const thrown of [failure, null, 0, "text", new DOMException("stop", "TimeoutError")]) {
      const controller = new AbortController();
      const rejected = rejectionOf(guarded.execute(operation, { signal: controller.signal }));
      controller.abort(thrown);
      expect(await rejected).toBe(thrown);
    }
    const plain = new AbortController();
    const rejected = rejectionOf(guarded.execute(operation, { signal: plain.signal }));
    plain.abort();
    expect(await rejected).toBe(plain.signal.reason);
  });

  it("is neither retried nor counted as a failure", async () => {
    const { clock, guarded, breaker, controller, signal, operation, runs } = guardedOperation();
    watch(guarded.execute(operation, { signal }));
    controller.abort(reason);
    await clock.advance(1000);
    expect([runs.length, breaker.state]).toEqual([1, "closed"]);
  });

  it("is not taken for one when the operation throws an AbortError of its own", async () => {
    const { clock, guarded, breaker, signal } = guardedOperation();
    const own = new DOMException("theirs", "AbortError");
    const call = watch(guarded.execute(() => Promise.reject(own), { signal }));
    await clock.settle();
    expect(breaker.state).toBe("open");
    await clock.advance(200);
    expect(call.state).toBe("rejected");
    expect(call.error).not.toBe(signal.reason);
  });

  it("ends the call when the operation's synchronous part makes it and goes on", async () => {
    const { clock, guarded, limit, controller, signal, operation, run } = guardedOperation();
    const call = watch(guarded.execute((context) => (controller.abort(reason), operation(context)), { signal }));
    await clock.settle();
    expect(call.error).toBe(reason);
    expect(run(0).context.signal.reason).toBe(reason);
    expect(limit).toMatchObject({ inUse: 1, abandoned: 1 });
  });

  it("ends the call when an observer makes it just before a wait", async () => {
    const clock = new TestClock();
    const controller = new AbortController();
    const observer = ({ type }: { type: string }) => type === "retry.scheduled" && controller.abort(reason);
    const backoff = constantBackoff({ delayMs: 10 });
    const guarded = pipeline(
      { name: "observed", clock, observer: (event) => void observer(event) },
      retry({ backoff, clock }),
    );
    const failing = () => Promise.reject(failure);
    const call = watch(guarded.execute(failing, { signal: controller.signal }));
    await clock.settle();
    expect(call.error).toBe(reason);
    expect(await heldTimers(clock)).toBe(0);
  });

  it("does nothing to a call that is done", async () => {
    const { guarded, controller, signal } = guardedOperation();
    expect(await guarded.execute(async () => "done", { signal })).toBe("done");
    controller.abort(reason);
    expect(await guarded.execute(async () => "other")).toBe("other");
  });
});

describe("two ends of a call in one tick", () => {
  /** An operation under a timeout of 10 ms on a clock that fires when told. */
  function race() {
    const clock = new HandClock();
    const controller = new AbortController();
    const { operation, run } = manualOperation();
    const recorder = new EventRecorder();
    const guarded = pipeline({ name: "race", clock, observer: recorder.observer }, timeout({ timeoutMs: 10, clock }));
    const ended = guarded.execute(operation, { signal: controller.signal }).catch((error: unknown) => error);
    return { clock, controller, run, ended, recorder };
  }

  it("go to the result when it came before the timeout", async () => {
    const { clock, run, ended, recorder } = race();
    run(0).resolve("result");
    clock.fire(10);
    expect(await ended).toBe("result");
    expect(recorder.types).toEqual(["pipeline.settled"]);
  });

  it("go to the caller's abort when the timeout came before it", async () => {
    const { clock, controller, ended, recorder } = race();
    clock.fire(10);
    controller.abort(reason);
    expect(await ended).toBe(reason);
    expect(recorder.of("timeout.fired")).toEqual([]);
  });

  it("go to the caller's abort when it came before the timeout", async () => {
    const { clock, controller, ended } = race();
    controller.abort(reason);
    clock.fire(10);
    expect(await ended).toBe(reason);
  });

  it("go to the result of an operation that aborts its caller's signal and returns synchronously", async () => {
    const controller = new AbortController();
    const { signal } = controller;
    expect(await pipeline("sync").execute(() => (controller.abort(reason), "result"), { signal })).toBe("result");
  });

  it("go to the timeout when nothing else happened", async () => {
    const { clock, ended } = race();
    clock.fire(10);
    expect(await ended).toMatchObject({ code: "ERR_TIMEOUT" });
  });
});

describe("an operation", () => {
  it("may throw, return a value or return a thenable of any make", async () => {
    const { guarded, limit } = guardedOperation();
    expect(await guarded.execute(() => "value")).toBe("value");
    expect(await guarded.execute(() => thenable((resolve) => resolve("resolved")))).toBe("resolved");
    const bare = pipeline("bare", limit);
    expect(await rejectionOf(bare.execute(() => thenable((_, reject) => reject(failure))))).toBe(failure);
    const throwing = (): never => {
      throw failure;
    };
    expect(await rejectionOf(bare.execute(throwing))).toBe(failure);
    expect(limit.inUse).toBe(0);
  });

  it("reads the caller's own signal where nothing else can end it", async () => {
    const { signal } = new AbortController();
    await pipeline("plain", retry()).execute((context) => expect(context.signal).toBe(signal), { signal });
  });

  it("reads one signal per attempt, the same each time", async () => {
    const clock = new TestClock();
    const signals: AbortSignal[] = [];
    const backoff = constantBackoff({ delayMs: 0 });
    const guarded = pipeline("attempts", retry({ backoff, clock }), timeout({ timeoutMs: 10, clock }));
    const call = watch(
      guarded.execute((context) => (signals.push(context.signal, context.signal), new Promise(() => {}))),
    );
    await clock.advance(30);
    expect(call.error).toMatchObject({ scope: "attempt" });
    expect(signals[0]).toBe(signals[1]);
    expect(new Set(signals).size).toBe(3);
    expect(signals.every(({ aborted }) => aborted)).toBe(true);
  });
});
