// What the HTTP server in front of the calls sees: OpenTelemetry's names, to the end of the response's body.
import { type PanelSource, timeseries } from "../panels.ts";
import { quantile, rate, ratio, series, sum } from "../queries.ts";

const duration = "http_server_request_duration_seconds";

export function http(): PanelSource[] {
  const requests = rate(`${duration}_count`);
  return [
    timeseries({
      title: "Requests by status",
      description: "Responses in a second.",
      width: 8,
      unit: "reqps",
      stacked: true,
      queries: [[sum(requests, "http_response_status_code"), "{{http_response_status_code}}"]],
    }),
    timeseries({
      title: "Requests by route",
      description: "Responses in a second, by the pattern of the route.",
      width: 8,
      unit: "reqps",
      queries: [[sum(requests, "http_request_method", "http_route"), "{{http_request_method}} {{http_route}}"]],
    }),
    timeseries({
      title: "Requests under way",
      description: "Those included whose response is still being sent.",
      width: 8,
      unit: "short",
      queries: [[sum(series("http_server_active_requests"), "http_request_method"), "{{http_request_method}}"]],
    }),
    timeseries({
      title: "Duration",
      description: "Of all requests, to the end of the response's body.",
      width: 8,
      unit: "s",
      queries: [
        [quantile(0.5, duration), "p50"],
        [quantile(0.95, duration), "p95"],
        [quantile(0.99, duration), "p99"],
      ],
    }),
    timeseries({
      title: "p95 by route",
      description: "The duration that 95 % of a route's requests do not exceed.",
      width: 8,
      unit: "s",
      queries: [[quantile(0.95, duration, "http_route"), "{{http_route}}"]],
    }),
    timeseries({
      title: "Failed requests by route",
      description: "The share of requests that ended with a 5xx or an error.",
      width: 8,
      unit: "percentunit",
      max: 1,
      queries: [
        [
          ratio(sum(rate(`${duration}_count`, 'error_type!=""'), "http_route"), sum(requests, "http_route")),
          "{{http_route}}",
        ],
      ],
    }),
  ];
}
