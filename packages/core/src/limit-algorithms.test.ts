import { aimdLimit, fixedLimit, gradientLimit, type Limit, vegasLimit } from "@headgate/core";
import { describe, expect, it } from "vitest";
import { itRefuses } from "../test/support/options.ts";

/** Ends of attempts, each `everyMs` after the one before, of this latency and with so many in flight. */
function feeder(limit: Limit) {
  let nowMs = 0;
  return (
    count: number,
    latencyMs: number,
    inFlight = limit.limit,
    outcome: "success" | "failure" | "dropped" = "success",
  ) => {
    for (let i = 0; i < count; i++) {
      nowMs += 100;
      limit.observe({ startMs: nowMs - latencyMs, endMs: nowMs, inFlight, outcome });
    }
    return limit.limit;
  };
}

describe("fixedLimit", () => {
  it("does not move", () => {
    const limit = fixedLimit({ limit: 7 });
    expect(feeder(limit)(100, 50, 7, "dropped")).toBe(7);
  });

  itRefuses([() => fixedLimit({ limit: 0 }), "`fixedLimit.limit` must be an integer of at least 1, got 0"]);
});

describe("aimdLimit", () => {
  it("grows by one with each success while half of it is in use", () => {
    const feed = feeder(aimdLimit({ initialLimit: 10, maxLimit: 13 }));
    expect(feed(1, 50, 5)).toBe(11);
    expect(feed(1, 50, 5)).toBe(11);
    expect(feed(5, 50, 11)).toBe(13);
  });

  it("shrinks by a share with what was dropped or too slow, down to the least", () => {
    const feed = feeder(aimdLimit({ initialLimit: 20, minLimit: 5, slowMs: 1000 }));
    expect(feed(1, 50, 20, "dropped")).toBe(18);
    expect(feed(1, 1001, 20)).toBe(16);
    expect(feed(1, 1000, 1)).toBe(16);
    expect(feed(100, 50, 20, "dropped")).toBe(5);
  });

  it("hands on its limit, and knows of no baseline", () => {
    expect(aimdLimit().learnt?.()).toEqual({ limit: 20, baselineMs: null });
  });

  it("takes no notice of failures", () => {
    expect(feeder(aimdLimit())(10, 50, 20, "failure")).toBe(20);
  });

  itRefuses(
    [() => aimdLimit({ minLimit: 0 }), "`aimdLimit.minLimit` must be an integer of at least 1, got 0"],
    [() => aimdLimit({ minLimit: 5, maxLimit: 4 }), "`aimdLimit.maxLimit` must be an integer of at least 5, got 4"],
    [() => aimdLimit({ maxLimit: 10 }), "`aimdLimit.initialLimit` must be an integer from 1 to 10, got 20"],
    [() => aimdLimit({ backoffRatio: 0 }), "`aimdLimit.backoffRatio` must be a number above 0 and at most 1, got 0"],
    [() => aimdLimit({ slowMs: 0 }), "`aimdLimit.slowMs` must be a number above 0 and at most 9007199254740991, got 0"],
  );
});

describe("vegasLimit", () => {
  it("grows while its queue is short, and shrinks when it is long", () => {
    const limit = vegasLimit({ initialLimit: 20 });
    const feed = feeder(limit);
    // Eleven attempts, 100 ms apart, fill a window of a second; the first one is the latency without load.
    expect(feed(11, 50)).toBe(20);
    const grown = feed(11, 50);
    expect(grown).toBeCloseTo(20 + 6 * Math.log10(20));
    const shrunk = feed(11, 100);
    expect(shrunk).toBeCloseTo(grown - Math.log10(grown));
  });

  it.each([
    [10, 52, 16],
    [10, 60, 11],
    [10, 70, 10],
    [10, 120, 10],
    [10, 150, 9],
    [100, 51.5, 102],
    [100, 54, 100],
  ])("steps from %d by how long its queue is at %d ms, where 50 are without load, to %d", (initialLimit, ms, next) => {
    const feed = feeder(vegasLimit({ initialLimit }));
    feed(11, 50);
    expect(feed(10, ms)).toBe(next);
  });

  it("grows as soon as half of it is in use", () => {
    const feed = feeder(vegasLimit({ initialLimit: 10 }));
    feed(11, 50);
    expect(feed(10, 50, 4)).toBe(10);
    expect(feed(10, 50, 5)).toBe(16);
  });

  it("judges no window of fewer than ten attempts", () => {
    const limit = vegasLimit({ windowMs: 100 });
    const feed = feeder(limit);
    feed(9, 50);
    expect(limit.learnt?.().baselineMs).toBeNull();
    feed(1, 50);
    expect(limit.learnt?.().baselineMs).toBe(50);
  });

  it("begins a new window with what it is given", () => {
    const limit = vegasLimit();
    const feed = feeder(limit);
    feed(10, 500);
    limit.restore?.({ limit: 20, baselineMs: null });
    feed(10, 50);
    expect(limit.learnt?.()).toEqual({ limit: 20, baselineMs: null });
    feed(1, 50);
    expect(limit.learnt?.()).toEqual({ limit: 20, baselineMs: 50 });
  });

  it("shrinks when something was dropped, to one at least, and holds while little of it is in use", () => {
    const limit = vegasLimit({ initialLimit: 3 });
    const feed = feeder(limit);
    feed(11, 50);
    expect(feed(11, 60, 1)).toBe(3);
    expect(feed(11, 50, 3, "dropped")).toBe(2);
    expect(feed(55, 50, 3, "dropped")).toBe(1);
  });

  it("measures the latency without load anew after many windows", () => {
    const limit = vegasLimit({ initialLimit: 1, maxLimit: 1 });
    const feed = feeder(limit);
    feed(11, 50);
    feed(29 * 10, 200);
    expect(limit.learnt?.().baselineMs).toBe(50);
    feed(10, 200);
    // It is 200 ms now: not a queue.
    expect(limit.learnt?.()).toEqual({ limit: 1, baselineMs: 200 });
  });

  itRefuses(
    [() => vegasLimit({ maxLimit: 0 }), "`vegasLimit.maxLimit` must be an integer of at least 1, got 0"],
    [() => vegasLimit({ initialLimit: 0 }), "`vegasLimit.initialLimit` must be an integer from 1 to 1000, got 0"],
    [
      () => vegasLimit({ windowMs: 0 }),
      "`vegasLimit.windowMs` must be a number above 0 and at most 9007199254740991, got 0",
    ],
  );
});

describe("gradientLimit", () => {
  it("grows by its queue while it is as fast as ever, and shrinks when it is slower than that", () => {
    const limit = gradientLimit();
    const feed = feeder(limit);
    expect(feed(11, 50, 20)).toBeCloseTo(20 + 0.2 * 4);
    const grown = feed(11 * 20, 50, 40);
    expect(grown).toBeGreaterThan(30);
    expect(feed(11, 500, 40)).toBeLessThan(grown);
  });

  it("holds while less than half of it is in use, and keeps to its bounds", () => {
    const feed = feeder(gradientLimit({ initialLimit: 60, minLimit: 50, maxLimit: 61 }));
    expect(feed(11, 50, 29)).toBe(60);
    expect(feed(110, 50, 60)).toBe(61);
    expect(feed(220, 5000, 60)).toBe(50);
  });

  it("moves as soon as half of it is in use", () => {
    expect(feeder(gradientLimit())(11, 50, 9)).toBe(20);
    expect(feeder(gradientLimit())(11, 50, 10)).toBeCloseTo(20.8);
  });

  it("judges no window that is too short or of fewer than ten attempts", () => {
    const [long, short] = [gradientLimit(), gradientLimit({ windowMs: 100 })];
    feeder(long)(10, 50);
    feeder(short)(9, 50);
    expect([long, short].map((limit) => limit.learnt?.().baselineMs)).toEqual([null, null]);
    const enough = gradientLimit({ windowMs: 100 });
    feeder(enough)(10, 50);
    expect(enough.learnt?.().baselineMs).toBe(50);
  });

  it("averages ten windows, and from then on follows slowly", () => {
    const limit = gradientLimit();
    const feed = feeder(limit);
    feed(11 + 8 * 10, 100);
    feed(10, 200);
    expect(limit.learnt?.().baselineMs).toBeCloseTo(110, 9);
    feed(10, 200);
    expect(limit.learnt?.().baselineMs).toBeCloseTo(110 + (2 / 601) * 90, 9);
  });

  it("leaves an average alone that is but twice as much", () => {
    const limit = gradientLimit();
    const feed = feeder(limit);
    feed(11, 150);
    feed(10, 50);
    expect(limit.learnt?.().baselineMs).toBe(100);
  });

  it("begins a new window, and an average where none is given", () => {
    const limit = gradientLimit();
    const feed = feeder(limit);
    feed(10, 500);
    limit.restore?.({ limit: 30, baselineMs: null });
    expect(limit.learnt?.()).toEqual({ limit: 30, baselineMs: null });
    feed(11, 50);
    expect(limit.learnt?.().baselineMs).toBe(50);
  });

  it("comes back faster than its average when it was slow for long", () => {
    const limit = gradientLimit({ initialLimit: 100, tolerance: 1 });
    const feed = feeder(limit);
    feed(110, 1000, 10);
    feed(11 * 60, 50, 10);
    // An average of 600 windows alone would still be at more than 700 ms and call 400 ms fast.
    const before = limit.limit;
    expect(feed(11, 400, 100)).toBeLessThan(before);
  });

  itRefuses(
    [() => gradientLimit({ minLimit: 0 }), "`gradientLimit.minLimit` must be an integer of at least 1, got 0"],
    [() => gradientLimit({ maxLimit: 10 }), "`gradientLimit.maxLimit` must be an integer of at least 20, got 10"],
    [() => gradientLimit({ initialLimit: 5 }), "`gradientLimit.initialLimit` must be an integer from 20 to 200, got 5"],
    [
      () => gradientLimit({ tolerance: 0.5 }),
      "`gradientLimit.tolerance` must be a number of at least 1 and at most 9007199254740991, got 0.5",
    ],
    [
      () => gradientLimit({ windowMs: -1 }),
      "`gradientLimit.windowMs` must be a number above 0 and at most 9007199254740991, got -1",
    ],
  );
});
