// What the knee does after each window. `knee-limit.test.ts` shows where these steps lead.
import { describe, expect, it } from "vitest";
import { learnt } from "../test/support/knee-windows.ts";

/** Two calls of 27 find no permit: the limit binds. */
const binding = { full: 2 };

describe("kneeLimit while it does not bind", () => {
  it.each([
    ["shrinks for want of use", 40, { inFlight: 10 }, 39.2],
    ["leaves a third in use alone", 42, { inFlight: 14 }, 42],
    ["leaves what it began with alone", 20, { inFlight: 1 }, 20],
    ["does not grow to that for want of use", 10, { inFlight: 1 }, 10],
    ["shrinks to that and no further", 20.2, { inFlight: 1 }, 20],
    ["grows by a tenth while half of it is in use", 40, { inFlight: 21 }, 44],
    ["grows by no more where more is in use", 40, { inFlight: 30 }, 44],
    ["grows by one at least", 5, { inFlight: 3 }, 6],
    ["leaves exactly half in use alone", 42, { inFlight: 21 }, 42],
    ["grows when a single call was refused", 40, { inFlight: 20, full: 1 }, 44],
    ["does not grow while it is slow", 40, { inFlight: 21, latencyMs: 110 }, 40],
    ["grows while it is hardly slower than it was", 40, { inFlight: 21, latencyMs: 103 }, 44],
  ] as const)("%s", (_what, limit, window, expected) => {
    expect(learnt(limit).window(window)).toBeCloseTo(expected, 9);
  });

  it("takes as much room as twice what runs at once in its first window", () => {
    const { window } = learnt(20, null);
    expect([window({ inFlight: 60 }), window({ inFlight: 60 }), window({ inFlight: 61 })]).toEqual([120, 120, 132]);
  });

  it("holds back after eight windows that were slow, with half as much again as is in use as room", () => {
    const slow = { latencyMs: 200, inFlight: 20 };
    const { windows, window } = learnt(40);
    expect(windows(7, slow)).toEqual(Array.from({ length: 7 }, () => 40));
    expect(window(slow)).toBeCloseTo(38.8, 9);
    const used = learnt(40);
    expect(used.windows(8, { ...slow, inFlight: 26 })[7]).toBeCloseTo(39, 9);
  });

  it("counts a window that is not slow twice against those", () => {
    const slow = { latencyMs: 300, inFlight: 20 };
    const { windows, window } = learnt(40);
    windows(7, slow);
    window({ inFlight: 20 });
    expect(windows(2, slow)).toEqual([40, 40]);
    expect(window(slow)).toBeCloseTo(38.8, 9);
  });

  it("follows the latency of calm windows", () => {
    const { window, baseline } = learnt(40);
    window({ latencyMs: 103, inFlight: 20 });
    expect(baseline()).toBeCloseTo(100 + (3 * 25) / 225, 9);
  });
});

describe("kneeLimit while it binds", () => {
  it("goes some of the way up at once, by a part of one call in any case", () => {
    const way = Math.log(1.05);
    const share = 100 * Math.exp(0.4 * way);
    const margin = 0.5 / Math.sqrt(share);
    expect(learnt(100).window({ ...binding, inFlight: 100 })).toBeCloseTo(share + (0.4 * way) / margin, 9);
  });

  it("goes down with the second window that is slow, no further than by seven tenths as a logarithm", () => {
    for (const [latencyMs, way] of [
      [150, Math.log(105 / 150)],
      [1000, -0.7],
    ] as const) {
      const { windows } = learnt(100);
      const slow = { ...binding, latencyMs, inFlight: 100 };
      const [first, second] = windows(2, slow);
      expect(first).toBe(100);
      expect(second).toBeCloseTo(100 * Math.exp(0.4 * way), 9);
    }
  });

  it("binds when more than one call of twenty finds no permit", () => {
    const { window } = learnt(40);
    expect(window({ inFlight: 20, count: 38, full: 2 })).toBeCloseTo(44, 9);
    expect(learnt(40).window({ inFlight: 20, count: 37, full: 2 })).not.toBeCloseTo(44, 3);
  });

  it("binds with the first call that finds none when it was slow for long", () => {
    const slow = { latencyMs: 200, inFlight: 20 };
    const { windows, window } = learnt(40);
    windows(7, slow);
    expect(window({ ...slow, full: 1 })).toBe(40);
  });

  it("comes back fast to what it could do when it is quick again", () => {
    const { knee, window, windows, end } = learnt(100);
    window({ count: 500, inFlight: 50 });
    expect(windows(4, { ...binding, latencyMs: 1000, inFlight: 50 })[3]).toBeLessThan(45);
    const sunk = knee.learnt?.().limit as number;
    for (let i = 0; i < 16; i++) end(100, 30, "success");
    expect(knee.learnt?.().limit).toBe(sunk);
    end(0, 30, "success");
    expect(knee.learnt?.().limit).toBe(sunk + 1);
  });

  it("grows by half in search of the knee, until it is slow", () => {
    const { window } = learnt(40);
    window({ inFlight: 14 });
    expect([window(binding), window(binding)]).toEqual([60, 90]);
    // The first slow window ends the search, and the second is followed.
    expect(window({ ...binding, latencyMs: 120 })).toBeLessThan(90);
    const after = window({ ...binding, latencyMs: 100 });
    expect(after).toBeLessThan(95);
  });

  it("lets fewer through now and then, to see whether each is faster", () => {
    const { knee, windows, window } = learnt(100);
    const steady = { ...binding, latencyMs: 105, inFlight: 100 };
    // Five seconds of calm, and the end of the search.
    windows(10, { inFlight: 40 });
    window({ ...steady, latencyMs: 106 });
    windows(3, steady);
    expect(knee.limit).toBe(100);
    window(steady);
    expect(knee.limit).toBe(70);
    window(steady);
    expect(knee.limit).toBe(70);
    window(steady);
    expect(knee.limit).toBe(100);
    // Nothing was found: the next one is made after twenty windows.
    windows(19, steady);
    expect(knee.limit).toBe(100);
    window(steady);
    expect(knee.limit).toBe(70);
  });

  it("takes a probe that is faster for less waiting, and makes the next one soon", () => {
    const { knee, windows } = learnt(100);
    const steady = { ...binding, latencyMs: 105, inFlight: 100 };
    windows(5, steady);
    // The first still sees what began before it.
    windows(1, { latencyMs: 105, inFlight: 70 });
    windows(1, { latencyMs: 64, inFlight: 70 });
    const before = knee.learnt?.().limit as number;
    windows(4, steady);
    expect(knee.limit).toBeGreaterThan(before * 0.75);
    windows(1, steady);
    expect(knee.limit).toBeLessThan(before * 0.7);
  });

  it("takes a probe that is no faster for a baseline that was too low, once, and searches on", () => {
    const { windows, window, baseline } = learnt(100);
    const slow = { ...binding, latencyMs: 103, inFlight: 100 };
    windows(5, slow);
    windows(2, { latencyMs: 103, inFlight: 70 });
    expect(baseline()).toBeCloseTo(103, 9);
    const before = window({ ...binding, latencyMs: 103 });
    expect(window({ ...binding, latencyMs: 103 })).toBeCloseTo(before * 1.5, 9);
  });
});

describe("kneeLimit that lets fewer through to see", () => {
  /** After the windows before a probe, of this latency, and its own two. */
  function probed(beforeMs: number, probeMs: number) {
    const one = learnt(100);
    one.windows(5, { ...binding, latencyMs: beforeMs, inFlight: 100 });
    one.windows(2, { latencyMs: probeMs, inFlight: 70 });
    return one;
  }

  it("leaves the baseline alone when each is faster in proportion", () => {
    expect(probed(135, 105).baseline()).toBe(100);
    expect(probed(120, 105).baseline()).toBeCloseTo(105, 9);
  });

  it("has found nothing when each takes as long as the baseline", () => {
    const { knee, windows, window } = probed(105, 100);
    const before = knee.learnt?.().limit as number;
    expect(window({ ...binding, inFlight: 100 })).toBeLessThan(1.1 * before);
    windows(4, { ...binding, latencyMs: 105, inFlight: 100 });
    expect(knee.limit).toBeGreaterThan(0.9 * before);
  });

  it("does not do so while it sinks fast", () => {
    for (const [latencyMs, probes] of [
      [148, true],
      [152, false],
    ] as const) {
      const { knee, windows, window } = learnt(100);
      windows(4, { ...binding, latencyMs, inFlight: 100 });
      const exact = window({ ...binding, latencyMs, inFlight: 100 });
      expect(knee.limit < 0.8 * exact).toBe(probes);
    }
  });
});

describe("kneeLimit when attempts are dropped", () => {
  it.each([
    [3, 30, 40 * 0.8],
    [5, 25, 40 * 0.6],
    [10, 25, 40 * 0.5],
  ])("shrinks by twice the share of those, to a half at most: %d of %d", (dropped, count, expected) => {
    // Those that succeed are too slow to bring it back.
    expect(learnt(40).window({ dropped, count, latencyMs: 600 })).toBeCloseTo(expected, 9);
  });

  it("takes no notice of less than a tenth", () => {
    expect(learnt(40).window({ dropped: 2, inFlight: 20 })).toBe(40);
  });

  it("comes back by one with each that is quick again", () => {
    const { knee, window, end, now } = learnt(40);
    window({ dropped: 5, latencyMs: 600 });
    expect(knee.learnt?.().limit).toBeCloseTo(24, 9);
    knee.observe({ startMs: now(), endMs: now() + 100, inFlight: 10, outcome: "success" });
    expect([knee.learnt?.().limit, knee.limit]).toEqual([25, 25]);
    end(1, 10, "failure");
    expect(knee.limit).toBe(25);
  });

  it("pauses after each attempt below a limit of one, for as long as makes it that", () => {
    const { knee, window, now } = learnt(1);
    window({ count: 20, dropped: 20 });
    expect([knee.learnt?.().limit, knee.limit]).toEqual([0.5, 0]);
    knee.full?.(now() + 99, 0);
    expect(knee.limit).toBe(0);
    knee.full?.(now() + 100, 0);
    expect(knee.limit).toBe(1);
  });

  it("pauses for ten seconds at most", () => {
    const { knee, window, end, now } = learnt(1);
    for (let i = 0; i < 8; i++) window({ count: 20, dropped: 20 });
    expect(knee.learnt?.().limit).toBe(0.02);
    end(1000, 1, "failure");
    knee.full?.(now() + 9999, 0);
    expect(knee.limit).toBe(0);
    knee.full?.(now() + 10_000, 0);
    expect(knee.limit).toBe(1);
  });

  it("searches for the knee anew when most were dropped", () => {
    for (const [dropped, factor] of [
      [15, 1.5],
      [10, 1],
    ] as const) {
      const { window } = learnt(400);
      expect(window({ count: 20, dropped, latencyMs: 600, inFlight: 100 })).toBe(200);
      const next = window({ full: 3, count: 25, latencyMs: 99, inFlight: 100 });
      if (factor === 1.5) expect(next).toBeGreaterThan(300);
      else expect(next).toBeLessThan(300);
    }
  });
});
