import { consecutiveFailures, countWindow, type Trip } from "@headgate/core";
import { describe, expect, it } from "vitest";
import { itRefuses } from "../test/support/options.ts";

/** Records each letter, `F` a failure and `.` a success, and gives what the trip answered: `x` to open, `-` not. */
function play(trip: Trip, results: string): string {
  return Array.from(results, (result) => (trip.record(result === "F") ? "x" : "-")).join("");
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

  it("forgets its count when reset", () => {
    const trip = consecutiveFailures({ maxFailures: 2 });
    trip.record(true);
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
    [() => countWindow({ calls: 5, minCalls: 6 }), "`countWindow.minCalls` must be at most `calls` (5), got 6"],
  );
});
