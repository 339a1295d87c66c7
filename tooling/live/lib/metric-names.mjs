// The names of metrics as Prometheus sees them: those that the packages define, and those that a text of theirs shows.
import { definitionsOfMetrics } from "../../checks/lib/metric-table.mjs";

/**
 * @typedef {{ name: string, kind: string, unit: string, description: string, attributes: readonly string[] }} Definition as
 *   the packages write it, with dots
 * @typedef {{ name: string, kind: string, labels: string[] }} Named as Prometheus sees it
 */

/** @returns {Promise<Named[]>} what @headgate/otel, and @headgate/node for its process, define */
export async function definedMetrics() {
  const { prometheusName, calls, runtime } = await definitionsOfMetrics();
  return [...calls, ...runtime].map((definition) => ({
    name: prometheusName(definition),
    kind: definition.kind,
    labels: definition.attributes.map((attribute) => attribute.replaceAll(".", "_")),
  }));
}

/** @returns {Named[]} the metrics of a text in Prometheus' format */
export function typesIn(text) {
  return [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, kind]) => ({ name, kind, labels: [] }));
}

/** The names of a metric's series: a histogram has three. */
export function seriesNames({ name, kind }) {
  return kind === "histogram" ? ["_bucket", "_sum", "_count"].map((suffix) => name + suffix) : [name];
}
