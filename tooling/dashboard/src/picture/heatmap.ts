// How many values fell into each bucket, and when: the darker, the more.
import { type Box, plotIn, rect, text, timeAxis, timeScale } from "@headgate/charts";
import type { Range, Series } from "./data.ts";

/** The series are a histogram's, named by the upper bounds of their buckets: each holds those below it as well. */
export function drawHeatmap(all: readonly Series[], range: Range, box: Box): string {
  const bound = ({ name }: Series) => Number(name.replace("+Inf", "Infinity"));
  const buckets = all.toSorted((a, b) => bound(a) - bound(b));
  const plot = plotIn(box);
  const x = timeScale(range, plot);
  const height = plot.h / Math.max(buckets.length, 1);
  const cells = buckets.flatMap((bucket, at) => {
    const below = new Map(buckets[at - 1]?.points);
    const y = plot.y + plot.h - (at + 1) * height;
    return bucket.points.map(([timeS, value]) => ({ timeS, y, count: Math.max(0, value - (below.get(timeS) ?? 0)) }));
  });
  const most = Math.max(...cells.map(({ count }) => count), 1);
  const marks = cells
    .filter(({ count }) => count > 0.01)
    .map(({ timeS, y, count }) => {
      // A few among many are what one looks for: by its root a hundredth is still a tenth.
      const opacity = Math.max(0.08, Math.sqrt(count / most)).toFixed(2);
      const w = Math.min(x(timeS + range.stepS), plot.x + plot.w) - x(timeS);
      const cell = { x: x(timeS), y: y + 0.5, w, h: height - 1 };
      return rect(cell, "#1f5fbf", ` fill-opacity="${opacity}"`);
    });
  const names = buckets.map(({ name }, at) => {
    const label = name === "+Inf" ? "more" : `≤ ${name}`;
    return text(plot.x - 5, plot.y + plot.h - (at + 0.5) * height + 3, label, { anchor: "end", size: 9 });
  });
  return [timeAxis(range, plot), ...marks, ...names].join("");
}
