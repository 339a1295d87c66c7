// Lines over time, in panels under each other.
import { frameIn, panelIn } from "./plot.ts";
import { type Box, ink, line, page, text } from "./svg.ts";

export interface Line {
  readonly name: string;
  readonly color: string;
  readonly values: readonly number[];
}

export interface Panel {
  readonly title: string;
  readonly lines: readonly Line[];
  /** What the axis goes up to at least; what is above it is cut off. */
  readonly top: number;
}

const width = 860;
const panelHeight = 215;
const head = 40;
const gap = 8;

/** A top for the axis that leaves out the highest twentieth of outliers, unless they are near. */
export function topOf(lines: readonly Line[], outliers = 0.05): number {
  const values = lines.flatMap((each) => each.values).toSorted((a, b) => a - b);
  const most = values.at(-1) ?? 1;
  const usual = values[Math.floor(values.length * (1 - outliers))] ?? most;
  return Math.max(1, most <= 1.6 * usual ? most : 1.3 * usual) * 1.05;
}

/**
 * @param seconds how long the lines last; they begin and end together
 * @returns an SVG document
 */
export function chartOf(title: string, panels: readonly Panel[], seconds: number): string {
  const drawn = panels.map((each, at) => {
    const y = head + at * (panelHeight + gap);
    return drawPanel(each, { x: gap, y, w: width - 2 * gap, h: panelHeight }, seconds);
  });
  const name = text(gap + 4, 26, title, { size: 15, fill: ink.text, weight: 600 });
  return page(width, head + panels.length * (panelHeight + gap), [name, ...drawn]);
}

function drawPanel({ title, lines, top }: Panel, box: Box, seconds: number): string {
  const panel = panelIn(box, title);
  const frame = frameIn(panel.rest, { startS: 0, endS: seconds }, { max: top }, lines);
  const drawn = lines.map(({ color, values }) => {
    const stepS = seconds / Math.max(1, values.length - 1);
    const points = values.map((value, at) => [frame.x(at * stepS), frame.y(value)] as const);
    return line(points, color, ' stroke-width="1.3" stroke-linejoin="round"');
  });
  return panel.svg + frame.svg + drawn.join("");
}
