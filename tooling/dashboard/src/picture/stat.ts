// The last value, big, over its course.
import type { Panel } from "@grafana/grafana-foundation-sdk/dashboard";
import type { Range, Series } from "./data.ts";
import { format } from "./format.ts";
import { timeScale } from "./plot.ts";
import { type Box, colorOf, path, text } from "./svg.ts";

export function drawStat(panel: Panel, all: readonly Series[], range: Range, box: Box): string {
  const defaults = panel.fieldConfig?.defaults ?? {};
  const points = all[0]?.points ?? [];
  const last = points.at(-1)?.[1] ?? 0;
  const middle = box.x + box.w / 2;
  const steps = defaults.thresholds?.steps ?? [];
  const color = colorOf(steps.findLast(({ value }) => value === null || last >= value)?.color ?? "blue");
  const highest = Math.max(...points.map(([, value]) => value)) || 1;
  const x = timeScale(range, box);
  const bottom = box.y + box.h;
  const line = points.map(([timeS, value]) => [x(timeS), bottom - (value / highest) * box.h * 0.35] as const);
  const [first] = line;
  const end = line.at(-1);
  const area = first && end ? [[first[0], bottom] as const, ...line, [end[0], bottom] as const] : line;
  return [
    path(area, `fill="${color}" fill-opacity="0.15"`),
    path(line, `stroke="${color}" fill="none"`),
    text(middle, box.y + box.h * 0.5, format(last, defaults.unit ?? "short", defaults.decimals), {
      anchor: "middle",
      size: 26,
      fill: color,
      weight: 600,
    }),
  ].join("");
}
