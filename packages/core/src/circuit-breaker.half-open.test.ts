import { circuitBreaker, consecutiveFailures, countWindow, pipeline } from "@headgate/core";
import type { CircuitBreakerOptions } from "@headgate/core";
import { EventRecorder, SeededRandom, TestClock } from "@headgate/core/testing";
import { describe, expect, it } from "vitest";
import { manualOperation, rejectionOf, watch } from "../test/support/operations.ts";

const failure = new Error("down");
const fail = () => Promise.reject(failure);
const succeed = () => Promise.resolve("up");

/** A breaker that opens on one failure for 100 ms, without jitter, in a pipeline of its own. */
function setUp(options: CircuitBreakerOptions = {}) {
  const clock = new TestClock();
  const events = new EventRecorder();
  const trip = consecutiveFailures({ maxFailures: 1 });
  const breaker = circuitBreaker({ trip, openMs: 100, openJitter: 0, clock, ...options });
  const guarded = pipeline({ name: "calls", clock, observer: events.observer }, breaker);
  const failOnce = () => rejectionOf(guarded.execute(fail));
  /** Starts a call that the test settles; says whether it was let through. */
  const start = () => {
    const controller = new AbortController();
    const { operation, runs, run } = manualOperation();
    const call = watch(guarded.execute(operation, { signal: controller.signal }));
    return { call, controller, run, admitted: () => runs.length === 1 };
  };
  const halfOpen = async () => {
    await failOnce();
    await clock.advance(100);
  };
  return { clock, events, breaker, guarded, failOnce, start, halfOpen };
}

/** For how long it opens, each time a probe fails. */
async function openTimes(options: CircuitBreakerOptions, times: number): Promise<number[]> {
  const { clock, events, failOnce } = setUp(options);
  for (let i = 0; i < times; i++) {
    await failOnce();
    await clock.advance(events.of("circuit-breaker.opened")[i]?.openMs ?? Number.NaN);
  }
  return events.of("circuit-breaker.opened").map(({ openMs }) => openMs);
}

describe("circuitBreaker with several half-open permits", () => {
  it("lets one probe through, then two, then as many as it has permits, and closes when all of those succeeded", async () => {
    const { clock, breaker, start, halfOpen } = setUp({ halfOpenPermits: 3 });
    await halfOpen();
    for (const permits of [1, 2, 3]) {
      expect(breaker.state).toBe("half-open");
      const probes = Array.from({ length: permits + 1 }, start);
      expect(probes.map(({ admitted }) => admitted())).toEqual([...Array(permits).fill(true), false]);
      for (const probe of probes.slice(0, permits)) {
        probe.run(0).resolve("up");
        await clock.settle();
      }
    }
    expect(breaker.state).toBe("closed");
  });

  it("never has more probes than permits, whoever calls at once", async () => {
    const { start, halfOpen } = setUp({ halfOpenPermits: 8 });
    await halfOpen();
    const calls = Array.from({ length: 50 }, start);
    expect(calls.filter(({ admitted }) => admitted())).toHaveLength(1);
  });

  it("refuses at once instead of letting callers wait for the probe", async () => {
    const { clock, start, halfOpen } = setUp();
    await halfOpen();
    start();
    const other = start();
    await clock.settle();
    expect(other.call.error).toMatchObject({ code: "ERR_CIRCUIT_OPEN", retryAfterMs: 100, cause: failure });
  });

  it("gives a cancelled probe's permit to the next call", async () => {
    const { clock, breaker, guarded, start, halfOpen } = setUp({ halfOpenPermits: 2 });
    await halfOpen();
    await guarded.execute(succeed);
    const [first, second] = [start(), start()];
    first.controller.abort();
    await clock.settle();
    const third = start();
    expect([third.admitted(), start().admitted()]).toEqual([true, false]);
    expect(breaker.state).toBe("half-open");
    for (const { run } of [second, third]) run(0).resolve("up");
    await clock.settle();
    expect(breaker.state).toBe("closed");
  });

  it("starts with one probe again after it has opened again", async () => {
    const { clock, failOnce, guarded, start, halfOpen } = setUp({ halfOpenPermits: 4, openFactor: 1 });
    await halfOpen();
    await guarded.execute(succeed);
    await failOnce();
    await clock.advance(100);
    expect([start(), start()].map(({ admitted }) => admitted())).toEqual([true, false]);
  });

  it("takes an answer of overload for a failed probe", async () => {
    const { breaker, guarded, halfOpen } = setUp();
    await halfOpen();
    await guarded.execute(() => 429, { isOverload: (status) => status === 429 });
    expect(breaker.state).toBe("open");
  });
});

describe("circuitBreaker with a probe that hangs", () => {
  it("opens as of the moment the lease ended, so that a late caller need not wait another open time", async () => {
    const { clock, events, start, halfOpen } = setUp({ probeLeaseMs: 30, openFactor: 1 });
    await halfOpen();
    start();
    await clock.advance(60);
    const early = start();
    await clock.settle();
    expect(early.call.error).toMatchObject({ retryAfterMs: 70 });
    await clock.advance(70);
    start();
    await clock.advance(1000);
    expect(start().admitted()).toBe(true);
    const told = events.types.filter((type) => type.startsWith("circuit-breaker")).slice(-3);
    expect(told).toEqual(["circuit-breaker.half-opened", "circuit-breaker.opened", "circuit-breaker.half-opened"]);
  });

  it("takes the probe's own success for nothing once the lease has ended, although nobody else has called", async () => {
    const { clock, breaker, start, halfOpen } = setUp({ probeLeaseMs: 30 });
    await halfOpen();
    const hung = start();
    await clock.advance(30);
    hung.run(0).resolve("late");
    await clock.settle();
    expect(hung.call.value).toBe("late");
    expect(breaker.state).toBe("open");
  });

  it("does not close on a quick probe while an older one has hung past its lease", async () => {
    const { clock, breaker, guarded, start, halfOpen } = setUp({ probeLeaseMs: 30, halfOpenPermits: 2 });
    await halfOpen();
    await guarded.execute(succeed);
    start();
    await clock.advance(20);
    const quick = start();
    await clock.advance(10);
    quick.run(0).resolve("up");
    await clock.settle();
    expect(breaker.state).toBe("open");
  });

  it("does not wait longer for it when the clock is set back", async () => {
    const { clock, breaker, start, halfOpen } = setUp({ probeLeaseMs: 30 });
    await clock.advance(10_000);
    await halfOpen();
    start();
    clock.jump(-9_000);
    const refused = start();
    await clock.settle();
    expect(refused.call.error).toMatchObject({ retryAfterMs: 30 });
    await clock.advance(30);
    start();
    expect(breaker.state).toBe("open");
  });

  it("leases for the open time, or for the time from which its trip calls a call slow", async () => {
    const slowTrip = countWindow({ calls: 1, minCalls: 1, slowMs: 20, slowRatio: 1 });
    const leases = [
      [{}, 100],
      [{ trip: slowTrip }, 20],
      [{ trip: slowTrip, probeLeaseMs: 50 }, 20],
      [{ trip: slowTrip, probeLeaseMs: 5 }, 5],
    ] as const;
    for (const [options, leaseMs] of leases) {
      const { clock, breaker, start, halfOpen } = setUp(options);
      await halfOpen();
      const probe = start();
      await clock.advance(leaseMs - 1);
      start();
      expect(breaker.state).toBe("half-open");
      await clock.advance(1);
      start();
      expect(breaker.state).toBe("open");
      probe.run(0).resolve("late");
    }
  });
});

describe("circuitBreaker's open time", () => {
  it("is `openMs` at first and grows by its factor up to its maximum", async () => {
    expect(await openTimes({ openMs: 100, openFactor: 3, maxOpenMs: 1000 }, 4)).toEqual([100, 300, 900, 1000]);
  });

  it("doubles up to five minutes by default", async () => {
    const times = await openTimes({ openMs: 30_000 }, 6);
    expect(times).toEqual([30_000, 60_000, 120_000, 240_000, 300_000, 300_000]);
    expect(await openTimes({ openMs: 600_000 }, 2)).toEqual([600_000, 600_000]);
  });

  it("is shortened at random by up to its jitter, but for the first, the longest included", async () => {
    const options = { openMs: 100, openFactor: 10, maxOpenMs: 1000, openJitter: 0.5 };
    const times = await openTimes({ ...options, random: new SeededRandom(7) }, 4);
    const random = new SeededRandom(7);
    expect(times).toEqual([100, ...Array.from({ length: 3 }, () => 1000 * (1 - 0.5 * random.next()))]);
    expect(new Set(times).size).toBe(4);
  });

  it("goes on growing when the circuit closes for a moment, and starts anew after a healthy time", async () => {
    const { clock, events, guarded, failOnce, halfOpen } = setUp({ healthyMs: 500 });
    await halfOpen();
    await guarded.execute(succeed);
    await clock.advance(499);
    await failOnce();
    await clock.advance(200);
    await guarded.execute(succeed);
    await clock.advance(500);
    await failOnce();
    expect(events.of("circuit-breaker.opened").map(({ openMs }) => openMs)).toEqual([100, 200, 100]);
  });

  it("is at least what the dependency asks for, at most its maximum", async () => {
    const asked = async (retryAfterMs: unknown) => {
      const { events, guarded } = setUp({ maxOpenMs: 1000 });
      await rejectionOf(guarded.execute(() => Promise.reject(Object.assign(new Error("busy"), { retryAfterMs }))));
      return events.of("circuit-breaker.opened")[0]?.openMs;
    };
    expect(await Promise.all([700, 50, 5000, "700", -1].map(asked))).toEqual([700, 100, 1000, 100, 100]);
  });

  it("honours what a probe was told", async () => {
    const { events, guarded, halfOpen } = setUp({ maxOpenMs: 1000 });
    await halfOpen();
    const isOverload = (status: number) => status === 503;
    await guarded.execute(() => 503, { isOverload: isOverload as never, retryAfterMs: () => 900 });
    expect(events.of("circuit-breaker.opened").map(({ openMs }) => openMs)).toEqual([100, 900]);
  });

  it("does not stand still when a clock is set back", async () => {
    const { clock, breaker, guarded, failOnce } = setUp();
    await clock.advance(10_000);
    await failOnce();
    clock.jump(-9_000);
    expect(await rejectionOf(guarded.execute(succeed))).toMatchObject({ retryAfterMs: 100 });
    await clock.advance(100);
    expect(breaker.state).toBe("half-open");
  });
});
