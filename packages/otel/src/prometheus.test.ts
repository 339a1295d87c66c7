import { describe, expect, it } from "vitest";
import { type Metric, createTelemetry, renderMetrics, toPrometheusText } from "./index.ts";

const counter: Metric = {
  name: "http.tries",
  kind: "counter",
  unit: "{try}",
  description: "Tries.",
  attributes: ["to.whom"],
  points: [],
};

describe("toPrometheusText", () => {
  it("renders a small case exactly, series in the order of their labels", () => {
    const metrics: Metric[] = [
      {
        name: "wait.time",
        kind: "histogram",
        unit: "s",
        description: "Waits.",
        attributes: ["who"],
        boundaries: [0.5, 1, 10],
        points: [
          { attributes: { who: "b" }, count: 4, sum: 30.25, bucketCounts: [1, 0, 2, 1] },
          { attributes: { who: "a" }, count: 0, sum: 0, bucketCounts: [0, 0, 0, 0] },
        ],
      },
      { ...counter, points: [{ attributes: { "to.whom": "x" }, value: 2 }] },
      {
        name: "lamp.status",
        kind: "up-down-counter",
        unit: "1",
        description: "On or off.",
        attributes: [],
        points: [{ attributes: {}, value: 1 }],
      },
    ];
    expect(toPrometheusText(metrics)).toBe(`# HELP wait_time_seconds Waits.
# TYPE wait_time_seconds histogram
wait_time_seconds_bucket{who="a",le="0.5"} 0
wait_time_seconds_bucket{who="a",le="1"} 0
wait_time_seconds_bucket{who="a",le="10"} 0
wait_time_seconds_bucket{who="a",le="+Inf"} 0
wait_time_seconds_sum{who="a"} 0
wait_time_seconds_count{who="a"} 0
wait_time_seconds_bucket{who="b",le="0.5"} 1
wait_time_seconds_bucket{who="b",le="1"} 1
wait_time_seconds_bucket{who="b",le="10"} 3
wait_time_seconds_bucket{who="b",le="+Inf"} 4
wait_time_seconds_sum{who="b"} 30.25
wait_time_seconds_count{who="b"} 4
# HELP http_tries_total Tries.
# TYPE http_tries_total counter
http_tries_total{to_whom="x"} 2
# HELP lamp_status On or off.
# TYPE lamp_status gauge
lamp_status 1
`);
  });

  it("escapes labels and descriptions", () => {
    const value = 'a\\b"c\nd';
    const text = toPrometheusText([
      { ...counter, description: value, points: [{ attributes: { "to.whom": value }, value: 1 }] },
    ]);
    expect(text).toBe(
      String.raw`# HELP http_tries_total a\\b"c\nd
# TYPE http_tries_total counter
http_tries_total{to_whom="a\\b\"c\nd"} 1
`,
    );
  });

  it("doubles no suffix that a name already has", () => {
    const named = (name: string, unit: string): Metric => ({
      ...counter,
      name,
      unit,
      points: [{ attributes: {}, value: 1 }],
    });
    expect(toPrometheusText([named("cpu.seconds", "s")])).toContain("\ncpu_seconds_total 1\n");
    expect(toPrometheusText([named("cpu.total", "By")])).toContain("\ncpu_bytes_total 1\n");
  });

  it("is empty while nothing was counted", () => {
    expect(toPrometheusText(createTelemetry().collect())).toBe("");
  });
});

describe("renderMetrics", () => {
  const requests: Metric = {
    name: "http.requests",
    kind: "counter",
    unit: "{request}",
    description: 'Some "requests".',
    attributes: [],
    points: [{ attributes: {}, value: 2 }],
  };
  const ratio: Metric = {
    name: "load.ratio",
    kind: "gauge",
    unit: "1",
    description: "A share.",
    attributes: [],
    points: [{ attributes: {}, value: 0.5 }],
  };

  it("answers OpenMetrics to who asks for it, with the same series", () => {
    const { contentType, text } = renderMetrics(
      [requests, ratio],
      "application/openmetrics-text;version=1.0.0,*/*;q=0.1",
    );
    expect(contentType).toBe("application/openmetrics-text; version=1.0.0; charset=utf-8");
    expect(text.split("\n")).toEqual([
      String.raw`# HELP http_requests Some \"requests\".`,
      "# TYPE http_requests counter",
      "http_requests_total 2",
      "# HELP load_ratio A share.",
      "# TYPE load_ratio gauge",
      "load_ratio 0.5",
      "# EOF",
      "",
    ]);
  });

  it("answers the older format to everybody else", () => {
    for (const accept of [undefined, null, "", "text/plain"]) {
      const { contentType, text } = renderMetrics([requests], accept);
      expect(contentType).toBe("text/plain; version=0.0.4; charset=utf-8");
      expect(text).toContain("# TYPE http_requests_total counter\nhttp_requests_total 2\n");
      expect(text).not.toContain("EOF");
    }
  });
});
