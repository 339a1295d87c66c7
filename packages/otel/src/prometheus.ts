// The text format of Prometheus, with names as OpenTelemetry's specification translates them. Prometheus does the same
// with what it receives over OTLP, so that one dashboard serves both ways.
import type { Attributes, Metric, NumberMetric } from "./metrics.ts";

/** What `/metrics` has to answer as its `Content-Type`. */
export const prometheusContentType = "text/plain; version=0.0.4; charset=utf-8";

/** The content type of `toOpenMetricsText`. */
export const openMetricsContentType = "application/openmetrics-text; version=1.0.0; charset=utf-8";

export interface RenderedMetrics {
  readonly contentType: string;
  readonly text: string;
}

/** UCUM to what Prometheus calls it. `1` and what stands in braces add nothing. */
const unitSuffixes: Readonly<Record<string, string>> = { s: "_seconds", By: "_bytes" };

/** Renders metrics in the text exposition format 0.0.4. Series of a metric stand in the order of their labels. */
export function toPrometheusText(metrics: readonly Metric[]): string {
  return metrics.map((metric) => metricText(metric, false)).join("");
}

/**
 * Renders metrics as OpenMetrics 1.0. Series are those of the older format to the letter, the bounds of buckets included, so
 * that what a server has stored goes on whichever it asks for.
 */
export function toOpenMetricsText(metrics: readonly Metric[]): string {
  return `${metrics.map((metric) => metricText(metric, true)).join("")}# EOF\n`;
}

/** What to answer on `/metrics`: OpenMetrics for who asks for it in `Accept`, the older format for everybody else. */
export function renderMetrics(metrics: readonly Metric[], accept?: string | null): RenderedMetrics {
  return accept?.includes("application/openmetrics-text")
    ? { contentType: openMetricsContentType, text: toOpenMetricsText(metrics) }
    : { contentType: prometheusContentType, text: toPrometheusText(metrics) };
}

function metricText(metric: Metric, open: boolean): string {
  if (metric.points.length === 0) return "";
  const name = prometheusName(metric);
  const series = metric.kind === "histogram" ? histogramSeries(name, metric) : numberSeries(name, metric);
  // By label text alone the buckets of one histogram would not stay in order, so whole points are sorted.
  const sorted = series.toSorted((a, b) => (a.labels < b.labels ? -1 : 1)).map(({ text }) => text);
  const type = metric.kind === "up-down-counter" ? "gauge" : metric.kind;
  const family = open && metric.kind === "counter" ? name.replace(/_total$/, "") : name;
  const help = open ? escapeLabel(metric.description) : escapeHelp(metric.description);
  return `# HELP ${family} ${help}\n# TYPE ${family} ${type}\n${sorted.join("")}`;
}

/** The name as OpenTelemetry's specification translates it, with unit and `_total`. */
export function prometheusName({ name, unit, kind }: Pick<Metric, "name" | "unit" | "kind">): string {
  if (kind === "gauge" && unit === "1") return `${sanitized(name).replace(/_ratio$/, "")}_ratio`;
  const base = sanitized(kind === "counter" ? name.replace(/[._]total$/, "") : name);
  const suffix = unitSuffixes[unit] ?? "";
  const withUnit = base.endsWith(suffix) ? base : `${base}${suffix}`;
  return kind === "counter" ? `${withUnit}_total` : withUnit;
}

interface Series {
  readonly labels: string;
  readonly text: string;
}

function numberSeries(name: string, metric: NumberMetric): Series[] {
  return metric.points.map((point) => {
    const labels = labelText(point.attributes);
    return { labels, text: line(name, labels, point.value) };
  });
}

function histogramSeries(name: string, metric: Extract<Metric, { kind: "histogram" }>): Series[] {
  return metric.points.map((point) => {
    const labels = labelText(point.attributes);
    const before = labels === "" ? "" : `${labels},`;
    let upTo = 0;
    const buckets = point.bucketCounts.map((count, i) => {
      upTo += count;
      return line(
        `${name}_bucket`,
        `${before}le="${valueText(metric.boundaries[i] ?? Number.POSITIVE_INFINITY)}"`,
        upTo,
      );
    });
    const sum = line(`${name}_sum`, labels, point.sum);
    return { labels, text: `${buckets.join("")}${sum}${line(`${name}_count`, labels, point.count)}` };
  });
}

function line(name: string, labels: string, value: number): string {
  return `${name}${labels === "" ? "" : `{${labels}}`} ${valueText(value)}\n`;
}

function labelText(attributes: Attributes): string {
  return Object.entries(attributes)
    .map(([key, value]) => `${sanitized(key)}="${escapeLabel(String(value))}"`)
    .join(",");
}

function valueText(value: number): string {
  return Number.isFinite(value) ? String(value) : String(value).replace("Infinity", "Inf").replace(/^Inf/, "+Inf");
}

function sanitized(name: string): string {
  return name.replaceAll(/[^a-zA-Z0-9_]/g, "_");
}

function escapeLabel(value: string): string {
  return escapeHelp(value).replaceAll('"', String.raw`\"`);
}

function escapeHelp(text: string): string {
  return text.replaceAll("\\", String.raw`\\`).replaceAll("\n", String.raw`\n`);
}
