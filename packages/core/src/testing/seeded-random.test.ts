import { SeededRandom } from "@headgate/core/testing";
import { describe, expect, it } from "vitest";

const draw = (seed: number, count: number) => {
  const random = new SeededRandom(seed);
  return Array.from({ length: count }, () => random.next());
};

describe("SeededRandom", () => {
  it("gives the same numbers for the same seed, on every runtime", () => {
    expect(draw(42, 3)).toEqual([0.6011037519201636, 0.44829055899754167, 0.8524657934904099]);
    expect(draw(42, 100)).toEqual(draw(42, 100));
  });

  it("gives others for another seed", () => {
    expect(draw(1, 10)).not.toEqual(draw(2, 10));
  });

  it("stays in [0, 1) and is spread evenly", () => {
    const drawn = draw(-7, 10_000);
    expect(Math.min(...drawn)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...drawn)).toBeLessThan(1);
    for (let tenth = 0; tenth < 10; tenth++) {
      const share = drawn.filter((value) => Math.floor(value * 10) === tenth).length / drawn.length;
      expect(share).toBeGreaterThan(0.08);
      expect(share).toBeLessThan(0.12);
    }
  });
});
