import {
  adaptiveLimit,
  type AdaptiveLimitSnapshot,
  aimdLimit,
  fixedLimit,
  gradientLimit,
  kneeLimit,
  type Limit,
  pipeline,
  vegasLimit,
} from "@headgate/core";
import { TestClock } from "@headgate/core/testing";
import { describe, expect, it } from "vitest";
import { heldTimers } from "../test/support/leftovers.ts";
import { itRefuses } from "../test/support/options.ts";

/** Attempts of 50 ms, `running` at once and as many more that find no permit now and then, for so long. */
function feed(limit: Limit, seconds: number, running: number, fromMs = 0, latencyMs = 50): void {
  for (let nowMs = fromMs; nowMs < fromMs + seconds * 1000; nowMs += 10) {
    if (running > limit.limit) limit.full?.(nowMs, limit.limit);
    const inFlight = Math.max(1, Math.min(running, Math.floor(limit.limit)));
    for (const late of [0, 5])
      limit.observe({ startMs: nowMs + late - latencyMs, endMs: nowMs + late, inFlight, outcome: "success" });
  }
}

const throughJson = (snapshot: AdaptiveLimitSnapshot) => JSON.parse(JSON.stringify(snapshot)) as AdaptiveLimitSnapshot;

describe("adaptiveLimit: snapshot and restore", () => {
  it.each<[string, () => Limit, boolean]>([
    ["knee", () => kneeLimit(), true],
    ["vegas", () => vegasLimit(), true],
    ["gradient", () => gradientLimit(), true],
    ["aimd", () => aimdLimit(), false],
  ])("hands on what %s has learnt", (kind, make, hasBaseline) => {
    const before = adaptiveLimit({ limit: make() });
    expect(before.snapshot()).toEqual({ version: 1, kind, limit: 20, baselineMs: null });
    feed(before.algorithm, 30, 60);
    const saved = throughJson(before.snapshot());
    expect(saved.limit).toBeGreaterThan(40);
    if (hasBaseline) expect(saved.baselineMs).toBeCloseTo(50);
    else expect(saved.baselineMs).toBeNull();
    const after = adaptiveLimit({ limit: make() });
    after.restore(saved);
    expect(Math.abs(after.maxConcurrent - saved.limit)).toBeLessThan(1);
    expect(after.snapshot()).toEqual(saved);
  });

  it("keeps to the bounds that it has itself", () => {
    const restored = (limit: Limit, learnt: number) => {
      const restoring = adaptiveLimit({ limit });
      restoring.restore({ version: 1, kind: limit.kind, limit: learnt, baselineMs: 50 });
      return restoring.maxConcurrent;
    };
    expect(restored(kneeLimit({ maxLimit: 30 }), 500)).toBe(30);
    expect(restored(kneeLimit(), 0.02)).toBe(1);
    expect(restored(vegasLimit({ maxLimit: 30 }), 500)).toBe(30);
    expect(restored(gradientLimit({ minLimit: 10 }), 2)).toBe(10);
    expect(restored(aimdLimit({ maxLimit: 30 }), 500)).toBe(30);
    expect(restored(aimdLimit({ minLimit: 5 }), 0)).toBe(5);
  });

  it("takes what is slow for slow from the first windows on, where a new one takes it for usual", () => {
    const overloaded = (limit: Limit) => {
      feed(limit, 1.7, 200, 0, 400);
      return limit.limit;
    };
    const restored = adaptiveLimit();
    restored.restore({ version: 1, kind: "knee", limit: 40, baselineMs: 50 });
    expect(overloaded(restored.algorithm)).toBeLessThan(36);
    expect(overloaded(kneeLimit())).toBeGreaterThan(40);
  });

  it("forgets what it was just measuring", () => {
    const limit = adaptiveLimit();
    const fresh = adaptiveLimit();
    const saved: AdaptiveLimitSnapshot = { version: 1, kind: "knee", limit: 40, baselineMs: 50 };
    feed(limit.algorithm, 7, 300, 0, 900);
    for (const each of [limit, fresh]) {
      each.restore(saved);
      feed(each.algorithm, 30, 60, 8000);
    }
    expect(limit.snapshot()).toEqual(fresh.snapshot());
  });

  it("is as one that is new after the snapshot of a new one", () => {
    const restored = adaptiveLimit();
    restored.restore(adaptiveLimit().snapshot());
    const fresh = adaptiveLimit();
    for (const { algorithm } of [restored, fresh]) feed(algorithm, 10, 100);
    expect(restored.snapshot()).toEqual(fresh.snapshot());
  });

  it("lets those who wait go on when there is more room after it", async () => {
    const clock = new TestClock();
    const limit = adaptiveLimit({ limit: aimdLimit({ initialLimit: 1 }), maxQueue: 9, clock });
    const held = await limit.acquire();
    const guarded = pipeline({ name: "calls", clock }, limit);
    const waits = guarded.execute(() => "served");
    expect([limit.inUse, limit.queued]).toEqual([1, 1]);
    limit.restore({ version: 1, kind: "aimd", limit: 2, baselineMs: null });
    expect(await waits).toBe("served");
    held.release();
    expect(limit.inUse).toBe(0);
    expect(await heldTimers(clock)).toBe(0);
  });

  it("saves the limit of an algorithm of one's own that says no more", () => {
    const own: Limit = { kind: "own", limit: 7.5, observe() {} };
    expect(adaptiveLimit({ limit: own }).snapshot()).toEqual({ version: 1, kind: "own", limit: 7.5, baselineMs: null });
  });

  it("is left as it was by what it refuses", () => {
    const limit = adaptiveLimit();
    const saved = limit.snapshot();
    expect(() => limit.restore({ ...saved, limit: 40, baselineMs: -1 })).toThrow("adaptiveLimit.restore.baselineMs");
    expect([limit.maxConcurrent, limit.snapshot()]).toEqual([20, saved]);
  });

  const saved: AdaptiveLimitSnapshot = { version: 1, kind: "knee", limit: 40, baselineMs: 50 };
  const restore = (snapshot: unknown, limit: Limit = kneeLimit()) =>
    adaptiveLimit({ limit }).restore(snapshot as AdaptiveLimitSnapshot);
  itRefuses(
    [() => restore("40"), '`adaptiveLimit.restore` must be a snapshot of an adaptive limit, got "40"'],
    [() => restore(null), "`adaptiveLimit.restore` must be a snapshot of an adaptive limit, got null"],
    [() => restore({}), "`adaptiveLimit.restore.version` must be 1, the only one there is, got undefined"],
    [
      () => restore({ ...saved, version: 2 }),
      "`adaptiveLimit.restore.version` must be 1, the only one there is, got 2",
    ],
    [() => restore(saved, vegasLimit()), '`adaptiveLimit.restore.kind` must be "vegas", as the algorithm, got "knee"'],
    [
      () => restore({ ...saved, kind: "fixed" }, fixedLimit({ limit: 3 })),
      '`adaptiveLimit.restore` must be left alone with an algorithm that takes over nothing, got "fixed"',
    ],
    [
      () => restore({ ...saved, limit: Number.NaN }),
      "`adaptiveLimit.restore.limit` must be a number of at least 0 and at most 9007199254740991, got NaN",
    ],
    [
      () => restore({ ...saved, baselineMs: 0 }),
      "`adaptiveLimit.restore.baselineMs` must be a number above 0 and at most 9007199254740991, got 0",
    ],
  );
});
