import { type Backoff, constantBackoff, exponentialBackoff, linearBackoff, type Random } from "@headgate/core";
import { SeededRandom } from "@headgate/core/testing";
import { describe, expect, it } from "vitest";
import { itRefuses } from "../test/support/options.ts";

/** Chance that always draws the same. */
const drawing = (value: number): Random => ({ next: () => value });
const lowest = drawing(0);
const highest = drawing(1 - Number.EPSILON);

/** The delays of one call's retries. */
function delays(backoff: Backoff, retries: number, random: Random): number[] {
  const found: number[] = [];
  for (let retry = 1; retry <= retries; retry++) found.push(backoff(retry, random, found.at(-1) ?? 0));
  return found;
}

describe("exponentialBackoff", () => {
  it("draws from half of the delay to the whole with equal jitter", () => {
    const backoff = exponentialBackoff({ initialMs: 100, maxMs: 400, jitter: "equal" });
    expect(delays(backoff, 4, lowest)).toEqual([50, 100, 200, 200]);
    expect(delays(backoff, 4, drawing(0.5))).toEqual([75, 150, 300, 300]);
  });

  it("draws up to three times the delay before with decorrelated jitter, and never less than the first", () => {
    const backoff = exponentialBackoff({ initialMs: 100, maxMs: 1000, jitter: "decorrelated" });
    expect(delays(backoff, 3, lowest)).toEqual([100, 100, 100]);
    expect(delays(backoff, 3, drawing(0.5))).toEqual([200, 350, 550]);
  });

  it.each(["full", "equal", "decorrelated"] as const)("spreads calls at the cap too with %s jitter", (jitter) => {
    const backoff = exponentialBackoff({ initialMs: 100, maxMs: 1000, jitter });
    const atCap = Array.from({ length: 200 }, (_, seed) => delays(backoff, 20, new SeededRandom(seed)).at(-1) ?? 0);
    expect(new Set(atCap).size).toBe(200);
    expect(Math.max(...atCap)).toBeLessThanOrEqual(1000);
    expect(Math.max(...atCap) - Math.min(...atCap)).toBeGreaterThan(400);
  });

  it("does not overflow after very many retries", () => {
    const backoff = exponentialBackoff({ jitter: "none" });
    expect(backoff(100_000, highest, 0)).toBe(10_000);
  });
});

describe("linearBackoff", () => {
  it("grows by the same step up to the cap", () => {
    const backoff = linearBackoff({ initialMs: 100, stepMs: 50, maxMs: 220, jitter: "none" });
    expect(delays(backoff, 4, lowest)).toEqual([100, 150, 200, 220]);
  });

  it("grows by its first delay and with full jitter by default", () => {
    const backoff = linearBackoff();
    expect(delays(backoff, 3, drawing(0.5))).toEqual([50, 100, 150]);
    expect(backoff(1000, highest, 0)).toBeCloseTo(10_000);
  });

  itRefuses(
    [
      () => linearBackoff({ initialMs: -1 }),
      "`linearBackoff.initialMs` must be a number of at least 0 and at most 2147483647, got -1",
    ],
    [
      () => linearBackoff({ stepMs: Number.NaN }),
      "`linearBackoff.stepMs` must be a number of at least 0 and at most 2147483647, got NaN",
    ],
    [
      () => linearBackoff({ maxMs: 99 }),
      "`linearBackoff.maxMs` must be a number of at least 100 and at most 2147483647, got 99",
    ],
    [
      () => linearBackoff({ jitter: "decorrelated" as "full" }),
      '`linearBackoff.jitter` must be "full", "equal" or "none", got "decorrelated"',
    ],
  );
});

describe("constantBackoff", () => {
  it("is the same every time by default, and spread with jitter", () => {
    expect(delays(constantBackoff({ delayMs: 100 }), 2, drawing(0.5))).toEqual([100, 100]);
    expect(delays(constantBackoff({ delayMs: 100, jitter: "full" }), 2, drawing(0.5))).toEqual([50, 50]);
    expect(delays(constantBackoff({ delayMs: 100, jitter: "equal" }), 2, drawing(0.5))).toEqual([75, 75]);
  });

  itRefuses([
    () => constantBackoff({ delayMs: 1, jitter: "half" as "full" }),
    '`constantBackoff.jitter` must be "full", "equal" or "none", got "half"',
  ]);
});
