import { TestClock } from "@headgate/core/testing";
import { describe, expect, it } from "vitest";
import { until } from "../test/support/eventually.ts";
import { saturation, saturationPressure, type SaturationReading } from "./saturation.ts";

const calm: SaturationReading = { elu: 0.5, delayP99Ms: 2, heapRatio: 0.4 };

describe("saturationPressure", () => {
  it.each([
    ["nothing at the bounds", { elu: 0.85, delayP99Ms: 30, heapRatio: 0.92 }, 0, undefined],
    ["a busy loop", { ...calm, elu: 0.915 }, 0.5, "elu"],
    ["a loop that is busy with short tasks", { ...calm, elu: 1, delayP99Ms: 2.4 }, 1, "elu"],
    ["a loop that is late", { ...calm, delayP99Ms: 65 }, 0.5, "delay"],
    ["one long block", { ...calm, elu: 0.15, delayP99Ms: 292 }, 1, "delay"],
    ["a full heap", { ...calm, heapRatio: 0.95 }, 0.5, "heap"],
    ["what presses most", { elu: 0.9, delayP99Ms: 93, heapRatio: 0.93 }, 0.9, "delay"],
  ] as const)("sees %s", (_, reading, pressure, reason) => {
    const seen = saturationPressure(reading);
    expect(seen.pressure).toBeCloseTo(pressure, 6);
    expect(seen.reason).toBe(reason);
  });

  it("goes by the bounds that it is given", () => {
    expect(saturationPressure({ ...calm, elu: 0.6 }, { elu: [0.5, 0.7] }).pressure).toBeCloseTo(0.5, 6);
  });
});

describe("saturation", () => {
  function sampled(readings: readonly SaturationReading[]) {
    const clock = new TestClock();
    let taken = 0;
    let stopped = 0;
    const probe = () => ({
      read: () => readings[taken++] ?? calm,
      stop: () => {
        stopped++;
      },
    });
    return { clock, sampler: saturation({ clock, probe }), taken: () => taken, stopped: () => stopped };
  }

  it("reads every 250 ms and lets the newest reading count for half", async () => {
    const full = { elu: 1, delayP99Ms: 0, heapRatio: 0 };
    const { clock, sampler } = sampled([full, full, calm]);
    sampler.start();
    const seen: unknown[] = [];
    for (let i = 0; i < 4; i++) {
      seen.push([sampler.elu, sampler.pressure, sampler.reason]);
      await clock.advance(250);
    }
    expect(seen).toEqual([
      [0, 0, undefined],
      [1, 0.5, "elu"],
      [1, 0.75, "elu"],
      [0.5, 0.375, undefined],
    ]);
  });

  it("tells load shedding of each part by itself, and how much room there is", async () => {
    const { clock, sampler } = sampled([{ elu: 0.915, delayP99Ms: 100, heapRatio: 0.46 }]);
    const read = () => sampler.signals.map((signal) => [signal.name, Number(signal.read(clock.now()).toFixed(2))]);
    expect(read().every(([, overload]) => Number(overload) < 0)).toBe(true);
    sampler.start();
    await clock.advance(250);
    expect(read()).toEqual([
      ["elu", 0.5],
      ["delay", 1],
      ["heap", -7.67],
    ]);
    sampler.stop();
    expect(read().every(([, overload]) => Number(overload) < 0)).toBe(true);
  });

  it("measures nothing before it starts or after it stops, and holds no process", async () => {
    const { clock, sampler, taken, stopped } = sampled([{ ...calm, elu: 1 }]);
    await clock.advance(1000);
    expect(taken()).toBe(0);
    sampler.start();
    sampler.start();
    await clock.advance(500);
    expect([taken(), clock.pending]).toEqual([2, 0]);
    sampler.stop();
    sampler.stop();
    await clock.advance(1000);
    expect([taken(), stopped(), sampler.pressure, sampler.elu]).toEqual([2, 1, 0, 0]);
  });

  it("notices a block of this process's loop", async () => {
    // Longer than a sample takes, so that a reading is due while the loop is blocked.
    const sampler = saturation({ sampleMs: 25, smoothing: 1 });
    sampler.start();
    await until(() => sampler.elu > 0);
    const untilMs = performance.now() + 200;
    while (performance.now() < untilMs);
    await until(() => sampler.delayP99Ms > 150);
    expect(sampler.pressure).toBe(1);
    expect(["elu", "delay"]).toContain(sampler.reason);
    expect(sampler.heapRatio).toBeGreaterThan(0);
    expect(sampler.heapRatio).toBeLessThan(1);
    sampler.stop();
  });

  it.each([
    [{ sampleMs: 0 }, "`saturation.sampleMs` must be a number from 1 to 2147483647, got 0"],
    [{ resolutionMs: 0.5 }, "`saturation.resolutionMs` must be an integer from 1 to 1000, got 0.5"],
    [{ smoothing: 2 }, "`saturation.smoothing` must be a number from"],
    [{ elu: [0.9, 0.9] as const }, "`saturation.elu[1]` must be a number above 0.9, got 0.9"],
  ])("refuses %o", (options, message) => {
    expect(() => saturation(options)).toThrow(message);
  });
});
