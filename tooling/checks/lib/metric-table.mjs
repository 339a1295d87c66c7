// The metrics that the packages define, and a table of them.
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { root } from "./workspace.mjs";

const KINDS = { counter: "counter", "up-down-counter": "up-down counter", gauge: "gauge", histogram: "histogram" };

/** What is written in the sources: tooling reads the packages, it does not depend on them. */
export async function definitionsOfMetrics() {
  const source = (path) => import(pathToFileURL(join(root, "packages", path)).href);
  const isDefinition = (each) => typeof each === "object" && "kind" in each;
  const otel = Object.values(await source("otel/src/definitions.ts")).filter(isDefinition);
  const node = await source("node/src/runtime-metrics-definitions.ts");
  const { prometheusName } = await source("otel/src/prometheus.ts");
  return {
    prometheusName,
    calls: byName(otel),
    runtime: byName([...node.delayStatistics.map(node.delayDefinition), ...Object.values(node).filter(isDefinition)]),
  };
}

function byName(definitions) {
  return definitions.toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

/** A row for each metric, in Markdown. */
export function metricTable(definitions, prometheusName) {
  const code = (text) => `\`${text}\``;
  const rows = definitions.map((each) => {
    const { name, kind, unit, attributes, description } = each;
    const labels = attributes.map((attribute) => code(attribute.replaceAll(".", "_"))).join(", ");
    return `| ${code(prometheusName(each))} | ${labels} | ${description} | ${code(name)}, ${KINDS[kind]}, ${code(unit)} |`;
  });
  return ["| Prometheus | labels | meaning | OpenTelemetry |", "|---|---|---|---|", ...rows].join("\n");
}

/**
 * What stands between `<!-- name: begin -->` and `<!-- name: end -->`, replaced.
 *
 * @throws {Error} where the markers are not there, once each and in order
 */
export function withGenerated(page, name, text) {
  const [begin, end] = [`<!-- ${name}: begin -->`, `<!-- ${name}: end -->`];
  const [before, inside, ...more] = page.split(begin);
  const [, after, ...later] = (inside ?? "").split(end);
  if (after === undefined || more.length > 0 || later.length > 0) {
    throw new Error(`needs ${begin} and ${end}, once each and in this order`);
  }
  return `${before}${begin}\n\n${text}\n\n${end}${after}`;
}
