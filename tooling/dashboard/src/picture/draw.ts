// Draws a dashboard as Grafana lays it out, from what its queries have returned.
import type { Dashboard, Panel, RowPanel } from "@grafana/grafana-foundation-sdk/dashboard";
import { type Box, ink, page, panelIn, text } from "@headgate/charts";
import type { Range, Series } from "./data.ts";
import { drawHeatmap } from "./heatmap.ts";
import { drawStat } from "./stat.ts";
import { drawStateTimeline } from "./state-timeline.ts";
import { drawTimeseries } from "./timeseries.ts";

const pageWidth = 1400;
const column = (pageWidth - 8) / 24;
const line = 32;
const gap = 8;

/**
 * @param results the series of each panel, by its id
 * @returns an SVG document
 * @throws {Error} for a kind of panel that it cannot draw
 */
export function draw(model: Dashboard, results: ReadonlyMap<number, readonly Series[]>, range: Range): string {
  const panels = model.panels ?? [];
  const lines = Math.max(...panels.map(({ gridPos }) => (gridPos?.y ?? 0) + (gridPos?.h ?? 0)));
  const height = lines * line + gap;
  const drawn = panels.map((panel) => {
    const { x = 0, y = 0, w = 0, h = 0 } = panel.gridPos ?? {};
    const box = { x: x * column + gap, y: y * line + gap, w: w * column - gap, h: h * line - gap };
    return isRow(panel) ? drawRow(panel, box) : drawPanel(panel, results.get(panel.id ?? 0) ?? [], range, box);
  });
  return page(pageWidth, height, drawn);
}

function isRow(panel: Panel | RowPanel): panel is RowPanel {
  return panel.type === "row";
}

function drawRow({ title = "" }: RowPanel, box: Box): string {
  return text(box.x + 4, box.y + box.h * 0.75, title, { size: 15, fill: ink.text, weight: 600 });
}

function drawPanel(panel: Panel, series: readonly Series[], range: Range, box: Box): string {
  const { svg, rest } = panelIn(box, panel.title ?? "");
  const hasPoints = series.some(({ points }) => points.length > 0);
  return svg + (hasPoints ? drawContent(panel, series, range, rest) : drawNothing(rest));
}

function drawNothing({ x, y, w, h }: Box): string {
  return text(x + w / 2, y + h / 2, "No data", { anchor: "middle", size: 14 });
}

function drawContent(panel: Panel, series: readonly Series[], range: Range, box: Box): string {
  switch (panel.type) {
    case "timeseries":
      return drawTimeseries(panel, series, range, box);
    case "stat":
      return drawStat(panel, series, range, box);
    case "state-timeline":
      return drawStateTimeline(panel, series, range, box);
    case "heatmap":
      return drawHeatmap(series, range, box);
    default:
      throw new Error(`cannot draw a panel of the type ${panel.type}`);
  }
}
