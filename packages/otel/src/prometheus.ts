// The text format of Prometheus, with names as OpenTelemetry's specification translates them. Prometheus does the same
// with what it receives over OTLP, so that one dashboard serves both ways.
import type { Attributes, Metric } from "./metrics.ts";

/** What `/metrics` has to answer as its `Content-Type`. */
export const prometheusContentType = "text/plain; version=0.0.4; charset=utf-8";

/** UCUM to what Prometheus calls it. `1` and what stands in braces add nothing. */
const unitSuffixes: Readonly<Record<string, string>> = { s: "_seconds", By: "_bytes" };

/** Renders metrics in the text exposition format 0.0.4. Series of a metric stand in the order of their labels. */
export function toPrometheusText(metrics: readonly Metric[]): string {
  return metrics.map(metricText).join("");
}

function metricText(metric: Metric): string {
  if (metric.points.length === 0) return "";
  const name = metricName(metric);
  const series = metric.kind === "histogram" ? histogramSeries(name, metric) : numberSeries(name, metric);
  // By label text alone the buckets of one histogram would not stay in order, so whole points are sorted.
  const sorted = series.toSorted((a, b) => (a.labels < b.labels ? -1 : 1)).map(({ text }) => text);
  const type = metric.kind === "up-down-counter" ? "gauge" : metric.kind;
  return `# HELP ${name} ${escapeHelp(metric.description)}\n# TYPE ${name} ${type}\n${sorted.join("")}`;
}

function metricName({ name, unit, kind }: Metric): string {
  const base = sanitized(kind === "counter" ? name.replace(/[._]total$/, "") : name);
  const suffix = unitSuffixes[unit] ?? "";
  const withUnit = base.endsWith(suffix) ? base : `${base}${suffix}`;
  return kind === "counter" ? `${withUnit}_total` : withUnit;
}

interface Series {
  readonly labels: string;
  readonly text: string;
}

function numberSeries(name: string, metric: Extract<Metric, { kind: "counter" | "up-down-counter" }>): Series[] {
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
    .map(([key, value]) => `${sanitized(key)}="${escapeLabel(value)}"`)
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
