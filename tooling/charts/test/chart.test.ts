import { describe, expect, it } from "vitest";
import { chartOf, topOf } from "../src/chart.ts";

const line = (...values: number[]) => ({ name: "", color: "", values });

interface Place {
  readonly x: number;
  readonly y: number;
}

describe("chartOf", () => {
  const drawn = (...values: number[]) => chartOf("", [{ title: "", lines: [line(...values)], top: 100 }], 60);
  const pathsOf = (svg: string) =>
    [...svg.matchAll(/<path d="M([^"]+)"[^>]*stroke-width/g)].map(([, points]) => points);

  it("draws lines from the first second to the last, with what is above the top at the top", () => {
    const [plain = ""] = pathsOf(drawn(0, 100, 50));
    const [start, middle, end] = plain.split("L").map((point) => {
      const [x = Number.NaN, y = Number.NaN] = point.split(" ").map(Number);
      return { x, y };
    }) as [Place, Place, Place];
    expect(middle.x).toBeCloseTo((start.x + end.x) / 2, 0);
    expect(end.y).toBeCloseTo((start.y + middle.y) / 2, 0);
    expect([start.x < end.x, middle.y < start.y]).toEqual([true, true]);
    expect(pathsOf(drawn(0, 1000, 50))).toEqual([plain]);
  });

  it("writes what it is given as text", () => {
    const svg = chartOf("a < b", [{ title: "c & d", lines: [{ ...line(1, 2), name: "<e>" }], top: 2 }], 60);
    for (const text of ["a &lt; b", "c &amp; d", "&lt;e&gt;", ">0:00<", ">1:00<"]) expect(svg).toContain(text);
  });
});

describe("topOf", () => {
  it("lets single outliers not flatten the rest", () => {
    expect(topOf([line(...Array.from({ length: 99 }, () => 10), 1000)])).toBeCloseTo(13.65);
    expect(topOf([line(10, 12, 11)])).toBeCloseTo(12.6);
    expect(topOf([line()])).toBeGreaterThan(0);
  });
});
