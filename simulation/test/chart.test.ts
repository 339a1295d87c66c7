import { describe, expect, it } from "vitest";
import { chart } from "../src/chart.ts";
import { PhaseMeasure } from "../src/measures.ts";
import { figuresOf, markdown, percent } from "../src/table.ts";

describe("chart", () => {
  const slices = [0, 1000].map((startMs) => ({
    startMs,
    durationMs: 1000,
    offered: 20,
    good: 10,
    latencySumMs: 500,
    limit: 5,
  }));

  it("draws a panel for throughput, limit and latency, with a line for each run", () => {
    const svg = chart("A: overload", [
      { name: "one", color: "#123456", slices },
      { name: "other", color: "#654321", slices },
    ]);
    expect(svg.match(/stroke-width/g)).toHaveLength(7);
    expect(svg).toContain("A: overload");
    expect(svg).not.toMatch(/NaN|undefined|Infinity/);
  });
});

describe("tables", () => {
  it("takes the second half's goodput and median, the whole's timeouts and the worst of healthy phases", () => {
    const phase = (good: number, refused: number, timedOut: number) => {
      const measure = new PhaseMeasure(1000);
      measure.offered = good + refused + timedOut;
      for (let i = 0; i < good; i++) measure.count("good", i);
      for (let i = 0; i < refused; i++) measure.count("refused", 0);
      for (let i = 0; i < timedOut; i++) measure.count("timed-out", 0);
      return measure;
    };
    const result = (refused: number) => ({
      phases: { calm: phase(10, refused, 0), trouble: phase(9, 1, 0) },
      whole: { calm: phase(10, 0, 0), trouble: phase(5, 0, 5) },
      slices: [],
      limits: [],
      attempts: 0,
    });
    const scenario = {
      name: "X",
      about: "",
      workers: 1,
      service: () => 1,
      phases: [
        { name: "calm", seconds: 1, perSecond: 1, healthy: true },
        { name: "trouble", seconds: 1, perSecond: 1 },
      ],
    };
    expect(figuresOf(scenario, [result(0), result(10)])).toEqual({
      goodPerSecond: 9,
      medianMs: 4,
      timedOutShare: 0.5,
      healthyRefused: 0.5,
    });
  });

  it("writes Markdown and shares", () => {
    expect(markdown(["a", "b"], [["1", "2"]])).toBe("| a | b |\n| --- | --- |\n| 1 | 2 |");
    expect([percent(0), percent(0.0012), percent(0.5)]).toEqual(["0.0 %", "0.12 %", "50.0 %"]);
  });
});
