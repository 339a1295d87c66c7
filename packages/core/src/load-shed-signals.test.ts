import { concurrencyLimit, latencySignal, limitSignal, type ShedSignal } from "@headgate/core";
import { describe, expect, it } from "vitest";
import { itRefuses } from "../test/support/options.ts";

describe("limitSignal", () => {
  const at = (inUse: number, queued: number, options?: Parameters<typeof limitSignal>[1]) =>
    limitSignal({ inUse, queued, maxConcurrent: 10 }, options).read(0);

  it("begins when half as many wait as may run, and is full when one and a half times as many do", () => {
    expect(at(10, 5)).toBe(0);
    expect(at(10, 10)).toBe(0.5);
    expect(at(10, 15)).toBe(1);
  });

  it("tells how much room there is", () => {
    expect(at(10, 0)).toBe(-0.5);
    expect(at(0, 0)).toBe(-1.5);
  });

  it("has other bounds for a limit without a queue", () => {
    const bounds = [0.8, 1] as const;
    expect(at(8, 0, { bounds })).toBe(0);
    expect(at(9, 0, { bounds })).toBeCloseTo(0.5);
    expect(at(10, 0, { bounds })).toBe(1);
  });

  it("reads a limit as it is at the moment", () => {
    const limit = concurrencyLimit({ maxConcurrent: 2 });
    const signal = limitSignal(limit, { name: "database", bounds: [0.5, 1] });
    expect([signal.name, signal.read(0)]).toEqual(["database", -1]);
    limit.tryAcquire();
    limit.tryAcquire();
    expect(signal.read(0)).toBe(1);
    limit.resize(4);
    expect(signal.read(0)).toBe(0);
  });

  itRefuses(
    [() => limitSignal({} as never), "`limitSignal.limit` must be a concurrency limit, got an object"],
    [() => at(0, 0, { name: "" }), '`limitSignal.name` must be a string that is not empty, got ""'],
    [
      () => at(0, 0, { bounds: [-1, 1] }),
      "`limitSignal.bounds[0]` must be a number of at least 0 and at most 9007199254740991, got -1",
    ],
    [
      () => at(0, 0, { bounds: [1, 1] }),
      "`limitSignal.bounds[1]` must be a number above 1 and at most 9007199254740991, got 1",
    ],
  );
});

describe("latencySignal", () => {
  /** `count` calls that take so long, one every millisecond or as told, and what the signal says then. */
  function player(signal: ShedSignal) {
    let nowMs = 1000;
    return (count: number, durationMs: number, everyMs = 1): number => {
      let read = 0;
      for (let i = 0; i < count; i++) {
        nowMs += everyMs;
        signal.ended?.(nowMs, durationMs, "success");
        read = signal.read(nowMs);
      }
      return read;
    };
  }

  it("knows nothing before it has seen enough", () => {
    const play = player(latencySignal());
    expect(play(99, 1000)).toBe(0);
    expect(latencySignal({ targetMs: 10 }).read(5)).toBeLessThanOrEqual(0);
  });

  it("holds what calls take against the target", () => {
    const play = player(latencySignal({ targetMs: 100 }));
    expect(play(200, 100)).toBe(-0.5);
    expect(play(200, 200)).toBe(0);
    expect(play(200, 300)).toBe(0.5);
    expect(play(200, 900)).toBeGreaterThanOrEqual(1);
  });

  it("learns what is usual while all is well", () => {
    const play = player(latencySignal());
    expect(play(5000, 50)).toBe(-0.5);
    expect(play(200, 150)).toBeCloseTo(0.5, 1);
    // 50 % slower for good is the new usual within a minute.
    expect(play(7500, 75, 8)).toBeCloseTo(-0.5, 1);
  });

  it("does not take an overload of a minute for the usual, but one that stays", () => {
    const play = player(latencySignal());
    play(5000, 50);
    expect(play(7500, 200, 8)).toBeGreaterThan(0.5);
    expect(play(150_000, 200, 8)).toBeLessThan(0);
  });

  it("forgets after ten seconds without calls", () => {
    const signal = latencySignal({ targetMs: 10 });
    player(signal)(200, 100);
    expect(signal.read(1200 + 9000)).toBeGreaterThan(1);
    expect(signal.read(1200 + 10_001)).toBe(0);
  });

  it("leaves out what says nothing about the service", () => {
    const signal = latencySignal({ targetMs: 10 });
    for (let i = 0; i < 200; i++) {
      signal.ended?.(i, 1000, "ignored");
      signal.ended?.(i, Number.NaN, "success");
      signal.ended?.(i, -5, "success");
    }
    expect(signal.read(200)).toBeLessThanOrEqual(0);
    for (let i = 0; i < 200; i++) signal.ended?.(200 + i, 1000, i % 2 === 0 ? "dropped" : "failure");
    expect(signal.read(400)).toBeGreaterThan(1);
  });

  itRefuses(
    [
      () => latencySignal({ targetMs: 0 }),
      "`latencySignal.targetMs` must be a number above 0 and at most 9007199254740991, got 0",
    ],
    [
      () => latencySignal({ bounds: [0.5, 2] }),
      "`latencySignal.bounds[0]` must be a number of at least 1 and at most 9007199254740991, got 0.5",
    ],
    [() => latencySignal({ name: 7 as never }), "`latencySignal.name` must be a string that is not empty, got 7"],
  );
});
