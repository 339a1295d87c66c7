import { describe, expect, it } from "vitest";
import { type Found, KneeDescent, marginOf } from "./knee-descent.ts";
import type { LimitWindow } from "./limit-window.ts";

const goalMs = 100;

interface Shown {
  readonly uncertainty?: number;
  readonly count?: number;
  readonly startMs?: number;
}

/** A step at this limit, after a window of a second in which so many attempts took so long on average. */
function step(descent: KneeDescent, limit: number, meanMs: number, shown: Shown = {}): Found | undefined {
  const { uncertainty = 0, count = 100, startMs = 5000 } = shown;
  const window = { meanMs, uncertainty, count, sumMs: count * meanMs, startMs } as LimitWindow;
  return descent.step(window, startMs + 1000, limit, goalMs);
}

describe("marginOf", () => {
  it("is half a root, as of one at least", () => {
    expect([100, 4, 1, 0.25].map(marginOf)).toEqual([0.05, 0.25, 0.5, 0.5]);
  });
});

describe("KneeDescent", () => {
  it("finds a service that takes longer by itself when half as many at once are no faster", () => {
    const descent = new KneeDescent();
    expect(step(descent, 100, 160)).toBeUndefined();
    expect(step(descent, 51, 160)).toBeUndefined();
    expect(step(descent, 50, 160)).toEqual({ baselineMs: 160 / 1.05, limit: 100 });
    // It is done with that.
    expect(step(descent, 25, 160)).toBeUndefined();
  });

  it("raises the baseline by a fifth at most where it is not half as slow again as it should be", () => {
    const descent = new KneeDescent();
    step(descent, 100, 150);
    expect(step(descent, 50, 150)).toEqual({ baselineMs: (1.2 * goalMs) / (1 + marginOf(50)), limit: 100 });
    const less = new KneeDescent();
    step(less, 100, 110);
    expect(step(less, 50, 110)).toEqual({ baselineMs: 110 / 1.05, limit: 100 });
  });

  it("takes for the baseline the mean of all attempts since it has become no faster", () => {
    const descent = new KneeDescent();
    step(descent, 100, 300);
    step(descent, 55, 300, { count: 300 });
    expect(step(descent, 50, 260)).toEqual({ baselineMs: 290 / 1.05, limit: 100 });
  });

  it("goes to where the throughput was highest when it was slower further up", () => {
    const descent = new KneeDescent();
    step(descent, 100, 400, { count: 80 });
    step(descent, 60, 200, { count: 90 });
    expect(step(descent, 40, 200, { count: 50 })).toBeUndefined();
    // From 40 on it is no faster; 90 attempts of 200 ms in a second are 18 at once.
    expect(step(descent, 20, 200, { count: 50 })).toEqual({ baselineMs: 200, limit: 18 * (1 + marginOf(18)) });
  });

  it("goes no further than to where it came from", () => {
    const descent = new KneeDescent();
    step(descent, 100, 400, { count: 5000 });
    step(descent, 50, 200);
    expect(step(descent, 25, 200)).toEqual({ baselineMs: 200, limit: 100 });
  });

  it("takes what was exactly half as slow again further up for no slower", () => {
    const descent = new KneeDescent();
    step(descent, 100, 300);
    step(descent, 50, 200);
    step(descent, 50, 200);
    expect(step(descent, 25, 200)).toMatchObject({ limit: 50 });
  });

  it("looks on while it gets faster in proportion, or is not sure", () => {
    const descent = new KneeDescent();
    step(descent, 100, 400);
    expect([step(descent, 50, 200), step(descent, 25, 110)]).toEqual([undefined, undefined]);
    // A slope of 0 with a doubt of a half or more, from both ends.
    for (const [above, below] of [
      [0.4, 0],
      [0, 0.4],
    ] as const) {
      const doubtful = new KneeDescent();
      step(doubtful, 100, 160, { uncertainty: above });
      expect(step(doubtful, 50, 160, { uncertainty: below })).toBeUndefined();
      expect(step(doubtful, 30, 160)).toEqual({ baselineMs: 160 / 1.05, limit: 100 });
    }
  });

  it("goes on from where it was as long as it is not sure that it got faster", () => {
    const descent = new KneeDescent();
    step(descent, 100, 300);
    expect(step(descent, 50, 200, { uncertainty: 0.3 })).toBeUndefined();
    expect(step(descent, 10, 200)).toMatchObject({ limit: 100 });
  });

  it("begins anew from where the limit has grown by more than a tenth", () => {
    const descent = new KneeDescent();
    step(descent, 100, 160);
    step(descent, 111, 160);
    expect(step(descent, 60, 160)).toBeUndefined();
    expect(step(descent, 55.5, 160)).toMatchObject({ limit: 111 });
    const tenth = new KneeDescent();
    step(tenth, 100, 160);
    step(tenth, 1.1 * 100, 160);
    expect(step(tenth, 50, 160)).toMatchObject({ limit: 100 });
  });

  it("begins only where it is slower than it should be, and ends when told", () => {
    const descent = new KneeDescent();
    expect([100, 50, 25].map((limit) => step(descent, limit, goalMs))).toEqual([undefined, undefined, undefined]);
    step(descent, 20, 160);
    descent.end();
    expect(step(descent, 10, 160)).toBeUndefined();
    expect(step(descent, 5, 160)).toMatchObject({ limit: 10 });
  });

  it("begins anew from below while it is still becoming slower", () => {
    const descent = new KneeDescent();
    step(descent, 100, 160, { count: 1000 });
    step(descent, 80, 400);
    step(descent, 75, 510, { count: 10 });
    expect(step(descent, 37.5, 510)).toMatchObject({ limit: 75 });
    const slower = new KneeDescent();
    step(slower, 100, 150, { count: 1000 });
    step(slower, 80, 400);
    step(slower, 40, 110);
    // What was slowest counts, and where it began.
    expect(step(slower, 20, 110)).toEqual({ baselineMs: 110, limit: 100 });
    const before = new KneeDescent();
    step(before, 100, 1000, { count: 5000 });
    step(before, 50, 110);
    step(before, 45, 140);
    expect(step(before, 22, 140)).toEqual({ baselineMs: 140, limit: 100 });
  });

  it("takes a little slower, or slower further down, for no such thing", () => {
    const little = new KneeDescent();
    step(little, 100, 160);
    step(little, 80, 200);
    expect(step(little, 50, 200)).toMatchObject({ limit: 100 });
    const further = new KneeDescent();
    step(further, 100, 160);
    step(further, 55, 400);
    expect(step(further, 50, 400)).toMatchObject({ limit: 100 });
  });
});
