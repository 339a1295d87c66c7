// The dashboard as a whole: its variables, its rows, and what is marked on all of its panels.
import {
  AnnotationQueryBuilder,
  type Dashboard,
  DashboardBuilder,
  DashboardCursorSync,
  DatasourceVariableBuilder,
  type Panel,
  QueryVariableBuilder,
  RowBuilder,
  VariableRefresh,
  VariableSort,
} from "@grafana/grafana-foundation-sdk/dashboard";
import { datasource, type PanelSource } from "./panels.ts";
import { series } from "./queries.ts";
import { breakers } from "./rows/breakers.ts";
import { http } from "./rows/http.ts";
import { limits } from "./rows/limits.ts";
import { overview } from "./rows/overview.ts";
import { retry } from "./rows/retry.ts";
import { runtime } from "./rows/runtime.ts";

const rows: Readonly<Record<string, () => PanelSource[]>> = {
  Overview: overview,
  "Circuit breakers": breakers,
  "Retry and hedge": retry,
  Limits: limits,
  HTTP: http,
  "Node.js runtime": runtime,
};

/** The model that Grafana imports. */
export function dashboard(): Dashboard {
  const builder = new DashboardBuilder("Headgate")
    .uid("headgate")
    .description("Calls, and what circuit breakers, retries and limits do to them. Generated: see tooling/dashboard.")
    .tags(["headgate", "resilience"])
    .refresh("30s")
    .time({ from: "now-1h", to: "now" })
    .tooltip(DashboardCursorSync.Crosshair)
    .withVariable(new DatasourceVariableBuilder("datasource").label("Data source").type("prometheus"))
    .withVariable(labelVariable("job", "Job", "async_pipeline_active"))
    .withVariable(labelVariable("instance", "Instance", 'async_pipeline_active{job=~"$job"}'))
    .annotation(openings());
  for (const [title, panels] of Object.entries(rows)) {
    builder.withRow(new RowBuilder(title));
    for (const panel of panels()) builder.withPanel(panel);
  }
  const model = builder.build();
  // Rows are made with the id 0; Grafana tells panels apart by it.
  for (const [at, panel] of (model.panels ?? []).entries()) panel.id = at + 1;
  return model;
}

/** The panels that ask for something: all but the rows. */
export function panelsOf(model: Dashboard): Panel[] {
  return (model.panels ?? []).filter((panel): panel is Panel => panel.type !== "row");
}

/** A query of the dashboard, and where it is asked. */
export interface DashboardQuery {
  readonly title: string;
  readonly expr: string;
  /** What series are called; empty where nothing is drawn. */
  readonly legend: string;
}

/** Every query: those of panels, of what is marked on them, and of the variables. */
export function queriesOf(model: Dashboard): DashboardQuery[] {
  const ofPanels = panelsOf(model).flatMap(({ title = "", targets = [] }) =>
    targets.map((target) => {
      const { expr = "", legendFormat = "" } = target as { expr?: string; legendFormat?: string };
      return { title, expr, legend: legendFormat };
    }),
  );
  const ofMarks = (model.annotations?.list ?? []).map(({ name, expr = "" }) => ({ title: name, expr, legend: "" }));
  const ofVariables = (model.templating?.list ?? []).flatMap(({ name, definition = "" }) => {
    const expr = /^label_values\((.+), \w+\)$/.exec(definition)?.[1];
    return expr === undefined ? [] : [{ title: `variable ${name}`, expr, legend: "" }];
  });
  return [...ofPanels, ...ofMarks, ...ofVariables];
}

/** What is pushed may have no `instance`: all is `.*`, which matches that as well. */
function labelVariable(label: string, title: string, metric: string): QueryVariableBuilder {
  return new QueryVariableBuilder(label)
    .label(title)
    .datasource(datasource)
    .query({ qryType: 1, query: `label_values(${metric}, ${label})`, refId: `variable-${label}` })
    .definition(`label_values(${metric}, ${label})`)
    .refresh(VariableRefresh.OnTimeRangeChanged)
    .sort(VariableSort.AlphabeticalAsc)
    .multi(true)
    .includeAll(true)
    .allValue(".*")
    .current({ selected: true, text: ["All"], value: ["$__all"] });
}

/** When a circuit opened, on every panel. */
function openings(): AnnotationQueryBuilder {
  return new AnnotationQueryBuilder()
    .name("Circuits that opened")
    .datasource(datasource)
    .enable(true)
    .iconColor("red")
    .expr(`sum by (circuit_breaker_name) (increase(${series("circuit_breaker_open_total")}[1m])) > 0`)
    .step("60s")
    .titleFormat("{{circuit_breaker_name}} opened");
}
