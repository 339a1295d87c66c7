import { hedge, type HedgeOptions, pipeline, timeout } from "@headgate/core";
import { SeededRandom, TestClock } from "@headgate/core/testing";
import { describe, expect, it } from "vitest";
import { heldTimers } from "../test/support/leftovers.ts";
import { manualOperation, watch } from "../test/support/operations.ts";
import { LatencyQuantile, stepMs } from "./latency-quantile.ts";

function setUp(options: HedgeOptions = {}) {
  const clock = new TestClock();
  const policy = hedge({ budget: false, clock, ...options });
  const guarded = pipeline({ name: "calls", clock }, timeout({ timeoutMs: 5000, clock }), policy);
  const take = async (...latencies: readonly number[]) => {
    for (const ms of latencies) {
      const call = watch(guarded.execute(() => clock.sleep(ms)));
      await clock.advance(ms);
      expect(call.state).toBe("fulfilled");
    }
  };
  return { clock, policy, guarded, take };
}

const upTo = (count: number) => Array.from({ length: count }, (_, i) => i + 1);

describe("the delay of a hedge", () => {
  it("is not known before there are enough samples: nothing is hedged", async () => {
    const { clock, guarded, policy, take } = setUp({ minSamples: 5 });
    await take(5, 5, 5, 5);
    expect(policy.currentDelayMs).toBe(Number.POSITIVE_INFINITY);
    await take(400, 5);
    expect([policy.hedges, policy.currentDelayMs < 420]).toEqual([0, true]);
    const { operation, runs } = manualOperation();
    watch(guarded.execute(operation));
    await clock.advance(420);
    expect(runs).toHaveLength(2);
  });

  it("is the 95th percentile of recent latencies, within 5 %", async () => {
    const { policy, take, clock } = setUp({ minSamples: 100 });
    await take(...upTo(100));
    expect(policy.currentDelayMs).toBeGreaterThanOrEqual(95);
    expect(policy.currentDelayMs).toBeLessThan(95 * 1.05);
    expect(await heldTimers(clock)).toBe(0);
  });

  it("is never below a millisecond", async () => {
    const { policy, take } = setUp({ minSamples: 3 });
    await take(0, 0, 0.2);
    expect(policy.currentDelayMs).toBe(1);
  });

  it("forgets what is older than half a minute", async () => {
    const { policy, take, clock } = setUp({ minSamples: 3 });
    await take(100, 100, 100);
    await clock.advance(29_000);
    expect(policy.currentDelayMs).toBeLessThan(105);
    await clock.advance(1000);
    expect(policy.currentDelayMs).toBe(Number.POSITIVE_INFINITY);
  });

  it("does not learn from failures, nor from what its caller has left", async () => {
    const { policy, take, guarded, clock } = setUp({ minSamples: 3 });
    await take(50, 50, 50);
    const before = policy.currentDelayMs;
    for (let i = 0; i < 9; i++) watch(guarded.execute(() => Promise.reject(new Error("at once"))));
    await clock.settle();
    for (let i = 0; i < 9; i++) {
      const controller = new AbortController();
      watch(guarded.execute(() => clock.sleep(10), { signal: controller.signal }));
      controller.abort();
    }
    await clock.settle();
    expect(policy.currentDelayMs).toBe(before);
  });

  it("learns from losers that they took at least so long: it does not creep down by its own hedges", async () => {
    const clock = new TestClock();
    const policy = hedge({ budget: false, minSamples: 20, clock });
    const guarded = pipeline({ name: "calls", clock }, policy);
    const random = new SeededRandom(7);
    // The true percentile is 150 ms.
    const operation = () => clock.sleep(-50 * Math.log(1 - random.next()));
    for (let i = 0; i < 3000; i++) {
      watch(guarded.execute(operation));
      await clock.advance(10);
    }
    // Without the samples of the losers it is about 113 ms, and 7 calls of 100 are hedged.
    expect(policy.currentDelayMs).toBeGreaterThan(130);
    expect(policy.currentDelayMs).toBeLessThan(170);
    expect(policy.hedges / 3000).toBeGreaterThan(0.03);
    expect(policy.hedges / 3000).toBeLessThan(0.07);
  });

  it("learns from timeouts that they took at least so long", async () => {
    const { policy, take, guarded, clock } = setUp({ minSamples: 3 });
    await take(50, 50);
    const { operation } = manualOperation();
    watch(guarded.execute(operation));
    await clock.advance(5000);
    expect(policy.currentDelayMs).toBeGreaterThanOrEqual(5000);
  });
});

describe("LatencyQuantile", () => {
  it("leaves out what was cut short below the quantile, and counts it above", () => {
    const quantile = new LatencyQuantile(0.5, 1);
    for (const ms of [10, 20, 30]) quantile.record(ms, 0);
    quantile.recordAtLeast(5, 0);
    expect(quantile.samples).toBe(3);
    quantile.recordAtLeast(500, 0);
    quantile.recordAtLeast(500, 0);
    expect(quantile.samples).toBe(5);
    expect(stepMs(quantile.stepAt(0))).toBeGreaterThanOrEqual(30);
    expect(stepMs(quantile.stepAt(0))).toBeLessThan(31.5);
  });

  it("knows nothing where attempts take longer than it can tell", () => {
    const quantile = new LatencyQuantile(0.5, 1);
    quantile.record(1e9, 0);
    expect(stepMs(quantile.stepAt(0))).toBe(Number.POSITIVE_INFINITY);
  });
});
