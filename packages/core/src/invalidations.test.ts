import { describe, expect, it } from "vitest";
import { Invalidations } from "./invalidations.ts";

describe("Invalidations", () => {
  it("tells what was invalidated after a moment, and nothing else", () => {
    const invalidations = new Invalidations();
    const before = invalidations.last;
    invalidations.add("a");
    const after = invalidations.last;
    expect([invalidations.since(before, "a"), invalidations.since(before, "b")]).toEqual([true, false]);
    expect(invalidations.since(after, "a")).toBe(false);
    invalidations.add("a");
    expect(invalidations.since(after, "a")).toBe(true);
  });

  it("takes what began before those it still knows for invalidated", () => {
    const invalidations = new Invalidations();
    const before = invalidations.last;
    for (let i = 0; i <= 1000; i++) invalidations.add(`key ${i}`);
    expect([invalidations.since(before, "other"), invalidations.since(before + 1, "other")]).toEqual([true, false]);
    expect(invalidations.since(before, "key 0")).toBe(true);
  });
});
