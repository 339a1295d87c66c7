import { describe, expect, it } from "vitest";
import { KneeBaseline } from "./knee-baseline.ts";
import type { LimitWindow } from "./limit-window.ts";

interface Shown {
  readonly uncertainty?: number;
  readonly count?: number;
  readonly peak?: number;
  readonly full?: number;
}

/** A window from 5000 on. */
function windowOf(meanMs: number, { uncertainty = 0, count = 20, peak = 10, full = 0 }: Shown = {}): LimitWindow {
  return { meanMs, uncertainty, count, peak, full, startMs: 5000 } as LimitWindow;
}

/** After a window of a second, with room below the limit. */
function follow(baseline: KneeBaseline, meanMs: number, shown: Shown & { calm?: boolean; lengthMs?: number } = {}) {
  const { calm = true, lengthMs = 1000 } = shown;
  baseline.follow(windowOf(meanMs, shown), 5000 + lengthMs, 100, calm);
  return baseline.ms;
}

/** One of 100 ms for which the first windows are over. */
function settled(): KneeBaseline {
  const baseline = new KneeBaseline();
  baseline.rises(windowOf(100), 6000);
  for (let i = 0; i < 20; i++) follow(baseline, 100, { lengthMs: 0 });
  return baseline;
}

describe("KneeBaseline in the beginning", () => {
  it("is what the first window shows, and is told as no rise", () => {
    const baseline = new KneeBaseline();
    expect([baseline.ms, baseline.unloadedMs, baseline.isAlone]).toEqual([0, 0, true]);
    expect(baseline.rises(windowOf(50), 6000)).toBe(false);
    expect(baseline.ms).toBe(50);
  });

  it("rises as long as more and more attempts end, and each has taken longer", () => {
    const baseline = new KneeBaseline();
    const rises = (count: number, meanMs: number, peak: number) => [
      baseline.rises(windowOf(meanMs, { count, peak }), 6000),
      baseline.ms,
    ];
    rises(10, 50, 10);
    expect(rises(20, 100, 20)).toEqual([true, 100]);
    expect(rises(40, 150, 40)).toEqual([true, 150]);
    expect(rises(40, 200, 40)).toEqual([false, 150]);
    expect(rises(400, 300, 400)).toEqual([false, 150]);
  });

  it.each([
    ["a tenth more is too little", 1100, 100, 10, false],
    ["a little more than that is enough", 1101, 100, 10, true],
    ["the square of it must be more than what more of them ran", 2000, 100, 40, false],
    ["or a little less of them", 2000, 100, 39, true],
    ["as fast is not slower", 2000, 50, 20, false],
  ])("%s", (_what, count, meanMs, peak, expected) => {
    const baseline = new KneeBaseline();
    baseline.rises(windowOf(50, { count: 1000, peak: 10 }), 6000);
    expect(baseline.rises(windowOf(meanMs, { count, peak }), 6000)).toBe(expected);
    expect(baseline.ms).toBe(expected ? meanMs : 50);
  });

  it("rises by how many end in a time, not by how many end", () => {
    const baseline = new KneeBaseline();
    baseline.rises(windowOf(50), 6000);
    expect(baseline.rises(windowOf(100), 5500)).toBe(true);
  });

  it("rises only by more than half of what it is not sure of", () => {
    for (const [meanMs, expected] of [
      [62.5, false],
      [63, true],
    ] as const) {
      const baseline = new KneeBaseline();
      baseline.rises(windowOf(50, { count: 10 }), 6000);
      expect(baseline.rises(windowOf(meanMs, { count: 20, uncertainty: 0.5 }), 6000)).toBe(expected);
    }
  });

  it("is the mean of all attempts of twenty windows, and then follows slowly", () => {
    const baseline = new KneeBaseline();
    baseline.rises(windowOf(70), 6000);
    expect(follow(baseline, 100, { count: 10 })).toBe(100);
    expect(follow(baseline, 200, { count: 30 })).toBe(175);
    for (let i = 0; i < 17; i++) follow(baseline, 175, { count: 1 });
    expect(follow(baseline, 194, { count: 3 })).toBeCloseTo(175 + 19 / 20, 9);
    expect(baseline.isAlone).toBe(true);
    const next = settled();
    expect(follow(next, 200)).toBeCloseTo(103, 9);
  });

  it("does not take a window in which calls were refused for one of those", () => {
    const baseline = new KneeBaseline();
    baseline.rises(windowOf(100), 6000);
    expect(follow(baseline, 200, { full: 1 })).toBeCloseTo(103, 9);
  });

  it("is taken for one of ten windows when it was learnt before, and rises no more at once", () => {
    const baseline = new KneeBaseline();
    baseline.restore(100);
    expect(baseline.rises(windowOf(200, { count: 1e6 }), 6000)).toBe(false);
    expect(follow(baseline, 210)).toBeCloseTo(110, 9);
    for (let i = 0; i < 9; i++) follow(baseline, 110);
    expect(follow(baseline, 210)).toBeCloseTo(113, 9);
  });
});

describe("KneeBaseline in calm", () => {
  it("goes half of the way down when it is surely lower", () => {
    expect(follow(settled(), 24, { uncertainty: 0.25 })).toBeCloseTo(62, 9);
    expect(follow(settled(), 25, { uncertainty: 0.25 })).toBeCloseTo(97.75, 9);
    expect(follow(settled(), 80, { peak: 90 })).toBeCloseTo(90, 9);
  });

  it("does not follow where there is little room below the limit, and hardly while it is slow", () => {
    expect(follow(settled(), 200, { peak: 61 })).toBe(100);
    expect(follow(settled(), 200, { peak: 60 })).toBeCloseTo(103, 9);
    expect(follow(settled(), 200, { calm: false })).toBeCloseTo(100.3, 9);
  });

  it("does not follow until it has been calm for a hundred windows since the limit was binding", () => {
    const baseline = settled();
    baseline.sink(windowOf(200));
    for (let i = 0; i < 99; i++) follow(baseline, 200);
    expect([baseline.ms, baseline.isAlone]).toEqual([100, false]);
    expect(follow(baseline, 200)).toBeCloseTo(103, 9);
    expect(baseline.isAlone).toBe(true);
  });

  it("is no longer a first one when the limit has been binding", () => {
    const baseline = new KneeBaseline();
    baseline.rises(windowOf(100), 6000);
    baseline.sink(windowOf(200));
    expect(follow(baseline, 200)).toBe(100);
  });
});

describe("KneeBaseline while the limit binds", () => {
  it("sinks half of the way, as a ratio, when attempts are surely faster", () => {
    const baseline = settled();
    baseline.sink(windowOf(25, { uncertainty: 0.25 }));
    expect(baseline.ms).toBe(100);
    baseline.sink(windowOf(20, { uncertainty: 0.25 }));
    expect(baseline.ms).toBe(50);
    baseline.sink(windowOf(50));
    expect(baseline.ms).toBe(50);
  });

  it("takes over what a descent has found", () => {
    const baseline = settled();
    baseline.foundLower(windowOf(25));
    baseline.found(80);
    expect([baseline.ms, baseline.unloadedMs]).toEqual([80, 80]);
  });

  it("notes half of the way that fewer at once are faster, and forgets it slowly in calm", () => {
    const baseline = settled();
    baseline.foundLower(windowOf(20, { uncertainty: 0.25 }));
    expect([baseline.ms, baseline.unloadedMs]).toEqual([100, 50]);
    follow(baseline, 100);
    expect(baseline.unloadedMs).toBeCloseTo(50.5, 9);
  });

  it("believes that it is higher once, of a baseline that was seen in calm for less than five seconds", () => {
    const baseline = settled();
    follow(baseline, 100, { lengthMs: 4999 });
    expect(baseline.foundHigher(windowOf(150))).toBe(true);
    expect([baseline.ms, baseline.unloadedMs]).toEqual([150, 150]);
    expect(baseline.foundHigher(windowOf(200))).toBe(false);
    expect([baseline.ms, baseline.unloadedMs]).toEqual([150, 150]);
  });

  it("believes of a known one only that nothing was waiting", () => {
    const baseline = settled();
    follow(baseline, 100, { lengthMs: 5000 });
    baseline.foundLower(windowOf(25));
    expect(baseline.foundHigher(windowOf(80))).toBe(false);
    expect(baseline.ms).toBe(100);
    expect(baseline.unloadedMs).toBeCloseTo(80, 9);
  });
});
