// Lines over time, in panels under each other, as SVG.

export interface Line {
  readonly name: string;
  readonly color: string;
  readonly values: readonly number[];
}

export interface Panel {
  readonly title: string;
  readonly lines: readonly Line[];
  /** What the axis goes up to; what is above it is cut off. */
  readonly top: number;
}

const width = 860;
const panelHeight = 130;
const left = 56;
const right = 190;
const gap = 34;

const text = (x: number, y: number, content: string, more = "") =>
  `<text x="${x}" y="${y}" font-family="sans-serif" font-size="11" fill="#444" ${more}>${content}</text>`;

const rounded = (value: number) => (value >= 10 ? Math.round(value) : Math.round(value * 10) / 10);

/** A top for the axis that leaves out the highest twentieth of outliers, unless they are near. */
export function topOf(lines: readonly Line[], outliers = 0.05): number {
  const values = lines.flatMap((line) => line.values).toSorted((a, b) => a - b);
  const most = values.at(-1) ?? 1;
  const usual = values[Math.floor(values.length * (1 - outliers))] ?? most;
  return Math.max(1, most <= 1.6 * usual ? most : 1.3 * usual) * 1.05;
}

function panel({ title, lines, top }: Panel, y: number, seconds: number): string {
  const plotWidth = width - left - right;
  const parts = [
    `<rect x="${left}" y="${y}" width="${plotWidth}" height="${panelHeight}" fill="none" stroke="#ccc"/>`,
    text(left, y - 6, title, 'font-weight="bold"'),
    text(left - 6, y + 10, String(rounded(top)), 'text-anchor="end"'),
    text(left - 6, y + panelHeight, "0", 'text-anchor="end"'),
    text(left + plotWidth, y + panelHeight + 14, `${seconds} s`, 'text-anchor="end"'),
  ];
  lines.forEach(({ name, color, values }, i) => {
    const points = values.map((value, at) => {
      const x = left + (at / Math.max(1, values.length - 1)) * plotWidth;
      const height = (Math.min(value, top) / top) * panelHeight;
      return `${x.toFixed(1)},${(y + panelHeight - height).toFixed(1)}`;
    });
    parts.push(`<polyline points="${points.join(" ")}" fill="none" stroke="${color}" stroke-width="1.3"/>`);
    const legendY = y + 12 + i * 16;
    parts.push(`<rect x="${width - right + 12}" y="${legendY - 8}" width="12" height="3" fill="${color}"/>`);
    parts.push(text(width - right + 30, legendY - 3, name));
  });
  return parts.join("\n");
}

/** `seconds` is how long the lines last; they begin and end together. */
export function chartOf(title: string, panels: readonly Panel[], seconds: number): string {
  const height = 44 + panels.length * (panelHeight + gap);
  const body = panels.map((each, i) => panel(each, 50 + i * (panelHeight + gap), seconds));
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}">`,
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    `<text x="${left}" y="22" font-family="sans-serif" font-size="14" fill="#111">${title}</text>`,
    ...body,
    "</svg>",
    "",
  ].join("\n");
}
