import { describe, expect, it } from "vitest";
import { ShedThreshold } from "./load-shed-threshold.ts";

/** As many calls of each rank as told. */
function noted(counts: readonly number[], maxRatio = 1): ShedThreshold {
  const threshold = new ShedThreshold(counts.length, maxRatio);
  counts.forEach((count, rank) => {
    for (let i = 0; i < count; i++) threshold.note(rank, 1);
  });
  return threshold;
}

/** As many intervals of full overload as it takes to shed this share. */
function pressTo(threshold: ShedThreshold, ratio: number): void {
  for (let i = 0; i < 100 && threshold.ratio < ratio; i++) threshold.step(1, 1);
}

/** The share of each rank that is shed. */
function shares(threshold: ShedThreshold, ranks: number): number[] {
  return Array.from({ length: ranks }, (_, rank) => {
    const chances = Array.from({ length: 1000 }, (_, i) => i / 1000);
    return chances.filter((chance) => threshold.sheds(rank, chance)).length / 1000;
  });
}

describe("ShedThreshold", () => {
  it("adds overload up, and stops at the largest share", () => {
    const threshold = noted([1], 0.9);
    const ratios = Array.from({ length: 40 }, () => {
      threshold.step(1, 1);
      return threshold.ratio;
    });
    expect(ratios.slice(0, 3).map((ratio) => ratio.toFixed(2))).toEqual(["0.00", "0.26", "0.29"]);
    expect(ratios.every((ratio, i) => ratio >= (ratios[i - 1] ?? 0))).toBe(true);
    expect(ratios.at(-1)).toBe(0.9);
  });

  it("does not begin for a single reading, however bad", () => {
    const threshold = noted([1]);
    threshold.step(1, 1);
    threshold.step(-1, 1);
    threshold.step(1, 1);
    expect(threshold.ratio).toBe(0);
  });

  it("counts a pause as room for its whole length, and overload after it as one reading", () => {
    const threshold = noted([1]);
    pressTo(threshold, 0.8);
    threshold.step(-1, 10);
    expect(threshold.ratio).toBeCloseTo(0.33, 1);
    threshold.step(-1, 1000);
    expect(threshold.ratio).toBe(0);
    threshold.step(1, 1000);
    expect(threshold.ratio).toBe(0);
  });

  it("ends also when the signals stay exactly where overload begins", () => {
    const threshold = noted([1]);
    pressTo(threshold, 0.5);
    for (let i = 0; i < 100; i++) threshold.step(0, 1);
    expect(threshold.ratio).toBe(0);
  });

  it("goes on below the share with which it began", () => {
    const threshold = noted([1]);
    for (let i = 0; i < 7; i++) threshold.step(0.2, 1);
    const began = threshold.ratio;
    expect(began).toBeGreaterThanOrEqual(0.05);
    threshold.step(0, 1);
    expect(threshold.ratio).toBeGreaterThan(0.02);
    expect(threshold.ratio).toBeLessThan(0.05);
  });

  it("sheds the lowest ranks, the one at the threshold in part", () => {
    const threshold = noted([300, 300, 400]);
    pressTo(threshold, 0.4);
    const { ratio } = threshold;
    expect(ratio).toBeLessThan(0.5);
    const [lowest, middle, highest] = shares(threshold, 3);
    expect([lowest, highest]).toEqual([1, 0]);
    expect(middle).toBeCloseTo((ratio - 0.3) / 0.3, 2);
  });

  it("sheds nobody while there is no overload", () => {
    expect(shares(noted([5, 5]), 2)).toEqual([0, 0]);
  });

  it("follows the mix within an interval", () => {
    const threshold = noted([0, 100]);
    pressTo(threshold, 0.4);
    expect(threshold.sheds(1, 0)).toBe(true);
    for (let i = 0; i < 900; i++) threshold.note(0, 1);
    expect(shares(threshold, 2)[1]).toBe(0);
  });

  it("forgets the mix of long ago, but never all of it", () => {
    const threshold = noted([1000, 0]);
    for (let i = 0; i < 200; i++) {
      threshold.step(0.3, 1);
      for (let j = 0; j < 10; j++) threshold.note(1, 1);
    }
    // Nothing of rank 0 is left, so that rank 1 alone bears the share.
    expect(shares(threshold, 2)[1]).toBeCloseTo(threshold.ratio, 1);
    const quiet = noted([50, 50]);
    pressTo(quiet, 0.5);
    for (let i = 0; i < 1000; i++) quiet.step(0.01, 1);
    const [lower, upper] = shares(quiet, 2);
    expect(lower).toBe(1);
    expect(upper).toBeCloseTo((quiet.ratio - 0.5) / 0.5, 2);
  });

  it.each([1e-6, 1e12])("forgets alike when all calls weigh %d", (weight) => {
    const threshold = new ShedThreshold(2, 1);
    for (let i = 0; i < 1000; i++) threshold.note(0, weight);
    for (let i = 0; i < 200; i++) {
      threshold.step(0.3, 1);
      for (let j = 0; j < 10; j++) threshold.note(1, weight);
    }
    expect(shares(threshold, 2)[1]).toBeCloseTo(threshold.ratio, 1);
  });

  it("weighs calls", () => {
    const threshold = new ShedThreshold(2, 1);
    threshold.note(0, 60);
    for (let i = 0; i < 40; i++) threshold.note(1, 1);
    pressTo(threshold, 0.5);
    expect(shares(threshold, 2)[1]).toBe(0);
  });
});
