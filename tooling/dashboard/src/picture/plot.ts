// The frame of what is drawn over time: axes, grid, legend.
import type { Range } from "./data.ts";
import { format, ticks } from "./format.ts";
import { type Box, ink, path, rect, text, widthOf } from "./svg.ts";

export interface Legend {
  readonly name: string;
  readonly color: string;
}

const legendLine = 15;

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
  const svg = shown.map((line, at) => legendLineOf(line, box.x, top + at * legendLine + 11)).join("");
  return { svg, rest: { ...box, h: box.h - shown.length * legendLine - 4 } };
}

function legendLineOf(line: readonly Legend[], left: number, y: number): string {
  let x = left;
  let svg = "";
  for (const { name, color } of line) {
    svg += rect({ x, y: y - 5, w: 12, h: 3 }, color) + text(x + 16, y, name);
    x += widthOf(name) + 24;
  }
  return svg;
}

/** Where times are. */
export function timeScale({ startS, endS }: Range, box: Box): (timeS: number) => number {
  return (timeS) => box.x + ((timeS - startS) / (endS - startS)) * box.w;
}

/** Minutes and seconds since the start, below a box. */
export function timeAxis(range: Range, box: Box): string {
  const at = timeScale(range, box);
  const lengthS = range.endS - range.startS;
  const everyS = [5, 10, 15, 30, 60, 120].find((each) => lengthS / each <= box.w / 60) ?? 300;
  let svg = "";
  for (let s = 0; s <= lengthS; s += everyS) {
    const x = at(range.startS + s);
    const label = `${Math.floor(s / 60)}:${String(s % 60).padStart(2, "0")}`;
    svg += path(
      [
        [x, box.y],
        [x, box.y + box.h],
      ],
      `stroke="${ink.grid}" fill="none"`,
    );
    svg += text(x, box.y + box.h + 12, label, { anchor: "middle", size: 9 });
  }
  return svg;
}

/** The axis of values from 0 up, on the left of a box, and where values are. */
export function valueAxis(box: Box, max: number, unit: string): { svg: string; y: (value: number) => number } {
  const values = ticks(max, Math.max(2, Math.floor(box.h / 35)), unit);
  const top = Math.max(values.at(-1) ?? max, max);
  const y = (value: number) => box.y + box.h - (Math.min(value, top) / top) * box.h;
  const svg = values.map((value) => {
    const line = path(
      [
        [box.x, y(value)],
        [box.x + box.w, y(value)],
      ],
      `stroke="${ink.grid}" fill="none"`,
    );
    return line + text(box.x - 5, y(value) + 3, format(value, unit), { anchor: "end", size: 9 });
  });
  return { svg: svg.join(""), y };
}
