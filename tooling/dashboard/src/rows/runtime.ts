// How the Node.js processes are: a busy event loop is late with everything above.
import { type PanelSource, timeseries } from "../panels.ts";
import { max, rate, series, sum } from "../queries.ts";

export function runtime(): PanelSource[] {
  return [
    timeseries({
      title: "Event loop utilization",
      description: "The share of the time in which the event loop was busy. The line is where the alert begins.",
      width: 6,
      unit: "percentunit",
      max: 1,
      limit: [0.9, "red"],
      queries: [[max(series("nodejs_eventloop_utilization_ratio"), "instance"), "{{instance}}"]],
    }),
    timeseries({
      title: "Event loop delay",
      description: "How late timers are, in the latest instance.",
      width: 6,
      unit: "s",
      queries: [
        [`max(${series("nodejs_eventloop_delay_p50_seconds")})`, "p50"],
        [`max(${series("nodejs_eventloop_delay_p99_seconds")})`, "p99"],
        [`max(${series("nodejs_eventloop_delay_max_seconds")})`, "max"],
      ],
    }),
    timeseries({
      title: "Garbage collection",
      description: "The share of the time that collections took, by their type.",
      width: 6,
      unit: "percentunit",
      queries: [[sum(rate("v8js_gc_duration_seconds_sum"), "v8js_gc_type"), "{{v8js_gc_type}}"]],
    }),
    timeseries({
      title: "Heap",
      description: "What is in use, and what is reserved, of all instances.",
      width: 6,
      unit: "bytes",
      queries: [
        [sum(series("v8js_memory_heap_used_bytes")), "used"],
        [sum(series("v8js_memory_heap_space_size_bytes")), "reserved"],
      ],
    }),
  ];
}
