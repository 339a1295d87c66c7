// Drawings of what goes on over time, as SVG: charts as a whole, and what they are made of.
export { chartOf, type Line, type Panel, topOf } from "./chart.ts";
export { digits } from "./numbers.ts";
export { frameIn, type Legend, level, panelIn, plotIn, timeAxis, timeScale, type Times, withLegend } from "./plot.ts";
export { type Box, ink, line, page, path, rect, text, widthOf } from "./svg.ts";
