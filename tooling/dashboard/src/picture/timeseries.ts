// Lines, areas on top of each other, and bars.
import type { Panel } from "@grafana/grafana-foundation-sdk/dashboard";
import { piecesOf, type Range, type Series } from "./data.ts";
import { type Legend, timeAxis, timeScale, valueAxis, withLegend } from "./plot.ts";
import { type Box, colorOf, paletteColor, path, rect } from "./svg.ts";

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
  const { svg: legend, rest } = withLegend(box, layers);
  const plot = { x: rest.x + 46, y: rest.y + 4, w: rest.w - 54, h: rest.h - 20 };

  const limits = (defaults.thresholds?.steps ?? []).filter(
    ({ value, color }) => value !== null && color !== "transparent",
  );
  const hasLimits = "thresholdsStyle" in custom;
  const values = layers.flatMap(({ series, below }) => series.points.map(([timeS, value]) => value + below(timeS)));
  const highest = Math.max(...values, ...(hasLimits ? limits.map(({ value }) => value ?? 0) : []), 0);
  const axis = valueAxis(plot, Math.min(highest || 1, defaults.max ?? Number.POSITIVE_INFINITY), unit);
  const x = timeScale(range, plot);
  const draw = custom.drawStyle === "bars" ? drawBars : drawArea;
  const marks = layers.map((layer) => draw(layer, { range, x, y: axis.y }));
  const dashes = hasLimits
    ? limits.map(({ value, color }) => {
        const y = axis.y(value ?? 0);
        return path(
          [
            [plot.x, y],
            [plot.x + plot.w, y],
          ],
          `stroke="${colorOf(color)}" stroke-dasharray="6 4" fill="none"`,
        );
      })
    : [];
  return [timeAxis(range, plot), axis.svg, ...marks, ...dashes, legend].join("");
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
      const line = piece.map(([timeS, value]) => [x(timeS), y(value + below(timeS))] as const);
      const base = piece.map(([timeS]) => [x(timeS), y(below(timeS))] as const).toReversed();
      const area = path([...line, ...base], `fill="${color}" fill-opacity="0.15"`);
      return area + path(line, `stroke="${color}" stroke-width="1.3" fill="none" stroke-linejoin="round"`);
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
