import {
  CircuitOpenError,
  circuitBreaker,
  concurrencyLimit,
  consecutiveFailures,
  countWindow,
  pipeline,
  timeout,
} from "@headgate/core";
import type { CircuitBreakerOptions, Trip } from "@headgate/core";
import { EventRecorder, TestClock } from "@headgate/core/testing";
import { describe, expect, it } from "vitest";
import { heldTimers } from "../test/support/leftovers.ts";
import { manualOperation, rejectionOf, watch } from "../test/support/operations.ts";

const failure = new Error("down");
const fail = () => Promise.reject(failure);

/** A breaker that opens on two failures for 100 ms, always, unless told otherwise; in a pipeline of its own. */
function setUp(options: CircuitBreakerOptions = {}) {
  const clock = new TestClock();
  const events = new EventRecorder();
  const trip = consecutiveFailures({ maxFailures: 2 });
  const breaker = circuitBreaker({
    name: "orders",
    trip,
    openMs: 100,
    openFactor: 1,
    openJitter: 0,
    clock,
    ...options,
  });
  const guarded = pipeline({ name: "calls", clock, observer: events.observer }, breaker);
  const open = async () => {
    await rejectionOf(guarded.execute(fail));
    await rejectionOf(guarded.execute(fail));
    expect(breaker.state).toBe("open");
  };
  /** Starts a call that the test settles. */
  const start = (signal?: AbortSignal) => {
    const { operation, runs, run } = manualOperation();
    const call = watch(guarded.execute(operation, { signal }));
    return { call, runs, run };
  };
  return { clock, events, breaker, guarded, open, start };
}

describe("circuitBreaker while closed", () => {
  it("lets everything through until its trip says open", async () => {
    const { breaker, guarded } = setUp();
    await rejectionOf(guarded.execute(fail));
    expect(breaker.state).toBe("closed");
    expect(await guarded.execute(() => 1)).toBe(1);
    await rejectionOf(guarded.execute(fail));
    expect(breaker.state).toBe("closed");
    await rejectionOf(guarded.execute(fail));
    expect(breaker.state).toBe("open");
  });

  it("opens on the share of failures with a window of calls", async () => {
    const { breaker, guarded } = setUp({ trip: countWindow({ calls: 4, failureRatio: 0.5, minCalls: 4 }) });
    await rejectionOf(guarded.execute(fail));
    await guarded.execute(() => 1);
    await guarded.execute(() => 1);
    expect(breaker.state).toBe("closed");
    await rejectionOf(guarded.execute(fail));
    expect(breaker.state).toBe("open");
  });

  it("counts a returned failure", async () => {
    const { breaker, guarded } = setUp();
    const isFailure = (status: number) => status === 500;
    expect(await guarded.execute(() => 500, { isFailure })).toBe(500);
    expect(await guarded.execute(() => 500, { isFailure })).toBe(500);
    expect(breaker.state).toBe("open");
  });

  it("counts a timeout inside it", async () => {
    const clock = new TestClock();
    const breaker = circuitBreaker({ trip: consecutiveFailures({ maxFailures: 1 }), clock });
    const call = watch(
      pipeline("slow", breaker, timeout({ timeoutMs: 10, clock })).execute(manualOperation().operation),
    );
    await clock.advance(10);
    expect(call.error).toMatchObject({ code: "ERR_TIMEOUT" });
    expect(breaker.state).toBe("open");
  });

  it("counts a timeout outside it that ends its call", async () => {
    const clock = new TestClock();
    const breaker = circuitBreaker({ trip: consecutiveFailures({ maxFailures: 1 }), clock });
    watch(pipeline("slow", timeout({ timeoutMs: 10, clock }), breaker).execute(manualOperation().operation));
    await clock.advance(10);
    expect(breaker.state).toBe("open");
  });

  it("does not count callers that leave", async () => {
    const { clock, breaker, start } = setUp();
    for (let i = 0; i < 5; i++) {
      const controller = new AbortController();
      start(controller.signal);
      controller.abort();
    }
    await clock.settle();
    expect(breaker.state).toBe("closed");
  });

  it("does not count refusals of the policies inside it, nor those of a pipeline that the operation calls", async () => {
    const { breaker, guarded } = setUp({ trip: consecutiveFailures({ maxFailures: 1 }) });
    const limit = concurrencyLimit({ maxConcurrent: 1 });
    const { operation, run } = manualOperation();
    const holder = watch(pipeline("holder", limit).execute(operation));
    expect(await rejectionOf(pipeline("outer", breaker, limit).execute(operation))).toMatchObject({ reason: "full" });
    const inner = pipeline("inner", limit);
    expect(await rejectionOf(guarded.execute(() => inner.execute(operation)))).toMatchObject({ reason: "full" });
    expect(breaker.state).toBe("closed");
    run(0).resolve("done");
    await Promise.resolve();
    expect(holder.state).not.toBe("rejected");
  });

  it("neither counts nor starts anew for a caller that leaves between two failures", async () => {
    const { clock, breaker, guarded, start } = setUp();
    await rejectionOf(guarded.execute(fail));
    const controller = new AbortController();
    start(controller.signal);
    controller.abort();
    await clock.settle();
    await rejectionOf(guarded.execute(fail));
    expect(breaker.state).toBe("open");
  });

  it("keeps one state for all pipelines that share it", async () => {
    const { breaker, open } = setUp();
    await open();
    expect(await rejectionOf(pipeline("another", breaker).execute(() => 1))).toMatchObject({ pipeline: "another" });
  });
});

describe("circuitBreaker while open", () => {
  it("refuses without running the operation, and says for how long and why", async () => {
    const { clock, guarded, open } = setUp();
    await open();
    await clock.advance(30);
    const error = await rejectionOf(guarded.execute(() => expect.unreachable()));
    expect(error).toBeInstanceOf(CircuitOpenError);
    expect(error).toMatchObject({
      code: "ERR_CIRCUIT_OPEN",
      policy: "circuit-breaker",
      pipeline: "calls",
      retryAfterMs: 70,
      cause: failure,
      message: 'The circuit "orders" is open for another 70 ms',
    });
  });

  it("is half-open after its time, without a timer", async () => {
    const { clock, breaker, open } = setUp();
    await open();
    expect(await heldTimers(clock)).toBe(0);
    await clock.advance(99);
    expect(breaker.state).toBe("open");
    await clock.advance(1);
    expect(breaker.state).toBe("half-open");
  });

  it("drops the result of a call that was let through before it opened", async () => {
    const { clock, breaker, open, start } = setUp();
    const [early, late] = [start(), start()];
    await open();
    early.run(0).reject(failure);
    late.run(0).resolve("late success");
    await clock.settle();
    expect(breaker.state).toBe("open");
    expect([early.call.state, late.call.state]).toEqual(["rejected", "fulfilled"]);
  });
});

describe("circuitBreaker while half-open", () => {
  it("lets one probe through and refuses everybody else until its lease ends", async () => {
    const { clock, guarded, open, start } = setUp({ probeLeaseMs: 40 });
    await open();
    await clock.advance(100);
    const probe = start();
    expect(probe.runs).toHaveLength(1);
    await clock.advance(10);
    expect(await rejectionOf(guarded.execute(() => 1))).toMatchObject({ code: "ERR_CIRCUIT_OPEN", retryAfterMs: 30 });
  });

  it("closes when the probe succeeds, with its trip reset", async () => {
    const { clock, breaker, guarded, open } = setUp();
    await open();
    await clock.advance(100);
    expect(await guarded.execute(() => "back")).toBe("back");
    expect(breaker.state).toBe("closed");
    await rejectionOf(guarded.execute(fail));
    expect(breaker.state).toBe("closed");
  });

  it("opens anew for its full time when the probe fails", async () => {
    const { clock, breaker, guarded, open } = setUp();
    await open();
    await clock.advance(150);
    await rejectionOf(guarded.execute(fail));
    await clock.advance(99);
    expect(breaker.state).toBe("open");
    await clock.advance(1);
    expect(breaker.state).toBe("half-open");
  });

  it("gives the place back, and changes nothing, when the probe's caller leaves", async () => {
    const { clock, breaker, guarded, open, start } = setUp();
    await open();
    await clock.advance(100);
    const controller = new AbortController();
    start(controller.signal);
    controller.abort();
    await clock.settle();
    expect(breaker.state).toBe("half-open");
    expect(await guarded.execute(() => "next")).toBe("next");
    expect(breaker.state).toBe("closed");
  });

  it("takes a probe whose lease has ended as failed, and drops its late result", async () => {
    const { clock, breaker, guarded, open, start } = setUp({ probeLeaseMs: 40 });
    await open();
    await clock.advance(100);
    const hung = start();
    await clock.advance(40);
    expect(await rejectionOf(guarded.execute(() => 1))).toMatchObject({ retryAfterMs: 100, cause: failure });
    expect(breaker.state).toBe("open");
    hung.run(0).resolve("at last");
    await clock.settle();
    expect(hung.call.value).toBe("at last");
    expect(breaker.state).toBe("open");
  });

  it("drops a result from before it opened, although it is half-open by now", async () => {
    const { clock, breaker, open, start } = setUp();
    const old = start();
    await open();
    await clock.advance(100);
    const probe = start();
    old.run(0).resolve("old success");
    await clock.settle();
    expect(breaker.state).toBe("half-open");
    probe.run(0).reject(failure);
    await clock.settle();
    expect(breaker.state).toBe("open");
  });

  it("drops a failure from before it opened, although it is half-open by now", async () => {
    const { clock, breaker, open, start } = setUp();
    const old = start();
    await open();
    await clock.advance(100);
    const probe = start();
    old.run(0).reject(failure);
    await clock.settle();
    expect(breaker.state).toBe("half-open");
    probe.run(0).resolve("up");
    await clock.settle();
    expect(breaker.state).toBe("closed");
  });

  it("opens on one failure among several probes, and drops the others' results", async () => {
    const { clock, breaker, guarded, open, start } = setUp({ halfOpenPermits: 4 });
    await open();
    await clock.advance(100);
    // One alone, then two at a time: with the second success of those there are four.
    for (let i = 0; i < 3; i++) await guarded.execute(() => "up");
    const probes = [start(), start(), start()];
    probes[0]?.run(0).resolve("up");
    probes[1]?.run(0).reject(failure);
    await clock.settle();
    expect(breaker.state).toBe("open");
    probes[2]?.run(0).resolve("up");
    await clock.settle();
    expect(breaker.state).toBe("open");
  });
});

describe("circuitBreaker", () => {
  it("tells every change of its state and every refusal", async () => {
    const { clock, events, guarded, open } = setUp();
    await open();
    await rejectionOf(guarded.execute(() => 1));
    await clock.advance(100);
    await guarded.execute(() => 1);
    const told = events.events.filter(({ type }) => type.startsWith("circuit-breaker"));
    expect(told).toEqual([
      { type: "circuit-breaker.opened", pipeline: "calls", name: "orders", openMs: 100, cause: failure },
      { type: "circuit-breaker.rejected", pipeline: "calls", name: "orders", retryAfterMs: 100 },
      { type: "circuit-breaker.half-opened", pipeline: "calls", name: "orders" },
      { type: "circuit-breaker.closed", pipeline: "calls", name: "orders" },
    ]);
  });

  it("counts what it does", async () => {
    const { clock, breaker, guarded, open } = setUp();
    await open();
    await rejectionOf(guarded.execute(() => 1));
    await rejectionOf(guarded.execute(() => 1));
    await clock.advance(100);
    await rejectionOf(guarded.execute(fail));
    await clock.advance(100);
    await guarded.execute(() => 1);
    expect(breaker).toMatchObject({ rejected: 2, opened: 2, halfOpened: 2, closed: 1, spared: 0 });
  });

  it("takes a trip of one's own", async () => {
    const seen: string[] = [];
    const trip: Trip = {
      record(result) {
        seen.push(result);
        return result === "overload";
      },
      reset: () => seen.push("reset"),
    };
    const { breaker, guarded } = setUp({ trip });
    await guarded.execute(() => 1);
    await rejectionOf(guarded.execute(fail));
    await guarded.execute(() => 429, { isOverload: () => true });
    expect(breaker.state).toBe("open");
    expect(seen).toEqual(["success", "failure", "overload", "reset"]);
  });
});
