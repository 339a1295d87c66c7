import { describe, expect, it } from "vitest";
import { createTelemetry, type Metric, type ServedRequest, toPrometheusText, toResourceMetrics } from "./index.ts";

const get: ServedRequest = { method: "GET", scheme: "http", route: "/a/:id", status: 200, error: undefined };

const metricOf = (metrics: readonly Metric[], name: string) => metrics.find((metric) => metric.name === name);

describe("httpServer", () => {
  it("counts requests by method, scheme, route, status and error", () => {
    const { httpServer, collect } = createTelemetry();
    httpServer.served(get, 0.004);
    httpServer.served(get, 0.3);
    httpServer.served({ ...get, status: 502 }, 1);
    httpServer.served({ ...get, status: 500, error: new RangeError("no") }, 20);
    httpServer.served({ ...get, method: "POST", scheme: "https", route: undefined, status: 404 }, -1);
    const points = metricOf(collect(), "http.server.request.duration")?.points ?? [];
    const common = { "http.request.method": "GET", "url.scheme": "http", "http.route": "/a/:id" };
    expect(points.map(({ attributes }) => attributes)).toEqual([
      { ...common, "http.response.status_code": 200 },
      { ...common, "http.response.status_code": 502, "error.type": "502" },
      { ...common, "http.response.status_code": 500, "error.type": "RangeError" },
      { "http.request.method": "POST", "url.scheme": "https", "http.response.status_code": 404 },
    ]);
    expect(points.map((point) => ("count" in point ? [point.count, point.sum] : []))).toEqual([
      [2, 0.304],
      [1, 1],
      [1, 20],
      [1, 0],
    ]);
  });

  it("counts those under way", () => {
    const { httpServer, collect } = createTelemetry();
    httpServer.active(1, "GET", "http");
    httpServer.active(1, "GET", "http");
    httpServer.active(1, "PUT", "https");
    httpServer.active(-1, "GET", "http");
    expect(metricOf(collect(), "http.server.active_requests")?.points).toEqual([
      { attributes: { "http.request.method": "GET", "url.scheme": "http" }, value: 1 },
      { attributes: { "http.request.method": "PUT", "url.scheme": "https" }, value: 1 },
    ]);
  });

  it("has a bound on what it keeps apart, and loses no request", () => {
    const { httpServer, collect } = createTelemetry();
    for (let i = 0; i < 2500; i++) httpServer.served({ ...get, route: `/invented/${i}` }, 0.01);
    const points = metricOf(collect(), "http.server.request.duration")?.points ?? [];
    expect(points).toHaveLength(2001);
    expect(points.reduce((sum, point) => sum + ("count" in point ? point.count : 0), 0)).toBe(2500);
    expect(points.at(-1)).toMatchObject({ attributes: { "http.route": "_OTHER" }, count: 500 });
    for (let i = 0; i < 2500; i++) httpServer.active(1, `INVENTED${i}`, "http");
    for (let i = 0; i < 2500; i++) httpServer.active(-1, `INVENTED${i}`, "http");
    httpServer.active(1, "INVENTED2499", "http");
    const active = metricOf(collect(), "http.server.active_requests")?.points ?? [];
    expect(active).toHaveLength(201);
    expect(active.at(-1)).toEqual({ attributes: { "http.request.method": "_OTHER", "url.scheme": "http" }, value: 1 });
  });

  it("has the names and values of the conventions over Prometheus and OTLP alike", () => {
    const { httpServer, collect } = createTelemetry();
    httpServer.active(1, "GET", "http");
    httpServer.served(get, 0.004);
    const text = toPrometheusText(collect());
    const labels = 'http_request_method="GET",url_scheme="http",http_route="/a/:id",http_response_status_code="200"';
    expect(text).toContain(`http_server_request_duration_seconds_count{${labels}} 1\n`);
    expect(text).toContain('http_server_active_requests{http_request_method="GET",url_scheme="http"} 1\n');
    const { scopeMetrics } = toResourceMetrics(collect(), { resource: {}, startTimeMs: 0, timeMs: 1 });
    const sent = scopeMetrics[0]?.metrics.find(({ descriptor }) => descriptor.name === "http.server.request.duration");
    expect(sent?.dataPoints[0]?.attributes).toMatchObject({ "http.response.status_code": 200 });
  });

  it("hands each value on where a receiver wants it", () => {
    const telemetry = createTelemetry();
    const recorded: unknown[] = [];
    telemetry.recordTo(({ name }, value, attributes) => recorded.push([name, value, attributes["http.route"]]));
    telemetry.httpServer.served(get, 0.25);
    expect(recorded).toEqual([["http.server.request.duration", 0.25, "/a/:id"]]);
  });
});
