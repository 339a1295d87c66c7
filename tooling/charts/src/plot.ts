// What stands around a drawing: its panel, its axes and its legend.
import { digits, ticks } from "./numbers.ts";
import { type Box, ink, line, rect, text, widthOf } from "./svg.ts";

export interface Legend {
  readonly name: string;
  readonly color: string;
}

/** What a drawing spans, in seconds. */
export interface Times {
  readonly startS: number;
  readonly endS: number;
}

/** What a drawing goes up to from 0, and how its values are written. */
export interface Values {
  readonly max: number;
  /** @default three digits */
  readonly format?: (value: number) => string;
  /** What round values are multiples of. @default 1 */
  readonly base?: number;
}

/** The axes and the legend of a drawing, and where in it times and values are. */
export interface Frame {
  readonly svg: string;
  readonly plot: Box;
  readonly x: (timeS: number) => number;
  readonly y: (value: number) => number;
}

const legendLine = 15;

/** A panel with its title, and the box that is left in it. */
export function panelIn(box: Box, title: string): { svg: string; rest: Box } {
  const svg =
    rect(box, ink.panel, ` stroke="${ink.grid}" rx="2"`) +
    text(box.x + 8, box.y + 16, title, { size: 12, fill: ink.text, weight: 500 });
  return { svg, rest: { x: box.x + 8, y: box.y + 24, w: box.w - 16, h: box.h - 30 } };
}

/** Values over times. */
export function frameIn(box: Box, times: Times, values: Values, legend: readonly Legend[]): Frame {
  const { svg: named, rest } = withLegend(box, legend);
  const plot = plotIn(rest);
  const { svg: axis, y } = valueAxis(plot, values);
  return { svg: timeAxis(times, plot) + axis + named, plot, x: timeScale(times, plot), y };
}

/** What axes of times and values leave of a box. */
export function plotIn({ x, y, w, h }: Box): Box {
  return { x: x + 46, y: y + 4, w: w - 54, h: h - 20 };
}

/** The legend at the bottom of a box, in as many lines as fit, and the box above it. */
export function withLegend(box: Box, entries: readonly Legend[], maxLines = 2): { svg: string; rest: Box } {
  const lines: Legend[][] = [[]];
  let x = 0;
  for (const entry of entries) {
    const width = widthOf(entry.name) + 24;
    if (x > 0 && x + width > box.w) {
      lines.push([]);
      x = 0;
    }
    lines.at(-1)?.push(entry);
    x += width;
  }
  const shown = lines.slice(0, maxLines);
  const top = box.y + box.h - shown.length * legendLine;
  const svg = shown.map((each, at) => legendLineOf(each, box.x, top + at * legendLine + 11)).join("");
  return { svg, rest: { ...box, h: box.h - shown.length * legendLine - 4 } };
}

function legendLineOf(entries: readonly Legend[], left: number, y: number): string {
  let x = left;
  let svg = "";
  for (const { name, color } of entries) {
    svg += rect({ x, y: y - 5, w: 12, h: 3 }, color) + text(x + 16, y, name);
    x += widthOf(name) + 24;
  }
  return svg;
}

/** Where times are. */
export function timeScale({ startS, endS }: Times, box: Box): (timeS: number) => number {
  return (timeS) => box.x + ((timeS - startS) / (endS - startS)) * box.w;
}

/** Minutes and seconds since the start, below a box. */
export function timeAxis(times: Times, box: Box): string {
  const at = timeScale(times, box);
  const lengthS = times.endS - times.startS;
  const everyS = [5, 10, 15, 30, 60, 120].find((each) => lengthS / each <= box.w / 60) ?? 300;
  let svg = "";
  for (let s = 0; s <= lengthS; s += everyS) {
    const x = at(times.startS + s);
    const label = `${Math.floor(s / 60)}:${String(s % 60).padStart(2, "0")}`;
    const mark = [
      [x, box.y],
      [x, box.y + box.h],
    ] as const;
    svg += line(mark, ink.grid) + text(x, box.y + box.h + 12, label, { anchor: "middle", size: 9 });
  }
  return svg;
}

/** The axis of values on the left of a box, and where values are: at its top, if they are above it. */
function valueAxis(box: Box, { max, format = digits, base }: Values): { svg: string; y: (value: number) => number } {
  const values = ticks(max, Math.max(2, Math.floor(box.h / 35)), base);
  const top = Math.max(values.at(-1) ?? max, max);
  const y = (value: number) => box.y + box.h - (Math.min(value, top) / top) * box.h;
  const svg = values.map(
    (value) =>
      level(box, y(value), ink.grid) + text(box.x - 5, y(value) + 3, format(value), { anchor: "end", size: 9 }),
  );
  return { svg: svg.join(""), y };
}

/** A level line across a box. */
export function level({ x, w }: Box, y: number, color: string, more?: string): string {
  const ends = [
    [x, y],
    [x + w, y],
  ] as const;
  return line(ends, color, more);
}
