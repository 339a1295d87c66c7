// Lines, areas on top of each other, and bars.
import type { Panel } from "@grafana/grafana-foundation-sdk/dashboard";
import { type Box, frameIn, type Legend, level, line, path, rect } from "@headgate/charts";
import { colorOf, paletteColor } from "./colors.ts";
import { piecesOf, type Range, type Series } from "./data.ts";
import { baseOf, format } from "./format.ts";

/** A series over what lies below it. */
interface Layer extends Legend {
  readonly series: Series;
  readonly below: (timeS: number) => number;
}

export function drawTimeseries(panel: Panel, all: readonly Series[], range: Range, box: Box): string {
  const defaults = panel.fieldConfig?.defaults ?? {};
  const custom = (defaults.custom ?? {}) as { drawStyle?: string; stacking?: { mode?: string } };
  const unit = defaults.unit ?? "short";
  const shown = all.filter(({ points }) => points.length > 0);
  const layers = layersOf(shown, custom.stacking?.mode === "normal", fixedColors(panel));
  const limits = (defaults.thresholds?.steps ?? []).filter(
    ({ value, color }) => value !== null && color !== "transparent",
  );
  const hasLimits = "thresholdsStyle" in custom;
  const values = layers.flatMap(({ series, below }) => series.points.map(([timeS, value]) => value + below(timeS)));
  const highest = Math.max(...values, ...(hasLimits ? limits.map(({ value }) => value ?? 0) : []), 0);
  const max = Math.min(highest || 1, defaults.max ?? Number.POSITIVE_INFINITY);
  const axis = { max, format: (value: number) => format(value, unit), base: baseOf(unit) };
  const { svg, plot, x, y } = frameIn(box, range, axis, layers);
  const draw = custom.drawStyle === "bars" ? drawBars : drawArea;
  const marks = layers.map((layer) => draw(layer, { range, x, y }));
  const dashes = hasLimits
    ? limits.map(({ value, color }) => level(plot, y(value ?? 0), colorOf(color), ' stroke-dasharray="6 4"'))
    : [];
  return [svg, ...marks, ...dashes].join("");
}

function layersOf(all: readonly Series[], stacked: boolean, fixed: ReadonlyMap<string, string>): Layer[] {
  const heights = new Map<number, number>();
  return all.map((series, at) => {
    const under = new Map(heights);
    if (stacked) for (const [timeS, value] of series.points) heights.set(timeS, (heights.get(timeS) ?? 0) + value);
    const color = fixed.get(series.name) ?? paletteColor(at);
    return { name: series.name, color, series, below: (timeS) => (stacked ? (under.get(timeS) ?? 0) : 0) };
  });
}

/** Colours that the panel gives to series by their names. */
function fixedColors(panel: Panel): Map<string, string> {
  const colors = new Map<string, string>();
  for (const { matcher, properties } of panel.fieldConfig?.overrides ?? []) {
    const color = properties.find(({ id }) => id === "color")?.value as { fixedColor?: string } | undefined;
    if (color?.fixedColor !== undefined) colors.set(String(matcher.options), colorOf(color.fixedColor));
  }
  return colors;
}

interface Place {
  readonly range: Range;
  readonly x: (timeS: number) => number;
  readonly y: (value: number) => number;
}

function drawArea({ series, below, color }: Layer, { range, x, y }: Place): string {
  return piecesOf(series, range)
    .map((piece) => {
      const top = piece.map(([timeS, value]) => [x(timeS), y(value + below(timeS))] as const);
      const base = piece.map(([timeS]) => [x(timeS), y(below(timeS))] as const).toReversed();
      const area = path([...top, ...base], `fill="${color}" fill-opacity="0.15"`);
      return area + line(top, color, ' stroke-width="1.3" stroke-linejoin="round"');
    })
    .join("");
}

function drawBars({ series, below, color }: Layer, { range, x, y }: Place): string {
  const width = (x(range.startS + range.stepS) - x(range.startS)) * 0.8;
  return series.points
    .filter(([, value]) => value > 0)
    .map(([timeS, value]) => {
      const [top, bottom] = [y(value + below(timeS)), y(below(timeS))];
      return rect({ x: x(timeS) - width / 2, y: top, w: width, h: bottom - top }, color, ' fill-opacity="0.8"');
    })
    .join("");
}
