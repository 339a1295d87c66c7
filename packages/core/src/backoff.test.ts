import { constantBackoff, exponentialBackoff } from "@headgate/core";
import { SeededRandom } from "@headgate/core/testing";
import { describe, expect, it } from "vitest";
import { itRefuses } from "../test/support/options.ts";

const always = (value: number) => ({ next: () => value });
const retries = [1, 2, 3, 4, 5];

describe("exponentialBackoff", () => {
  it("multiplies by its factor up to its bound", () => {
    const backoff = exponentialBackoff({ initialMs: 10, maxMs: 500, factor: 3, jitter: "none" });
    expect(retries.map((retry) => backoff(retry, always(0)))).toEqual([10, 30, 90, 270, 500]);
  });

  it("doubles from 100 ms to 10 s by default", () => {
    const backoff = exponentialBackoff({ jitter: "none" });
    expect([1, 2, 3, 7, 8, 9].map((retry) => backoff(retry, always(0)))).toEqual([100, 200, 400, 6400, 10_000, 10_000]);
  });

  it("draws evenly from nothing to the whole delay by default, at the bound too", () => {
    const backoff = exponentialBackoff({ initialMs: 100, maxMs: 200 });
    expect(backoff(1, always(0))).toBe(0);
    expect(backoff(1, always(0.25))).toBe(25);
    expect(backoff(9, always(0.5))).toBe(100);
    const random = new SeededRandom(7);
    const drawn = Array.from({ length: 1000 }, () => backoff(9, random));
    expect(Math.min(...drawn)).toBeLessThan(10);
    expect(Math.max(...drawn)).toBeGreaterThan(190);
    expect(Math.max(...drawn)).toBeLessThan(200);
  });

  it("stays at its bound however many retries there were", () => {
    const backoff = exponentialBackoff({ jitter: "none" });
    expect(backoff(100_000, always(0))).toBe(10_000);
  });

  it("draws no chance without jitter", () => {
    const drawn: number[] = [];
    exponentialBackoff({ jitter: "none" })(1, { next: () => drawn.push(1) });
    expect(drawn).toEqual([]);
  });

  itRefuses(
    [
      () => exponentialBackoff({ initialMs: -1 }),
      "`exponentialBackoff.initialMs` must be a number of at least 0 and at most 2147483647, got -1",
    ],
    [
      () => exponentialBackoff({ initialMs: 100, maxMs: 99 }),
      "`exponentialBackoff.maxMs` must be a number of at least 100 and at most 2147483647, got 99",
    ],
    [
      () => exponentialBackoff({ factor: 0.5 }),
      "`exponentialBackoff.factor` must be a number of at least 1 and at most 1000, got 0.5",
    ],
    [
      () => exponentialBackoff({ jitter: "half" as "full" }),
      '`exponentialBackoff.jitter` must be "full", "equal", "decorrelated" or "none", got "half"',
    ],
  );
});

describe("constantBackoff", () => {
  it("waits the same before every retry", () => {
    const backoff = constantBackoff({ delayMs: 25 });
    expect(retries.map((retry) => backoff(retry, always(0.5)))).toEqual([25, 25, 25, 25, 25]);
  });

  itRefuses([
    () => constantBackoff({ delayMs: Number.POSITIVE_INFINITY }),
    "`constantBackoff.delayMs` must be a number of at least 0 and at most 2147483647, got Infinity",
  ]);
});
