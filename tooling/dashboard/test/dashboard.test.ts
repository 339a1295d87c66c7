import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { path, text } from "../src/committed.ts";
import { dashboard, panelsOf, queriesOf } from "../src/dashboard.ts";
import { namesIn, withoutVariables } from "../src/promql.ts";

const model = dashboard();
const panels = panelsOf(model);
const variables = { job: ".*", instance: ".*", __rate_interval: "5m" };
describe("dashboard", () => {
  it("is what is committed (npm run generate writes it)", () => {
    expect(readFileSync(path, "utf8")).toBe(text());
  });

  it("has a row for each part of the library that can be watched", () => {
    const rows = model.panels?.filter(({ type }) => type === "row").map(({ title }) => title);
    expect(rows).toEqual(["Overview", "Circuit breakers", "Retry and hedge", "Limits", "HTTP", "Node.js runtime"]);
  });

  it("gives every panel an id of its own, a description and queries", () => {
    const ids = model.panels?.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids?.length);
    for (const { title, description, targets } of panels) {
      expect(description, title).toMatch(/^[A-Z].+\.$/);
      expect(targets?.length, title).toBeGreaterThan(0);
    }
  });

  it("leaves no gap and lets no panels overlap", () => {
    const columns = Array.from({ length: 24 }, () => 0);
    for (const { title, gridPos } of model.panels ?? []) {
      const { x = -1, y = -1, w = 0, h = 0 } = gridPos ?? {};
      const below = columns.slice(x, x + w);
      expect(new Set(below), title).toEqual(new Set([y]));
      columns.fill(y + h, x, x + w);
    }
    expect(new Set(columns).size).toBe(1);
  });

  it("asks for something on every panel, for what is marked, and for its variables", () => {
    const titles = queriesOf(model).map(({ title }) => title);
    for (const { title } of panels) expect(titles).toContain(title);
    expect(titles.slice(-3)).toEqual(["Circuits that opened", "variable job", "variable instance"]);
  });

  it.each(queriesOf(model))("$title: $expr", ({ title, expr, legend }) => {
    const { metrics, labels } = namesIn(withoutVariables(expr, variables));
    expect(metrics.length).toBeGreaterThan(0);
    // A label that the query does not keep would be shown as it is written.
    for (const [, label] of legend.matchAll(/\{\{(\w+)\}\}/g)) expect(labels).toContain(label);
    if (title.startsWith("variable ")) return;
    expect(expr.match(/\bjob=~"\$job", instance=~"\$instance"/g)?.length).toBe(expr.match(/\{/g)?.length);
  });
});
