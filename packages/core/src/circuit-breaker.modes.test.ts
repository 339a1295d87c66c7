import { circuitBreaker, consecutiveFailures, countWindow, InvalidOptionError, pipeline } from "@headgate/core";
import type { CircuitBreakerOptions, CircuitSnapshot } from "@headgate/core";
import { EventRecorder, TestClock } from "@headgate/core/testing";
import { describe, expect, it } from "vitest";
import { manualOperation, rejectionOf, watch } from "../test/support/operations.ts";

const failure = new Error("down");
const fail = () => Promise.reject(failure);
const succeed = () => Promise.resolve("up");

/** A breaker that opens on two failures for 100 ms, without jitter, in a pipeline of its own. */
function setUp(options: CircuitBreakerOptions = {}, clock = new TestClock()) {
  const events = new EventRecorder();
  const trip = consecutiveFailures({ maxFailures: 2 });
  const breaker = circuitBreaker({ name: "orders", trip, openMs: 100, openJitter: 0, clock, ...options });
  const guarded = pipeline({ name: "calls", clock, observer: events.observer }, breaker);
  const failTimes = async (times: number) => {
    for (let i = 0; i < times; i++) await rejectionOf(guarded.execute(fail));
  };
  const start = () => {
    const { operation, runs, run } = manualOperation();
    const call = watch(guarded.execute(operation));
    return { call, run, admitted: () => runs.length === 1 };
  };
  return { clock, events, breaker, guarded, failTimes, start };
}

describe("circuitBreaker.setMode", () => {
  it("refuses everybody while forced open, and lets them through again when released", async () => {
    const { clock, breaker, guarded } = setUp();
    expect(breaker.mode).toBe("normal");
    breaker.setMode("forced-open");
    expect(await rejectionOf(guarded.execute(succeed))).toMatchObject({ retryAfterMs: 100, cause: undefined });
    await clock.advance(10_000);
    expect(breaker.state).toBe("open");
    expect(await rejectionOf(guarded.execute(succeed))).toMatchObject({ code: "ERR_CIRCUIT_OPEN" });
    breaker.setMode("normal");
    expect(breaker.state).toBe("closed");
    expect(breaker.setByHand).toEqual({ closed: 1, open: 1, "half-open": 0 });
    expect(breaker).toMatchObject({ opened: 0, closed: 0, halfOpened: 0 });
    expect(await guarded.execute(succeed)).toBe("up");
    expect(breaker.rejected).toBe(2);
  });

  it("shows no failure that is over as the cause of being forced open", async () => {
    const { clock, breaker, guarded, failTimes } = setUp();
    await failTimes(2);
    await clock.advance(100);
    await guarded.execute(succeed);
    breaker.setMode("forced-open");
    expect(await rejectionOf(guarded.execute(succeed))).toMatchObject({ cause: undefined });
  });

  it("does not close a circuit that was open by being forced open and released", async () => {
    const { clock, breaker, failTimes } = setUp();
    await failTimes(2);
    breaker.setMode("forced-open");
    await clock.advance(40);
    breaker.setMode("normal");
    expect(breaker.state).toBe("open");
    await clock.advance(60);
    expect(breaker.state).toBe("half-open");
  });

  it("lets everybody through while forced closed, records, and opens only when released", async () => {
    const { breaker, guarded, failTimes } = setUp({ trip: countWindow({ calls: 4, minCalls: 2 }) });
    breaker.setMode("forced-closed");
    await failTimes(4);
    expect([breaker.state, breaker.opened, breaker.failureRatio]).toEqual(["closed", 0, 1]);
    breaker.setMode("normal");
    expect(await guarded.execute(succeed)).toBe("up");
    expect(breaker.state).toBe("open");
  });

  it("is closed for all to see while it is disabled, though it was open", async () => {
    const { breaker, guarded, failTimes } = setUp();
    await failTimes(2);
    breaker.setMode("disabled");
    expect(breaker.state).toBe("closed");
    expect(await guarded.execute(succeed)).toBe("up");
  });

  it("counts no state as set by hand where the mode changes none, and is no breaker like a new one", () => {
    const { breaker } = setUp();
    expect(breaker).toMatchObject({ busy: false });
    breaker.setMode("metrics-only");
    expect(breaker.setByHand).toEqual({ closed: 0, open: 0, "half-open": 0 });
    expect(breaker).toMatchObject({ state: "closed", busy: true });
  });

  it("lets everybody through while forced closed where durations count too", async () => {
    const trip = countWindow({ calls: 4, minCalls: 2, slowMs: 10, slowRatio: 0.5 });
    const { breaker, clock, failTimes, start } = setUp({ trip });
    await failTimes(2);
    expect(breaker.state).toBe("open");
    breaker.setMode("forced-closed");
    const all = [start(), start()];
    breaker.setMode("normal");
    await clock.advance(100);
    const probes = [start(), start()];
    breaker.setMode("forced-closed");
    all.push(start(), start());
    expect(probes.map(({ admitted }) => admitted())).toEqual([true, false]);
    expect(all.map(({ admitted }) => admitted())).toEqual([true, true, true, true]);
    for (const { run } of [...all, ...probes.slice(0, 1)]) run(0).resolve("up");
    await clock.settle();
  });

  it("lets everybody through an open or half-open circuit that is forced closed", async () => {
    const { clock, breaker, start, failTimes } = setUp();
    await failTimes(2);
    breaker.setMode("forced-closed");
    expect([start().admitted(), breaker.state]).toEqual([true, "closed"]);
    breaker.setMode("normal");
    await clock.advance(100);
    const probe = start();
    breaker.setMode("forced-closed");
    expect([start(), start()].map(({ admitted }) => admitted())).toEqual([true, true]);
    breaker.setMode("normal");
    probe.run(0).resolve("of an older generation");
    await clock.settle();
    expect([breaker.state, start().admitted()]).toEqual(["half-open", true]);
  });

  it("does and records nothing while disabled", async () => {
    const { breaker, guarded, failTimes } = setUp({ trip: countWindow({ calls: 4, minCalls: 2 }) });
    breaker.setMode("disabled");
    await failTimes(4);
    expect([breaker.state, breaker.failureRatio]).toEqual(["closed", 0]);
    breaker.setMode("normal");
    expect(await guarded.execute(succeed)).toBe("up");
    await failTimes(1);
    expect(breaker.state).toBe("open");
  });

  it("changes its state as ever while it only measures, and refuses nobody", async () => {
    const { clock, events, breaker, guarded, start, failTimes } = setUp();
    breaker.setMode("metrics-only");
    await failTimes(2);
    expect(breaker.state).toBe("open");
    expect(await guarded.execute(succeed)).toBe("up");
    await failTimes(1);
    expect(breaker.state).toBe("open");
    await clock.advance(100);
    const probe = start();
    expect([start(), start()].map(({ admitted }) => admitted())).toEqual([true, true]);
    probe.run(0).resolve("up");
    await clock.settle();
    expect(breaker.state).toBe("closed");
    expect(breaker).toMatchObject({ rejected: 0, spared: 4, opened: 1, halfOpened: 1, closed: 1 });
    const told = events.types.filter((type) => type.startsWith("circuit-breaker"));
    expect(told).toEqual(["circuit-breaker.opened", "circuit-breaker.half-opened", "circuit-breaker.closed"]);
  });

  it.each(["normal", "forced-open", "forced-closed", "disabled", "metrics-only"] as const)(
    "drops results of calls that were under way when the mode became %s",
    async (mode) => {
      const { clock, breaker, start, failTimes } = setUp();
      breaker.setMode(mode === "normal" ? "metrics-only" : "normal");
      const calls = [start(), start()];
      breaker.setMode(mode);
      for (const { run } of calls) run(0).reject(failure);
      await clock.settle();
      breaker.setMode("normal");
      expect(breaker.state).toBe("closed");
      await failTimes(1);
      expect(breaker.state).toBe("closed");
    },
  );

  it("changes nothing when the mode is the same", async () => {
    const { clock, breaker, start } = setUp();
    const calls = [start(), start()];
    breaker.setMode("normal");
    for (const { run } of calls) run(0).reject(failure);
    await clock.settle();
    expect(breaker.state).toBe("open");
  });

  it("refuses anything but a mode", () => {
    expect(() => setUp().breaker.setMode("isolated" as never)).toThrow(
      '`circuitBreaker.setMode` must be "normal", "forced-open", "forced-closed", "metrics-only" or "disabled", got "isolated"',
    );
  });
});

describe("circuitBreaker.snapshot", () => {
  /** What another process makes of it, whose clock has another origin. */
  function restored(snapshot: CircuitSnapshot, options: CircuitBreakerOptions = {}) {
    const made = setUp(options, new TestClock(5_000_000));
    made.breaker.restore(JSON.parse(JSON.stringify(snapshot)) as CircuitSnapshot);
    return made;
  }

  it("is plain data: what remains of the open time, and no time of any clock", async () => {
    const { clock, breaker, failTimes } = setUp();
    const none = { mode: "normal", state: "closed", openForMs: 0, openings: 0, healthyInMs: 0 };
    expect(breaker.snapshot()).toEqual(none);
    await clock.advance(1234);
    await failTimes(2);
    await clock.advance(30);
    expect(breaker.snapshot()).toEqual({ ...none, state: "open", openForMs: 70, openings: 1 });
    await clock.advance(70);
    expect(breaker.snapshot()).toEqual({ ...none, state: "half-open", openings: 1 });
  });

  it("goes on from what remained since the circuit opened, not since the breaker was made", async () => {
    const { clock, breaker, failTimes } = setUp();
    await clock.advance(50_000);
    await failTimes(2);
    await clock.advance(30);
    const other = restored(breaker.snapshot());
    expect(await rejectionOf(other.guarded.execute(succeed))).toMatchObject({ retryAfterMs: 70, cause: undefined });
    await other.clock.advance(69);
    expect(other.breaker.state).toBe("open");
    await other.clock.advance(1);
    expect(await other.guarded.execute(succeed)).toBe("up");
    expect(other.breaker.state).toBe("closed");
  });

  it("keeps a forced mode, which can be released", async () => {
    const { breaker } = setUp();
    breaker.setMode("forced-open");
    const other = restored(breaker.snapshot());
    expect([other.breaker.mode, other.breaker.state]).toEqual(["forced-open", "open"]);
    expect(await rejectionOf(other.guarded.execute(succeed))).toMatchObject({ code: "ERR_CIRCUIT_OPEN" });
    other.breaker.setMode("normal");
    expect(await other.guarded.execute(succeed)).toBe("up");
  });

  it("keeps the state beneath a forced mode", async () => {
    const { breaker, failTimes } = setUp();
    await failTimes(2);
    breaker.setMode("forced-closed");
    const other = restored(breaker.snapshot());
    expect(other.breaker.state).toBe("closed");
    other.breaker.setMode("normal");
    expect(other.breaker.state).toBe("open");
  });

  it("keeps how far the open time has grown, and what is left of the healthy time", async () => {
    const healthyMs = 500;
    const { clock, breaker, guarded, failTimes } = setUp({ healthyMs });
    await failTimes(2);
    await clock.advance(100);
    await guarded.execute(succeed);
    await clock.advance(200);
    const snapshot = breaker.snapshot();
    expect(snapshot).toMatchObject({ state: "closed", openings: 1, healthyInMs: 300 });
    const openedFor = async (waitMs: number) => {
      const other = restored(snapshot, { healthyMs });
      await other.clock.advance(waitMs);
      await other.failTimes(2);
      return other.events.of("circuit-breaker.opened").map(({ openMs }) => openMs);
    };
    expect(await openedFor(299)).toEqual([200]);
    expect(await openedFor(300)).toEqual([100]);
    await failTimes(2);
    expect(breaker.snapshot()).toMatchObject({ state: "open", openings: 2, healthyInMs: 0 });
  });

  it("starts half-open with all permits free", async () => {
    const { clock, breaker, start, failTimes } = setUp();
    await failTimes(2);
    await clock.advance(100);
    start();
    const other = restored(breaker.snapshot());
    expect(other.breaker.state).toBe("half-open");
    expect([other.start().admitted(), other.start().admitted()]).toEqual([true, false]);
  });

  it("takes over no longer times than the new breaker allows", async () => {
    const snapshot = setUp().breaker.snapshot();
    const { guarded } = restored({ ...snapshot, state: "open", openForMs: 1e9 }, { maxOpenMs: 700 });
    expect(await rejectionOf(guarded.execute(succeed))).toMatchObject({ retryAfterMs: 700 });
    const other = restored({ ...snapshot, openings: 1, healthyInMs: 1e9 }, { healthyMs: 500 });
    await other.clock.advance(500);
    await other.failTimes(2);
    expect(other.events.of("circuit-breaker.opened")).toMatchObject([{ openMs: 100 }]);
  });

  it("forgets what the breaker has counted and who is under way", async () => {
    const { clock, breaker, start, failTimes } = setUp();
    await failTimes(1);
    const early = start();
    breaker.restore(breaker.snapshot());
    early.run(0).reject(failure);
    await clock.settle();
    await failTimes(1);
    expect(breaker.state).toBe("closed");
  });

  const valid: CircuitSnapshot = { mode: "normal", state: "open", openForMs: 10, openings: 1, healthyInMs: 0 };
  it.each([
    [null, "`circuitBreaker.restore` must be a snapshot of a circuit breaker, got null"],
    ["{}", '`circuitBreaker.restore` must be a snapshot of a circuit breaker, got "{}"'],
    [{ ...valid, state: "ajar" }, '`circuitBreaker.restore.state` must be "closed", "open" or "half-open", got "ajar"'],
    [
      { ...valid, mode: undefined },
      '`circuitBreaker.restore.mode` must be "normal", "forced-open", "forced-closed", "metrics-only" or "disabled", got undefined',
    ],
    [
      { ...valid, openForMs: -1 },
      "`circuitBreaker.restore.openForMs` must be a number of at least 0 and at most 9007199254740991, got -1",
    ],
    [{ ...valid, openings: 0.5 }, "`circuitBreaker.restore.openings` must be an integer of at least 0, got 0.5"],
    [
      { ...valid, healthyInMs: Number.NaN },
      "`circuitBreaker.restore.healthyInMs` must be a number of at least 0 and at most 9007199254740991, got NaN",
    ],
  ])("refuses %j and leaves the breaker as it was", (snapshot, message) => {
    const { breaker } = setUp();
    const restore = () => breaker.restore(snapshot as never);
    expect(restore).toThrow(InvalidOptionError);
    expect(restore).toThrow(message);
    expect(breaker.snapshot()).toMatchObject({ mode: "normal", state: "closed" });
  });
});
