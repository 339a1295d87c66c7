// The last value, big, over its course.
import type { Panel } from "@grafana/grafana-foundation-sdk/dashboard";
import { type Box, line, path, text, timeScale } from "@headgate/charts";
import { colorOf } from "./colors.ts";
import type { Range, Series } from "./data.ts";
import { format } from "./format.ts";

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
  const course = points.map(([timeS, value]) => [x(timeS), bottom - (value / highest) * box.h * 0.35] as const);
  const [first] = course;
  const end = course.at(-1);
  const area = first && end ? [[first[0], bottom] as const, ...course, [end[0], bottom] as const] : course;
  return [
    path(area, `fill="${color}" fill-opacity="0.15"`),
    line(course, color),
    text(middle, box.y + box.h * 0.5, format(last, defaults.unit ?? "short", defaults.decimals), {
      anchor: "middle",
      size: 26,
      fill: color,
      weight: 600,
    }),
  ].join("");
}
