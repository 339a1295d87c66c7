import { consecutiveFailures, countWindow, type Trip, type TripResult } from "@headgate/core";
import { describe, expect, it } from "vitest";
import { itRefuses } from "../test/support/options.ts";

const kinds: Record<string, TripResult> = { F: "failure", O: "overload", S: "slow" };

/**
 * Records each letter, `F` a failure, `O` overload, `S` a slow call and `.` a success, and gives what the trip answered:
 * `x` to open, `-` not.
 */
function play(trip: Trip, results: string): string {
  return Array.from(results, (result) => (trip.record(kinds[result] ?? "success", 0) ? "x" : "-")).join("");
}

describe("consecutiveFailures", () => {
  it("opens at the given number of failures in a row", () => {
    expect(play(consecutiveFailures({ maxFailures: 3 }), "FFF")).toBe("--x");
  });

  it("starts anew after one success", () => {
    expect(play(consecutiveFailures({ maxFailures: 3 }), "FF.FF.FFF")).toBe("--------x");
  });

  it("opens at five by default", () => {
    expect(play(consecutiveFailures(), "FFFFF")).toBe("----x");
  });

  it("neither counts an answer of overload nor starts anew with it", () => {
    expect(play(consecutiveFailures({ maxFailures: 2 }), "OOOFOOF")).toBe("------x");
  });

  it("forgets its count when reset", () => {
    const trip = consecutiveFailures({ maxFailures: 2 });
    play(trip, "F");
    trip.reset();
    expect(play(trip, "FF")).toBe("-x");
  });

  itRefuses(
    [
      () => consecutiveFailures({ maxFailures: 0 }),
      "`consecutiveFailures.maxFailures` must be an integer of at least 1, got 0",
    ],
    [
      () => consecutiveFailures({ maxFailures: 1.5 }),
      "`consecutiveFailures.maxFailures` must be an integer of at least 1, got 1.5",
    ],
  );
});

describe("countWindow", () => {
  it("opens when the share of failures reaches the ratio, exactly", () => {
    expect(play(countWindow({ calls: 4, failureRatio: 0.5, minCalls: 4 }), "F..F")).toBe("---x");
    expect(play(countWindow({ calls: 4, failureRatio: 0.75, minCalls: 4 }), "F..F")).toBe("----");
  });

  it("does not judge fewer calls than it must have seen", () => {
    expect(play(countWindow({ calls: 10, failureRatio: 0.5, minCalls: 3 }), "FFF")).toBe("--x");
  });

  it("compares shares as they are written, without the error of a product", () => {
    expect(0.07 * 100).toBeGreaterThan(7);
    const play7 = play(countWindow({ calls: 100, failureRatio: 0.07, minCalls: 100 }), `${".".repeat(93)}FFFFFFF`);
    expect(play7).toBe(`${"-".repeat(99)}x`);
  });

  it("counts overload as a failure", () => {
    expect(play(countWindow({ calls: 4, failureRatio: 0.5, minCalls: 4 }), "..OO")).toBe("---x");
  });

  it("opens on the share of slow calls", () => {
    const trip = countWindow({ calls: 4, minCalls: 4, slowMs: 10, slowRatio: 0.5 });
    expect(play(trip, "S..F")).toBe("----");
    expect(play(trip, "S")).toBe("-");
    expect(play(trip, "S")).toBe("x");
    expect(trip.counts?.(0)).toEqual({ calls: 4, failures: 1, slow: 2 });
  });

  it("forgets a slow call that has failed in the end with the place that it was recorded at", () => {
    for (const before of [0, 1, 2, 3, 4, 7])
      for (const between of [0, 1, 2]) {
        const trip = countWindow({ calls: 3, minCalls: 3, slowMs: 10, slowRatio: 1 });
        play(trip, `${".".repeat(before)}S`);
        const sample = trip.lastSample as number;
        play(trip, ".".repeat(between));
        trip.failSlow?.(sample, 0);
        play(trip, ".".repeat(2 - between));
        expect(trip.counts?.(0)).toEqual({ calls: 3, failures: 1, slow: 1 });
        play(trip, ".");
        expect(trip.counts?.(0)).toEqual({ calls: 3, failures: 0, slow: 0 });
        expect(trip.failSlow?.(sample, 0)).toBe(false);
        expect(trip.counts?.(0)).toEqual({ calls: 3, failures: 0, slow: 0 });
      }
  });

  it("opens on the share of calls that failed or were slow, each counted once", () => {
    const trip = () => countWindow({ calls: 4, minCalls: 4, failureRatio: 1, slowMs: 10, combinedRatio: 0.75 });
    expect(play(trip(), "S.FS")).toBe("---x");
    const both = trip();
    expect(play(both, "S..")).toBe("---");
    expect(both.failSlow?.(both.lastSample! - 2, 0)).toBe(false);
    expect(play(both, "F")).toBe("-");
    expect(both.counts?.(0)).toEqual({ calls: 4, failures: 2, slow: 1 });
  });

  it("takes in that a slow call has failed since, while it is among the last calls", () => {
    const trip = countWindow({ calls: 3, minCalls: 3, failureRatio: 0.6, slowMs: 10, slowRatio: 1 });
    play(trip, "S");
    const first = trip.lastSample!;
    expect(play(trip, ".F")).toBe("--");
    expect(trip.failSlow?.(first, 0)).toBe(true);
    // It goes as a whole.
    expect(play(trip, ".")).toBe("-");
    expect(trip.counts?.(0)).toEqual({ calls: 3, failures: 1, slow: 0 });
    expect(trip.failSlow?.(first, 0)).toBe(false);
    expect(trip.counts?.(0).failures).toBe(1);
  });

  it("needs ten calls of a hundred and half of them failed by default", () => {
    expect(play(countWindow(), "FFFFFFFFFF")).toBe("---------x");
    expect(play(countWindow(), "......FFFFFF")).toBe("-----------x");
    expect(play(countWindow(), "......FFFFF.")).toBe("------------");
  });

  it("needs as many calls as it looks at when these are fewer than ten", () => {
    expect(play(countWindow({ calls: 3 }), "FF.F")).toBe("--xx");
  });

  it("forgets the oldest call for each new one", () => {
    expect(play(countWindow({ calls: 3, failureRatio: 1, minCalls: 3 }), "FF.FFF")).toBe("-----x");
  });

  it("looks back over exactly as many calls as told, beyond a word of bits", () => {
    const window = () => countWindow({ calls: 65, failureRatio: 2 / 65, minCalls: 65 });
    expect(play(window(), `F${".".repeat(63)}F`)).toBe(`${"-".repeat(64)}x`);
    expect(play(window(), `F${".".repeat(64)}F`)).toBe("-".repeat(66));
  });

  it("forgets everything when reset", () => {
    const trip = countWindow({ calls: 4, failureRatio: 0.5, minCalls: 2 });
    expect(play(trip, "FF")).toBe("-x");
    trip.reset();
    expect(play(trip, "...F")).toBe("----");
    expect(play(trip, "F")).toBe("x");
  });

  itRefuses(
    [() => countWindow({ calls: 0 }), "`countWindow.calls` must be an integer from 1 to 1000000, got 0"],
    [() => countWindow({ calls: 1_000_001 }), "`countWindow.calls` must be an integer from 1 to 1000000, got 1000001"],
    [
      () => countWindow({ failureRatio: 0 }),
      "`countWindow.failureRatio` must be a number above 0 and at most 1, got 0",
    ],
    [
      () => countWindow({ failureRatio: 1.1 }),
      "`countWindow.failureRatio` must be a number above 0 and at most 1, got 1.1",
    ],
    [() => countWindow({ minCalls: 0 }), "`countWindow.minCalls` must be an integer of at least 1, got 0"],
    [
      () => countWindow({ slowMs: 0, slowRatio: 1 }),
      "`countWindow.slowMs` must be a number above 0 and at most 2147483647, got 0",
    ],
    [
      () => countWindow({ slowMs: 10, slowRatio: 0 }),
      "`countWindow.slowRatio` must be a number above 0 and at most 1, got 0",
    ],
    [
      () => countWindow({ slowMs: 10, combinedRatio: 2 }),
      "`countWindow.combinedRatio` must be a number above 0 and at most 1, got 2",
    ],
    [
      () => countWindow({ slowMs: 10 }),
      "`countWindow.slowMs` must be used with `slowRatio` or `combinedRatio`, got 10",
    ],
    [() => countWindow({ slowRatio: 0.5 }), "`countWindow.slowRatio` must be used with `slowMs`, got 0.5"],
    [() => countWindow({ calls: 5, minCalls: 6 }), "`countWindow.minCalls` must be at most `calls` (5), got 6"],
  );
});
