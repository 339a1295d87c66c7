// What an expression of PromQL asks for, read by Prometheus' own grammar.
import { parser } from "@prometheus-io/lezer-promql";

export interface Names {
  readonly metrics: readonly string[];
  readonly labels: readonly string[];
}

/**
 * The names of metrics and of labels that an expression mentions.
 *
 * @throws {Error} where it is no PromQL.
 */
export function namesIn(expr: string): Names {
  const metrics = new Set<string>();
  const labels = new Set<string>();
  parser.parse(expr).iterate({
    enter({ type, node }) {
      if (type.isError) throw new Error(`not PromQL at character ${node.from}: ${expr}`);
      if (type.name === "LabelName") labels.add(expr.slice(node.from, node.to));
      const name = type.name === "VectorSelector" ? node.firstChild : null;
      if (name?.name === "Identifier") metrics.add(expr.slice(name.from, name.to));
    },
  });
  return { metrics: [...metrics], labels: [...labels] };
}

/** An expression of a dashboard as Prometheus takes it: with values in the place of Grafana's variables. */
export function withoutVariables(expr: string, values: Readonly<Record<string, string>>): string {
  return expr.replaceAll(/\$(\w+)/g, (_, name: string) => {
    const value = values[name];
    if (value === undefined) throw new Error(`no value for $${name} in ${expr}`);
    return value;
  });
}
