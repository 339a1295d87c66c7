import { describe, expect, it } from "vitest";
import { definitionsOfMetrics, metricTable, withGenerated } from "../lib/metric-table.mjs";

describe("metricTable", () => {
  it("has a row for each metric, with its labels as Prometheus sees them", () => {
    const wait = { name: "a.wait", kind: "histogram", unit: "s", description: "A wait.", attributes: ["b.name", "c"] };
    const [, , row, ...more] = metricTable([wait], () => "a_wait_seconds").split("\n");
    expect(row).toBe("| `a_wait_seconds` | `b_name`, `c` | A wait. | `a.wait`, histogram, `s` |");
    expect(more).toEqual([]);
  });
});

describe("definitionsOfMetrics", () => {
  it("finds calls, HTTP and the process", async () => {
    const { calls, runtime, prometheusName } = await definitionsOfMetrics();
    expect(calls.map(prometheusName)).toContain("async_pipeline_latency_seconds");
    expect(calls.map(prometheusName)).toContain("http_server_request_duration_seconds");
    expect(runtime.map(prometheusName)).toContain("nodejs_eventloop_delay_p99_seconds");
    expect(runtime.map(prometheusName)).toContain("v8js_gc_duration_seconds");
  });
});

describe("withGenerated", () => {
  it("replaces what stands between the markers of that name", () => {
    const page = "a\n<!-- x: begin -->old<!-- x: end -->\nb <!-- y: begin -->kept<!-- y: end -->";
    const expected = "a\n<!-- x: begin -->\n\nnew\n\n<!-- x: end -->\nb <!-- y: begin -->kept<!-- y: end -->";
    expect(withGenerated(page, "x", "new")).toBe(expected);
    expect(withGenerated(expected, "x", "new")).toBe(expected);
  });

  it.each([
    "none",
    "<!-- x: begin --> only",
    "only <!-- x: end -->",
    "<!-- x: end --><!-- x: begin -->",
    "<!-- x: begin --><!-- x: end --><!-- x: begin --><!-- x: end -->",
  ])("does not guess in %s", (page) => {
    expect(() => withGenerated(page, "x", "new")).toThrow("needs <!-- x: begin --> and <!-- x: end -->");
  });
});
