import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { dashboard, panelsOf } from "../src/dashboard.ts";
import { piecesOf, seriesOf } from "../src/picture/data.ts";
import { draw } from "../src/picture/draw.ts";
import { format } from "../src/picture/format.ts";

const range = { startS: 100, endS: 160, stepS: 2 };

describe("seriesOf", () => {
  it("is called after its labels, and has the numbers", () => {
    const result = {
      metric: { a: "x", b: "y" },
      values: [
        [100, "1.5"],
        [102, "NaN"],
        [104, "+Inf"],
        [106, "2"],
      ],
    } as const;
    expect(seriesOf("{{a}} of {{b}}{{c}}", result)).toEqual({
      name: "x of y",
      points: [
        [100, 1.5],
        [106, 2],
      ],
    });
  });
});

describe("piecesOf", () => {
  it("breaks where a time has no value", () => {
    const points = [
      [100, 1],
      [102, 2],
      [106, 3],
    ] as const;
    expect(piecesOf({ name: "", points }, range)).toEqual([
      [
        [100, 1],
        [102, 2],
      ],
      [[106, 3]],
    ]);
  });
});

describe("format", () => {
  it.each([
    [0.9991, "percentunit", 2, "99.91 %"],
    [0.00123, "s", undefined, "1.23 ms"],
    [2.5, "s", undefined, "2.5 s"],
    [0, "s", undefined, "0 s"],
    [12.345, "reqps", 1, "12.3/s"],
    [3 * 2 ** 20, "bytes", undefined, "3 MiB"],
    [1234, "short", undefined, "1230"],
    [7, "short", 0, "7"],
  ])("writes %d %s", (value, unit, decimals, expected) => {
    expect(format(value, unit, decimals)).toBe(expected);
  });
});

describe("draw", () => {
  const points = Array.from({ length: 31 }, (_, at) => [100 + 2 * at, at % 4] as const);
  const model = dashboard();
  const titles = panelsOf(model).map(({ title }) => title ?? "");

  it("draws every panel, with its series", () => {
    const results = new Map(panelsOf(model).map(({ id }) => [id ?? 0, [{ name: `series<${id}>`, points }]]));
    const svg = draw(model, results, range);
    for (const title of titles) expect(svg).toContain(`>${title}</text>`);
    for (const { id, type } of panelsOf(model)) {
      const named = type === "timeseries" || type === "state-timeline";
      if (named) expect(svg).toContain(`series&lt;${id}&gt;`);
    }
    expect(svg).not.toMatch(/NaN|undefined|Infinity|No data/);
  });

  it("has drawn what is committed in docs/guides: every panel, with data (npm run demo:dashboard)", () => {
    const committed = readFileSync(new URL("../../../docs/guides/observe-dashboard.svg", import.meta.url), "utf8");
    for (const title of titles) expect(committed).toContain(`>${title}</text>`);
    expect(committed).not.toMatch(/NaN|undefined|Infinity|No data/);
  });

  it("says where there is nothing to draw", () => {
    const svg = draw(model, new Map(), range);
    for (const title of titles) expect(svg).toContain(`>${title}</text>`);
    expect(svg.match(/No data/g)).toHaveLength(panelsOf(model).length);
    expect(svg).not.toMatch(/NaN|undefined|Infinity/);
  });

  it("does not guess how to draw a panel that it does not know", () => {
    const [, first] = model.panels ?? [];
    const other = { ...model, panels: [{ ...first, type: "pie" }] };
    expect(() => draw(other, new Map([[first?.id ?? 0, [{ name: "", points }]]]), range)).toThrow(
      "cannot draw a panel of the type pie",
    );
  });
});
