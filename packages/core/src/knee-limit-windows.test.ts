// When a window of the knee ends, and what is made of little.
import { describe, expect, it } from "vitest";
import { learnt } from "../test/support/knee-windows.ts";

describe("kneeLimit's windows", () => {
  /** Attempts that end at equal distances and take half as long and half as long again as told by turns. */
  function uneven({ knee, now }: ReturnType<typeof learnt>, count: number, everyMs: number, latencyMs: number): void {
    const startMs = now();
    for (let i = 1; i <= count; i++) {
      const endMs = startMs + i * everyMs;
      const tookMs = i % 2 === 0 ? 1.5 * latencyMs : 0.5 * latencyMs;
      knee.observe({ startMs: endMs - tookMs, endMs, inFlight: 10, outcome: "success" });
    }
  }
  const limitAfter = (count: number, everyMs: number, latencyMs: number, baselineMs: number | null = 100) => {
    const one = learnt(40, baselineMs);
    uneven(one, count, everyMs, latencyMs);
    return one.knee.learnt?.().limit;
  };

  it("go on until the mean is known to half of the margin", () => {
    expect([limitAfter(160, 5, 100), limitAfter(164, 5, 100)]).toEqual([40, 39.2]);
    expect(limitAfter(160, 5, 100, null)).toBe(40);
  });

  it("end sooner where it is far slower than it should be, once what runs began in them", () => {
    expect([limitAfter(39, 25, 500), limitAfter(40, 25, 500)]).toEqual([40, 39.2]);
    // Not that slow: four times the goal.
    expect(limitAfter(40, 25, 425)).toBe(40);
  });

  it("move the limit less when the mean is hardly known", () => {
    const one = learnt(40);
    for (let i = 0; i < 2; i++) one.knee.full?.(one.now(), 10);
    uneven(one, 20, 250, 100);
    const way = Math.log(1 + 0.5 / Math.sqrt(40));
    const step = (0.4 * 0.1) / Math.sqrt(0.25 / 19);
    const share = 40 * Math.exp(step * way);
    const part = step * Math.min(1, (way * Math.sqrt(share)) / 0.5);
    expect(one.knee.learnt?.().limit).toBeCloseTo(share + part, 9);
  });

  it("add whole limits up to the exact one", () => {
    const { knee, window } = learnt(2.5);
    const limits = [knee.limit];
    for (let i = 0; i < 4; i++) {
      expect(window({ inFlight: 1 })).toBe(2.5);
      limits.push(knee.limit);
    }
    expect(limits).toEqual([3, 2, 3, 2, 3]);
  });

  it("leave a limit of one at one", () => {
    expect(learnt(1).knee.limit).toBe(1);
  });

  it("show nothing when nobody calls", () => {
    const { knee, now } = learnt(3);
    knee.observe({ startMs: now(), endMs: now() + 5000, inFlight: 0, outcome: "failure" });
    expect(knee.learnt?.().limit).toBe(3);
  });

  it("end after five seconds, however little is known", () => {
    const { knee, now } = learnt(3);
    for (let ms = 0; ms < 5000; ms += 100) knee.full?.(now() + ms, 0);
    expect(knee.limit).toBe(3);
    // Calls have come, and none was let through.
    knee.full?.(now() + 5000, 0);
    expect(knee.limit).toBe(4);
  });

  it("show nothing when something runs that has not ended", () => {
    const { knee, now } = learnt(3);
    for (let ms = 0; ms <= 5000; ms += 100) knee.full?.(now() + ms, 1);
    expect(knee.learnt?.().limit).toBe(3);
  });

  it("end with twenty attempts after half a second, when these are alike", () => {
    const { window } = learnt(40);
    expect(window({ count: 19 })).toBe(40);
    expect(learnt(40).window({ count: 20 })).toBeCloseTo(39.2, 9);
  });
});
