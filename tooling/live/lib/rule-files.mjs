// What the checks want to know from files of Prometheus rules and of their tests.
import { parse } from "yaml";

/**
 * @param {string} text of a file of rules
 * @returns {{ kind: "record" | "alert", name: string, expr: string, labels: Record<string, string>, annotations: Record<string, string> }[]}
 */
export function rulesIn(text) {
  const rules = parse(text).groups.flatMap((group) => group.rules);
  if (rules.length === 0) throw new Error("no rule found");
  return rules.map(({ alert, record, expr, labels = {}, annotations = {} }) => ({
    kind: alert === undefined ? "record" : "alert",
    name: alert ?? record,
    expr,
    labels,
    annotations,
  }));
}

/** The alerts that a file of tests expects, those that it expects not to fire, and the expressions that it asks. */
export function testsIn(text) {
  const tests = parse(text).tests;
  const checks = tests.flatMap((test) => test.alert_rule_test ?? []);
  const isFiring = ({ exp_alerts: alerts }) => (alerts ?? []).length > 0;
  const names = (list) => new Set(list.map(({ alertname }) => alertname));
  return {
    firing: names(checks.filter(isFiring)),
    quiet: names(checks.filter((check) => !isFiring(check))),
    asked: tests.flatMap((test) => test.promql_expr_test ?? []).map(({ expr }) => expr),
  };
}
