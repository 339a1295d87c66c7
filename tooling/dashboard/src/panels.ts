// The few shapes of panels that the dashboard is made of, each with the settings that they share.
import type { Builder, Dataquery } from "@grafana/grafana-foundation-sdk/cog";
import {
  BigValueColorMode,
  BigValueGraphMode,
  GraphDrawStyle,
  GraphThresholdsStyleConfigBuilder,
  GraphThresholdsStyleMode,
  LegendDisplayMode,
  LegendPlacement,
  ReduceDataOptionsBuilder,
  SortOrder,
  StackingConfigBuilder,
  StackingMode,
  TooltipDisplayMode,
  VisibilityMode,
  VizLegendOptionsBuilder,
  VizTooltipOptionsBuilder,
} from "@grafana/grafana-foundation-sdk/common";
import {
  FieldColorBuilder,
  FieldColorModeId,
  MappingType,
  type Panel,
  ThresholdsConfigBuilder,
  ThresholdsMode,
} from "@grafana/grafana-foundation-sdk/dashboard";
import {
  HeatmapColorMode,
  HeatmapColorOptionsBuilder,
  PanelBuilder as HeatmapBuilder,
  YAxisConfigBuilder,
} from "@grafana/grafana-foundation-sdk/heatmap";
import { DataqueryBuilder, PromQueryFormat } from "@grafana/grafana-foundation-sdk/prometheus";
import { PanelBuilder as StatBuilder } from "@grafana/grafana-foundation-sdk/stat";
import { PanelBuilder as StateTimelineBuilder } from "@grafana/grafana-foundation-sdk/statetimeline";
import { PanelBuilder as TimeseriesBuilder } from "@grafana/grafana-foundation-sdk/timeseries";

export type PanelSource = Builder<Panel>;

/** PromQL, and what a series of its result is called: `{{label}}` stands for the value of a label. */
export type Query = readonly [expr: string, legend: string];

export const datasource = { type: "prometheus", uid: "${datasource}" } as const;

interface PanelOptions {
  readonly title: string;
  /** What the panel shows, for who does not know the metric. */
  readonly description: string;
  readonly queries: readonly Query[];
  /** Of 24 columns. */
  readonly width: number;
  /** Grafana's name of the unit. */
  readonly unit: string;
  readonly max?: number;
}

type Step = readonly [from: number | null, color: string];

interface TimeseriesOptions extends PanelOptions {
  /** A dashed line across. */
  readonly limit?: readonly [at: number, color: string];
  /** Areas on top of each other. @default false */
  readonly stacked?: boolean;
  /** Bars instead of lines, for what happens now and then. @default false */
  readonly bars?: boolean;
  /** Colours by the name of a series. */
  readonly colors?: Readonly<Record<string, string>>;
}

export function timeseries(options: TimeseriesOptions): PanelSource {
  const { stacked = false, bars = false, colors = {}, limit } = options;
  const panel = common(new TimeseriesBuilder(), options)
    .height(7)
    .colorScheme(new FieldColorBuilder().mode(FieldColorModeId.PaletteClassic))
    .min(0)
    .drawStyle(bars ? GraphDrawStyle.Bars : GraphDrawStyle.Line)
    .lineWidth(1)
    .fillOpacity(stacked || bars ? 40 : 10)
    .showPoints(VisibilityMode.Never)
    .stacking(new StackingConfigBuilder().mode(stacked ? StackingMode.Normal : StackingMode.None).group("A"))
    .legend(legend())
    .tooltip(new VizTooltipOptionsBuilder().mode(TooltipDisplayMode.Multi).sort(SortOrder.Descending))
    .targets(targets(options.queries));
  if (options.max !== undefined) panel.max(options.max);
  if (limit !== undefined) {
    panel
      .thresholds(thresholds([[null, "transparent"], limit]))
      .thresholdsStyle(new GraphThresholdsStyleConfigBuilder().mode(GraphThresholdsStyleMode.Dashed));
  }
  for (const [name, fixedColor] of Object.entries(colors)) {
    panel.overrideByName(name, [{ id: "color", value: { mode: "fixed", fixedColor } }]);
  }
  return panel;
}

interface StatOptions extends PanelOptions {
  /** Ascending; a value takes the colour of the last step that it reaches. The first holds from -Inf. */
  readonly steps?: readonly Step[];
  readonly decimals?: number;
}

/** The last value, big, over its course. */
export function stat(options: StatOptions): PanelSource {
  const panel = common(new StatBuilder(), options)
    .height(4)
    .colorScheme(new FieldColorBuilder().mode(FieldColorModeId.Thresholds))
    .colorMode(BigValueColorMode.Value)
    .graphMode(BigValueGraphMode.Area)
    .reduceOptions(new ReduceDataOptionsBuilder().calcs(["lastNotNull"]).values(false))
    .thresholds(thresholds(options.steps ?? [[null, "blue"]]))
    .targets(targets(options.queries));
  if (options.decimals !== undefined) panel.decimals(options.decimals);
  if (options.max !== undefined) panel.max(options.max);
  return panel;
}

interface StatesOptions extends Omit<PanelOptions, "unit"> {
  /** What each value means. */
  readonly states: Readonly<Record<number, { readonly text: string; readonly color: string }>>;
}

/** Which state each series was in, and when. */
export function stateTimeline(options: StatesOptions): PanelSource {
  const mapped = Object.entries(options.states).map(([value, { text, color }], index) => [
    value,
    { text, color, index },
  ]);
  return common(new StateTimelineBuilder(), { ...options, unit: "short" })
    .height(7)
    .mappings([{ type: MappingType.ValueToText, options: Object.fromEntries(mapped) }])
    .mergeValues(true)
    .showValue(VisibilityMode.Auto)
    .rowHeight(0.8)
    .legend(legend())
    .targets(targets(options.queries));
}

/** How the values of a histogram are spread over its buckets. The query sums buckets by `le`. */
export function heatmap(options: PanelOptions): PanelSource {
  return common(new HeatmapBuilder(), options)
    .height(7)
    .calculate(false)
    .color(new HeatmapColorOptionsBuilder().mode(HeatmapColorMode.Scheme).scheme("Blues").steps(64))
    .yAxis(new YAxisConfigBuilder().unit(options.unit).reverse(false))
    .targets(options.queries.map((query, at) => target(query, at).format(PromQueryFormat.Heatmap)));
}

interface AnyPanelBuilder {
  title(title: string): this;
  description(description: string): this;
  span(width: number): this;
  unit(unit: string): this;
  datasource(source: typeof datasource): this;
}

function common<B extends AnyPanelBuilder>(builder: B, options: PanelOptions): B {
  const { title, description, width, unit } = options;
  return builder.title(title).description(description).span(width).unit(unit).datasource(datasource);
}

function targets(queries: readonly Query[]): Builder<Dataquery>[] {
  return queries.map(target);
}

function target([expr, legend]: Query, at: number): DataqueryBuilder {
  const refId = "ABCDEFGH".charAt(at);
  return new DataqueryBuilder().refId(refId).expr(expr).legendFormat(legend).range();
}

function legend(): VizLegendOptionsBuilder {
  return new VizLegendOptionsBuilder()
    .displayMode(LegendDisplayMode.List)
    .placement(LegendPlacement.Bottom)
    .showLegend(true);
}

function thresholds(steps: readonly Step[]): ThresholdsConfigBuilder {
  return new ThresholdsConfigBuilder()
    .mode(ThresholdsMode.Absolute)
    .steps(steps.map(([value, color]) => ({ value, color })));
}
