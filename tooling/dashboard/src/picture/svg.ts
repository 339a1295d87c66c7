// The little of SVG that the drawings need.

export interface Box {
  readonly x: number;
  readonly y: number;
  readonly w: number;
  readonly h: number;
}

export const ink = { text: "#24292e", faint: "#6e7781", grid: "#e4e7eb", page: "#f4f5f5", panel: "#ffffff" } as const;

/** Grafana's names of colours. */
const named: Readonly<Record<string, string>> = {
  green: "#3e9c46",
  red: "#d83b4d",
  orange: "#f08a24",
  yellow: "#e3b505",
  blue: "#3274d9",
  purple: "#8f5fd0",
};

/** For series that have no colour of their own. */
const palette = ["#3e9c46", "#e3b505", "#3274d9", "#f08a24", "#d83b4d", "#8f5fd0", "#2aa5a0", "#b0569c", "#8a7a4a"];

export function colorOf(name: string): string {
  return named[name] ?? name;
}

export function paletteColor(at: number): string {
  return palette[at % palette.length] ?? ink.text;
}

export function rect({ x, y, w, h }: Box, fill: string, more = ""): string {
  return `<rect x="${px(x)}" y="${px(y)}" width="${px(w)}" height="${px(h)}" fill="${fill}"${more}/>`;
}

interface TextOptions {
  readonly size?: number;
  readonly fill?: string;
  readonly anchor?: "start" | "middle" | "end";
  readonly weight?: number;
}

export function text(x: number, y: number, content: string, options: TextOptions = {}): string {
  const { size = 10, fill = ink.faint, anchor = "start", weight = 400 } = options;
  const style = `font-size="${size}" fill="${fill}" text-anchor="${anchor}" font-weight="${weight}"`;
  return `<text x="${px(x)}" y="${px(y)}" ${style}>${escape(content)}</text>`;
}

/** About as wide as the text will be: fonts differ. */
export function widthOf(content: string, size = 10): number {
  return content.length * size * 0.63;
}

export function path(points: readonly (readonly [x: number, y: number])[], attributes: string): string {
  return `<path d="M${straightened(points)
    .map(([x, y]) => `${px(x)} ${px(y)}`)
    .join("L")}" ${attributes}/>`;
}

/** Without what lies on a level line between its neighbours. */
function straightened(points: readonly (readonly [x: number, y: number])[]): (readonly [x: number, y: number])[] {
  return points.filter(([, y], at) => y !== points[at - 1]?.[1] || y !== points[at + 1]?.[1]);
}

export function px(value: number): string {
  return String(Math.round(value * 10) / 10);
}

function escape(content: string): string {
  return content.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
