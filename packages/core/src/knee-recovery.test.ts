import { describe, expect, it } from "vitest";
import { KneeRecovery } from "./knee-recovery.ts";
import type { LimitSample } from "./limit.ts";

const baselineMs = 50;

/** The limit after an attempt of 50 ms, as long as the baseline, that began at this time. */
function after(recovery: KneeRecovery, startMs: number, limit: number, how: Partial<LimitSample> = {}): number {
  const sample: LimitSample = { startMs, endMs: startMs + 50, inFlight: 1, outcome: "success", ...how };
  return recovery.after(sample, limit, baselineMs, baselineMs);
}

/** So many quick attempts, and the limit after the last. */
function quick(recovery: KneeRecovery, count: number, limit: number): number {
  let result = limit;
  for (let i = 0; i < count; i++) result = after(recovery, 0, limit);
  return result;
}

describe("KneeRecovery after drops", () => {
  it("grows by one for each quick success that began since, to three quarters of where it was", () => {
    const recovery = new KneeRecovery();
    recovery.dropped(100, 20);
    expect(after(recovery, 99, 5)).toBe(5);
    expect(after(recovery, 100, 5)).toBe(6);
    expect(after(recovery, 100, 14.5)).toBe(15.5);
    expect(after(recovery, 100, 15)).toBe(15);
  });

  it("doubles below one, up to one", () => {
    const recovery = new KneeRecovery();
    recovery.dropped(0, 20);
    expect([0.25, 0.75, 1].map((limit) => after(recovery, 0, limit))).toEqual([0.5, 1, 2]);
  });

  it("comes back to where it was before the first of several drops, from the last on", () => {
    const recovery = new KneeRecovery();
    recovery.dropped(100, 20);
    recovery.dropped(200, 4);
    expect([after(recovery, 199, 10), after(recovery, 200, 10)]).toEqual([10, 11]);
  });

  it("does not grow with what is slow, failed or dropped", () => {
    const recovery = new KneeRecovery();
    recovery.dropped(0, 20);
    expect(after(recovery, 1000, 5, { endMs: 1100 })).toBe(6);
    expect(after(recovery, 1000, 5, { endMs: 1101 })).toBe(5);
    for (const outcome of ["failure", "dropped"] as const) expect(after(recovery, 0, 5, { outcome })).toBe(5);
  });
});

describe("KneeRecovery after it was slow", () => {
  /** It has done 0.4 per millisecond at best: a knee of 20 at 50 ms. */
  function slowed(): KneeRecovery {
    const recovery = new KneeRecovery();
    recovery.rate(0.4);
    return recovery;
  }

  it("grows to three quarters of the knee after sixteen quick successes in a row", () => {
    const recovery = slowed();
    expect(quick(recovery, 15, 5)).toBe(5);
    expect(after(recovery, 500, 5)).toBe(5);
    expect(quick(recovery, 1, 5)).toBe(5);
    // Only what began after the sixteenth had ended.
    expect([after(recovery, 549, 5), after(recovery, 550, 5)]).toEqual([5, 6]);
    expect([after(recovery, 550, 14.9), after(recovery, 550, 15)]).toEqual([15.9, 15]);
  });

  it("begins to count anew with one that is slow or fails", () => {
    for (const how of [{ endMs: 101 }, { outcome: "failure" }] as const) {
      const recovery = slowed();
      quick(recovery, 15, 5);
      after(recovery, 0, 5, how);
      quick(recovery, 15, 5);
      expect(after(recovery, 1000, 5)).toBe(5);
      expect(after(recovery, 1050, 5)).toBe(6);
    }
  });

  it("leaves a limit alone that is half of the knee", () => {
    const recovery = slowed();
    quick(recovery, 100, 10);
    expect(after(recovery, 1000, 10)).toBe(10);
  });

  it("goes less far the next time, and only after as many again", () => {
    const recovery = slowed();
    quick(recovery, 16, 5);
    expect(after(recovery, 50, 7.4)).toBe(8.4);
    // The knee counts as 15 now, and the one above as the first of sixteen.
    quick(recovery, 14, 7.4);
    after(recovery, 950, 7.4);
    expect([after(recovery, 1000, 11), after(recovery, 1000, 11.3)]).toEqual([12, 11.3]);
    const other = slowed();
    quick(other, 16, 5);
    quick(other, 16, 7.6);
    expect(after(other, 50, 14)).toBe(15);
  });

  it("forgets what it could do slowly as time goes by, and at once when told", () => {
    const fading = slowed();
    fading.rate(0.1);
    quick(fading, 16, 9.85);
    expect(after(fading, 50, 9.85)).toBe(10.85);
    const faded = slowed();
    faded.rate(0.1);
    quick(faded, 16, 9.95);
    expect(after(faded, 50, 9.95)).toBe(9.95);
    const forgotten = slowed();
    forgotten.forget();
    quick(forgotten, 16, 5);
    expect(after(forgotten, 50, 5)).toBe(5);
  });
});
