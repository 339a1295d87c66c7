// A band for each series, in the colour of the state that it is in.
import type { Panel } from "@grafana/grafana-foundation-sdk/dashboard";
import { type Box, ink, rect, text, timeAxis, timeScale, widthOf, withLegend } from "@headgate/charts";
import { colorOf } from "./colors.ts";
import { piecesOf, type Range, type Series } from "./data.ts";

interface State {
  readonly text: string;
  readonly color: string;
}

export function drawStateTimeline(panel: Panel, all: readonly Series[], range: Range, box: Box): string {
  const states = statesOf(panel);
  const legend = [...states.values()].map((state) => ({ name: state.text, color: colorOf(state.color) }));
  const { svg, rest } = withLegend(box, legend);
  const left = Math.max(...all.map(({ name }) => widthOf(name)), 0) + 10;
  const plot = { x: rest.x + left, y: rest.y + 4, w: rest.w - left - 8, h: rest.h - 20 };
  const x = timeScale(range, plot);
  const height = plot.h / Math.max(all.length, 1);
  const bands = all.flatMap((series, at) => {
    const y = plot.y + at * height;
    const name = text(plot.x - 6, y + height / 2 + 3, series.name, { anchor: "end", fill: ink.text });
    const spans = spansOf(series, range).map(({ fromS, toS, value }) => {
      const state = states.get(value) ?? { text: String(value), color: ink.faint };
      const [start, end] = [x(fromS), Math.min(x(toS), plot.x + plot.w)];
      const fits = widthOf(state.text) + 8 < end - start;
      const band = rect({ x: start, y: y + height * 0.1, w: end - start, h: height * 0.8 }, colorOf(state.color));
      return (
        band + (fits ? text((start + end) / 2, y + height / 2 + 3, state.text, { anchor: "middle", fill: "#fff" }) : "")
      );
    });
    return [name, ...spans];
  });
  return [timeAxis(range, plot), ...bands, svg].join("");
}

function statesOf(panel: Panel): Map<number, State> {
  const [mapping] = panel.fieldConfig?.defaults.mappings ?? [];
  const options = (mapping?.type === "value" ? mapping.options : {}) as Readonly<Record<string, Partial<State>>>;
  const states = Object.entries(options).map(
    ([value, { text: name = value, color = ink.faint }]) => [Number(value), { text: name, color }] as const,
  );
  return new Map(states);
}

/** How long each value lasted. */
function spansOf(series: Series, range: Range): { fromS: number; toS: number; value: number }[] {
  const spans: { fromS: number; toS: number; value: number }[] = [];
  for (const piece of piecesOf(series, range)) {
    let open: { fromS: number; toS: number; value: number } | undefined;
    for (const [timeS, value] of piece) {
      if (open?.value !== value) {
        open = { fromS: timeS, toS: timeS, value };
        spans.push(open);
      }
      open.toS = timeS + range.stepS;
    }
  }
  return spans;
}
