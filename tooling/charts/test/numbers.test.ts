import { describe, expect, it } from "vitest";
import { digits, ticks } from "../src/numbers.ts";

describe("digits", () => {
  it.each([
    [1234, undefined, "1230"],
    [0.012345, undefined, "0.0123"],
    [0.012345, 1, "0.0"],
  ])("writes %d with %s decimals", (value, decimals, expected) => {
    expect(digits(value, decimals)).toBe(expected);
  });
});

describe("ticks", () => {
  it.each([
    [1, 4, 1, [0, 0.25, 0.5, 0.75, 1]],
    [83, 4, 1, [0, 25, 50, 75, 100]],
    [0.6, 3, 1, [0, 0.2, 0.4, 0.6]],
    [1700, 2, 1024, [0, 1024, 2048]],
  ])("are round up to %d", (max, count, base, expected) => {
    const found = ticks(max, count, base);
    expect(found).toHaveLength(expected.length);
    for (const [at, value] of expected.entries()) expect(found[at]).toBeCloseTo(value, 9);
  });
});
