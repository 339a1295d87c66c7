import { timeWindow, type TripResult } from "@headgate/core";
import { describe, expect, it } from "vitest";
import { itRefuses } from "../test/support/options.ts";

/** A window of 100 ms in 10 buckets that judges from two calls on, unless told otherwise. */
const makeTrip = (options: Parameters<typeof timeWindow>[0] = {}) =>
  timeWindow({ windowMs: 100, failureRatio: 0.5, minCalls: 2, ...options });

const results = { F: "failure", O: "overload", S: "slow", ".": "success" } as const;

/** Records what the letters stand for, all at the same time, and gives the last answer. */
function play(trip: ReturnType<typeof timeWindow>, letters: string, nowMs: number): boolean {
  let opens = false;
  for (const letter of letters)
    opens = trip.record(results[letter as keyof typeof results] satisfies TripResult, nowMs);
  return opens;
}

describe("timeWindow", () => {
  it("opens when the share of failures in its time reaches the ratio, exactly", () => {
    expect(play(makeTrip({ failureRatio: 0.75 }), "..FF", 0)).toBe(false);
    expect(play(makeTrip({ failureRatio: 0.75 }), ".FFF", 0)).toBe(true);
    expect(play(makeTrip({ failureRatio: 0.07, minCalls: 100 }), `${".".repeat(93)}FFFFFFF`, 0)).toBe(true);
  });

  it("does not judge fewer calls than it must have seen", () => {
    const trip = makeTrip({ minCalls: 3 });
    expect(play(trip, "FF", 0)).toBe(false);
    expect(play(trip, "F", 0)).toBe(true);
  });

  it("counts overload as a failure", () => {
    expect(play(makeTrip(), ".O", 0)).toBe(true);
  });

  it("forgets what is older than its time, also when nobody has called meanwhile", () => {
    const trip = makeTrip({ failureRatio: 0.9 });
    expect(play(trip, "FFFFFFFF.", 0)).toBe(false);
    // A window that moves on by one bucket a call would still hold the failures of an hour ago.
    expect(play(trip, "F", 3_600_000)).toBe(false);
    expect(trip.counts?.(3_600_000)).toEqual({ calls: 1, failures: 1, slow: 0 });
  });

  it("forgets bucket by bucket", () => {
    const trip = makeTrip();
    play(trip, ".", 5);
    play(trip, "..", 15);
    play(trip, "F", 95);
    const calls = [99, 100, 109, 110, 189, 190].map((nowMs) => trip.counts?.(nowMs).calls);
    expect(calls).toEqual([4, 3, 3, 1, 1, 0]);
  });

  it("keeps the boundaries of its buckets where they are, whenever calls come", () => {
    const trip = makeTrip();
    // Calls at the end of buckets: boundaries that began with a call would drift by the remainder each time.
    for (let nowMs = 9; nowMs < 1000; nowMs += 19) play(trip, ".", nowMs);
    play(trip, "F", 1009);
    expect(trip.counts?.(1099).failures).toBe(1);
    expect(trip.counts?.(1100).failures).toBe(0);
  });

  it("does not move on while the clock stands still or goes back", () => {
    const trip = makeTrip();
    play(trip, "F", 50);
    play(trip, ".", 0);
    play(trip, ".", -1000);
    expect(trip.counts?.(50)).toEqual({ calls: 3, failures: 1, slow: 0 });
    expect(trip.counts?.(149).calls).toBe(3);
    expect(trip.counts?.(150).calls).toBe(0);
  });

  it("takes a clock whose origin lies ahead", () => {
    const trip = makeTrip();
    play(trip, "F.", -95);
    expect(trip.counts?.(-1).calls).toBe(2);
    expect(trip.counts?.(0).calls).toBe(0);
  });

  it("opens on the share of slow calls, and on that of calls that failed or were slow", () => {
    expect(play(makeTrip({ slowMs: 10, slowRatio: 0.5 }), "..SS", 0)).toBe(true);
    expect(play(makeTrip({ slowMs: 10, slowRatio: 0.6, failureRatio: 0.6 }), ".SFF", 0)).toBe(false);
    expect(play(makeTrip({ slowMs: 10, combinedRatio: 0.75, failureRatio: 0.6 }), ".SFF", 0)).toBe(true);
  });

  it("takes in that a slow call has failed since, in the bucket in which it was found slow", () => {
    const trip = makeTrip({ minCalls: 4, slowMs: 10, slowRatio: 1 });
    play(trip, "S.", 5);
    const sample = trip.lastSample!;
    play(trip, ".F", 25);
    expect(trip.failSlow?.(sample, 25)).toBe(true);
    expect(trip.counts?.(99)).toEqual({ calls: 4, failures: 2, slow: 1 });
    expect(trip.counts?.(100)).toEqual({ calls: 2, failures: 1, slow: 0 });
    expect(trip.failSlow?.(sample, 105)).toBe(false);
    expect(trip.counts?.(105).failures).toBe(1);
  });

  it("forgets everything when reset", () => {
    const trip = makeTrip();
    expect(play(trip, "FF", 0)).toBe(true);
    trip.reset();
    expect(play(trip, "...F", 0)).toBe(false);
    expect(trip.counts?.(0)).toEqual({ calls: 4, failures: 1, slow: 0 });
  });

  it("looks at half a minute, ten calls and half of them failed by default", () => {
    const trip = timeWindow();
    expect(play(trip, ".....FFFF", 0)).toBe(false);
    expect(play(trip, "F", 29_999)).toBe(true);
    expect(trip.counts?.(30_000).calls).toBe(1);
  });

  itRefuses(
    [() => timeWindow({ windowMs: 0 }), "`timeWindow.windowMs` must be a number above 0 and at most 2147483647, got 0"],
    [() => timeWindow({ buckets: 0 }), "`timeWindow.buckets` must be an integer from 1 to 1000, got 0"],
    [() => timeWindow({ buckets: 1001 }), "`timeWindow.buckets` must be an integer from 1 to 1000, got 1001"],
    [() => timeWindow({ minCalls: 0 }), "`timeWindow.minCalls` must be an integer of at least 1, got 0"],
    [() => timeWindow({ failureRatio: 2 }), "`timeWindow.failureRatio` must be a number above 0 and at most 1, got 2"],
    [() => timeWindow({ slowRatio: 0.5 }), "`timeWindow.slowRatio` must be used with `slowMs`, got 0.5"],
    [() => timeWindow({ slowMs: 50 }), "`timeWindow.slowMs` must be used with `slowRatio` or `combinedRatio`, got 50"],
  );
});
