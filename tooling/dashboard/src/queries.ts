// PromQL that several panels share. Every selector carries the filter of the dashboard's variables.

/** Narrows a metric to what the variables select, and to `matchers` on top: `retry_type="hedge"`. */
export function series(metric: string, ...matchers: readonly string[]): string {
  return `${metric}{${['job=~"$job"', 'instance=~"$instance"', ...matchers].join(", ")}}`;
}

/** What a counter rises by in a second. The window is Grafana's: never shorter than four scrapes. */
export function rate(metric: string, ...matchers: readonly string[]): string {
  return `rate(${series(metric, ...matchers)}[$__rate_interval])`;
}

/** What a counter has risen by within the window of a point. */
export function increase(metric: string, ...matchers: readonly string[]): string {
  return `increase(${series(metric, ...matchers)}[$__rate_interval])`;
}

/** The value that this share of a histogram's values does not exceed, by the labels. */
export function quantile(share: number, histogram: string, ...labels: readonly string[]): string {
  return `histogram_quantile(${share}, sum by (${["le", ...labels].join(", ")}) (${rate(`${histogram}_bucket`)}))`;
}

/** Calls in a second that were answered or failed. Cancelled ones are neither. A counter without series is left out. */
export function calls(...labels: readonly string[]): string {
  const ended = `${rate("async_pipeline_success_total")} or ${rate("async_pipeline_failure_total")}`;
  return sum(ended, ...labels);
}

export function sum(expr: string, ...labels: readonly string[]): string {
  return labels.length === 0 ? `sum(${expr})` : `sum by (${labels.join(", ")}) (${expr})`;
}

export function max(expr: string, ...labels: readonly string[]): string {
  return `max by (${labels.join(", ")}) (${expr})`;
}

/** A share. Nothing where there is nothing to have a share of. */
export function ratio(part: string, whole: string): string {
  return `${part}\n/ (${whole} > 0)`;
}
