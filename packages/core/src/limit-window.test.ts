import { describe, expect, it } from "vitest";
import { LimitWindow } from "./limit-window.ts";

/** Takes in attempts that took so long, which all end at this time. */
function add(window: LimitWindow, latenciesMs: readonly number[], endMs = 1000): LimitWindow {
  for (const latencyMs of latenciesMs)
    window.add({ startMs: endMs - latencyMs, endMs, inFlight: 1, outcome: "success" });
  return window;
}

const equal = (count: number, latencyMs = 10) => Array.from({ length: count }, () => latencyMs);

describe("LimitWindow", () => {
  it("knows how long attempts took, and how sure that is", () => {
    const window = add(new LimitWindow(), [10, 20, 30]);
    expect(window).toMatchObject({ startMs: 1000, count: 3, sumMs: 60, meanMs: 20 });
    // The variance is a sixth of the squared mean.
    expect(window.uncertainty).toBeCloseTo(Math.sqrt(1 / 6 / 2), 12);
  });

  it("is not sure at all of fewer than two", () => {
    expect(new LimitWindow().uncertainty).toBe(Number.POSITIVE_INFINITY);
    expect(add(new LimitWindow(), [10]).uncertainty).toBe(Number.POSITIVE_INFINITY);
    expect(add(new LimitWindow(), [10, 10]).uncertainty).toBe(0);
  });

  it("is no surer than the spread over many windows lets it be, each by its attempts up to a tenth", () => {
    const window = add(new LimitWindow(), [10, 20, 30]);
    const variabilityAfter = (latenciesMs: readonly number[]) => {
      add(window, latenciesMs);
      window.reset(1000);
      // Of two attempts that took the same the uncertainty is the variability.
      return add(window, equal(2)).uncertainty ** 2;
    };
    const few = 0.003 / 6;
    expect(variabilityAfter([])).toBeCloseTo(few, 12);
    window.reset(1000);
    const after = few * (1 - 0.002);
    // A window of one says nothing about the spread.
    expect(variabilityAfter([10])).toBeCloseTo(after, 12);
    window.reset(1000);
    expect(variabilityAfter(equal(500))).toBeCloseTo(after * (1 - 0.002) * 0.9, 12);
  });

  it("takes work that took no time for very short", () => {
    expect(add(new LimitWindow(), [0, -5]).sumMs).toBe(0.2);
  });

  it("counts what was dropped apart, and no failure", () => {
    const window = add(new LimitWindow(), [10, 10, 10]);
    expect(window.droppedShare).toBe(0);
    for (const outcome of ["dropped", "failure"] as const)
      window.add({ startMs: 0, endMs: 1000, inFlight: 1, outcome });
    expect(window).toMatchObject({ count: 3, dropped: 1, droppedShare: 0.25, sumMs: 30 });
    expect(new LimitWindow().droppedShare).toBe(0);
  });

  it("knows the share of calls that found no permit, and the most that was running", () => {
    const window = new LimitWindow();
    expect(window.fullShare).toBe(0);
    for (const inFlight of [3, 7, 5]) window.addFull(500, inFlight);
    expect(window).toMatchObject({ startMs: 500, full: 3, peak: 7 });
    window.add({ startMs: 490, endMs: 500, inFlight: 9, outcome: "success" });
    window.add({ startMs: 490, endMs: 500, inFlight: 8, outcome: "dropped" });
    expect(window).toMatchObject({ startMs: 500, peak: 9, fullShare: 3 / 5 });
  });

  it("begins anew when told, and when the clock was set back", () => {
    const window = add(new LimitWindow(), [10, 20], 1000);
    window.addFull(1000, 5);
    window.reset(1500);
    expect(window).toMatchObject({ startMs: 1500, count: 0, sumMs: 0, dropped: 0, peak: 0, full: 0 });
    add(window, [10], 1400);
    expect(window).toMatchObject({ startMs: 1400, count: 1 });
    window.addFull(1300, 5);
    expect(window).toMatchObject({ startMs: 1300, count: 0, full: 1 });
  });
});
