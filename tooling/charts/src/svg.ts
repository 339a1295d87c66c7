// The little of SVG that the drawings need.

export interface Box {
  readonly x: number;
  readonly y: number;
  readonly w: number;
  readonly h: number;
}

export type Point = readonly [x: number, y: number];

export const ink = { text: "#24292e", faint: "#6e7781", grid: "#e4e7eb", page: "#f4f5f5", panel: "#ffffff" } as const;

/** An SVG document of this size in pixels. */
export function page(w: number, h: number, content: readonly string[]): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${w} ${h}" width="${w}" height="${h}"`,
    ` font-family="Inter, 'Helvetica Neue', Arial, 'DejaVu Sans', sans-serif">\n`,
    rect({ x: 0, y: 0, w, h }, ink.page),
    "\n",
    content.join("\n"),
    "\n</svg>\n",
  ].join("");
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

export function path(points: readonly Point[], attributes: string): string {
  return `<path d="M${straightened(points)
    .map(([x, y]) => `${px(x)} ${px(y)}`)
    .join("L")}" ${attributes}/>`;
}

/** A path that is not filled, straight from point to point. */
export function line(points: readonly Point[], color: string, more = ""): string {
  return path(points, `stroke="${color}"${more} fill="none"`);
}

/** Without what lies on a level line between its neighbours. */
function straightened(points: readonly Point[]): Point[] {
  return points.filter(([, y], at) => y !== points[at - 1]?.[1] || y !== points[at + 1]?.[1]);
}

function px(value: number): string {
  return String(Math.round(value * 10) / 10);
}

function escape(content: string): string {
  return content.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
