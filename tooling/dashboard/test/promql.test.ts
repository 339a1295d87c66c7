import { describe, expect, it } from "vitest";
import { namesIn, withoutVariables } from "../src/promql.ts";

describe("namesIn", () => {
  it("finds metrics and labels, also within functions and groupings", () => {
    const found = namesIn('histogram_quantile(0.9, sum by (le, job) (rate(a_bucket{x="1"}[5m]))) / on (zone) b');
    expect(found).toEqual({ metrics: ["a_bucket", "b"], labels: ["le", "job", "x", "zone"] });
  });

  it("finds none where there is none", () => {
    expect(namesIn("vector(1)")).toEqual({ metrics: [], labels: [] });
  });

  it.each(["sum(rate(a[5m])", "a{b}", "rate(a[$__rate_interval])"])("does not take %s", (expr) => {
    expect(() => namesIn(expr)).toThrow("not PromQL");
  });
});

describe("withoutVariables", () => {
  it("puts values in", () => {
    const expr = withoutVariables('rate(a{job=~"$job"}[$__rate_interval])', { job: ".*", __rate_interval: "1m" });
    expect(expr).toBe('rate(a{job=~".*"}[1m])');
  });

  it("says which variable has no value", () => {
    expect(() => withoutVariables('a{job=~"$jobs"}', { job: ".*" })).toThrow('no value for $jobs in a{job=~"$jobs"}');
  });
});
