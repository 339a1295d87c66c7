import { lowerPriority, type PriorityClass, priorityClassOf, priorityLevelOf, toPriority } from "@headgate/core";
import { describe, expect, it } from "vitest";
import { itRefuses } from "../test/support/options.ts";
import { priorityClasses } from "./priority.ts";

describe("toPriority", () => {
  it("puts the classes around 0, which is what calls have that say nothing", () => {
    expect(priorityClasses.map((priorityClass) => toPriority(priorityClass))).toEqual([-256, -128, 0, 128, 256]);
    expect(toPriority("critical-plus", 127)).toBe(383);
    expect(toPriority("sheddable", 127)).toBe(-129);
  });

  itRefuses(
    [
      () => toPriority("high" as never),
      '`toPriority.priorityClass` must be "sheddable", "sheddable-plus", "normal", "critical" or "critical-plus", got "high"',
    ],
    [() => toPriority("normal", 128), "`toPriority.level` must be an integer from 0 to 127, got 128"],
    [() => toPriority("normal", -1), "`toPriority.level` must be an integer from 0 to 127, got -1"],
  );
});

describe("priorityClassOf", () => {
  it("gives back the class of every level", () => {
    for (const priorityClass of priorityClasses)
      for (const level of [0, 1, 64, 127])
        expect(priorityClassOf(toPriority(priorityClass, level))).toBe(priorityClass);
  });

  it.each<[number, PriorityClass]>([
    [5, "normal"],
    [0.5, "normal"],
    [-0.5, "sheddable-plus"],
    [-1000, "sheddable"],
    [1000, "critical-plus"],
    [Number.POSITIVE_INFINITY, "critical-plus"],
  ])("takes %d for %s", (priority, priorityClass) => {
    expect(priorityClassOf(priority)).toBe(priorityClass);
  });
});

describe("lowerPriority", () => {
  it("keeps the level and goes down one class, from the lowest one no further", () => {
    expect(lowerPriority(toPriority("critical-plus", 9))).toBe(toPriority("critical", 9));
    expect(lowerPriority()).toBe(toPriority("sheddable-plus"));
    expect(lowerPriority(toPriority("sheddable-plus", 127))).toBe(toPriority("sheddable", 127));
    expect(lowerPriority(toPriority("sheddable", 9))).toBe(toPriority("sheddable", 9));
  });
});

describe("priorityLevelOf", () => {
  it("is the same for the same text, and spreads others evenly over 1 to 127", () => {
    expect(priorityLevelOf("user 7")).toBe(priorityLevelOf("user 7"));
    const counts = new Map<number, number>();
    for (let i = 0; i < 12_700; i++) {
      const level = priorityLevelOf(`user ${i}`);
      counts.set(level, (counts.get(level) ?? 0) + 1);
    }
    expect([Math.min(...counts.keys()), Math.max(...counts.keys()), counts.size]).toEqual([1, 127, 127]);
    // 100 each; ten standard deviations of chance are 100.
    expect(Math.max(...counts.values())).toBeLessThan(150);
    expect(Math.min(...counts.values())).toBeGreaterThan(50);
  });
});
