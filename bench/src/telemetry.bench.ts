// What counting costs on a call through four policies: not at all, by our own meter, by an observer, and by instruments of
// OpenTelemetry's SDK: `npm run bench:telemetry`.
//
//   -- --quick   a tenth of the rounds: figures to look at, not to quote
//   -- --write   puts the table into bench/README.md
import { type Pipeline, pipeline, type PipelineOptions } from "@headgate/core";
import { createTelemetry } from "@headgate/otel";
import { MeterProvider, MetricReader } from "@opentelemetry/sdk-metrics";
import { flags } from "./flags.ts";
import { fourPolicies } from "./four-policies.ts";
import { type Case, compare, type Plan } from "./harness.ts";
import { atMost, figuresTable, find, machine, ratioOf, targetsTable, writeToReadme } from "./report.ts";

const options = flags("quick", "write");

const plan: Plan = options.quick
  ? { rounds: 15, sampleMs: 10, warmUpMs: 200 }
  : { rounds: 75, sampleMs: 15, warmUpMs: 400 };

/** A number of the host's clock is an object of 16 bytes; the meter itself makes none. */
const maxBytes = 32;

const names = { plain: "**Headgate**, not counted", metered: "counted by our meter" } as const;
const succeed = async () => 1;

class NoReader extends MetricReader {
  protected override async onForceFlush(): Promise<void> {}
  protected override async onShutdown(): Promise<void> {}
}

function four(settings: Omit<PipelineOptions, "name"> = {}): Pipeline {
  return pipeline({ name: "benchmark", ...settings }, ...fourPolicies());
}

/** The two histograms and the counter that our meter keeps, as instruments of the SDK. */
function countedBySdk(): Case["call"] {
  const meter = new MeterProvider({ readers: [new NoReader()] }).getMeter("benchmark");
  const latency = meter.createHistogram("latency");
  const attempts = meter.createHistogram("attempts");
  const success = meter.createCounter("success");
  const observed = four({
    observer: (event) => {
      if (event.type !== "pipeline.settled") return;
      latency.record(event.durationMs / 1000, { "pipeline.name": event.pipeline, "pipeline.outcome": event.outcome });
      attempts.record(event.attempts, { "pipeline.name": event.pipeline, "pipeline.outcome": event.outcome });
      success.add(1, { "pipeline.name": event.pipeline });
    },
  });
  return () => observed.execute(succeed);
}

let events = 0;
const plain = four();
const metered = four({ meter: createTelemetry() });
const observed = four({ observer: () => void events++ });

const figures = await compare(
  [
    { name: names.plain, call: () => plain.execute(succeed) },
    { name: names.metered, call: () => metered.execute(succeed) },
    { name: "told to an observer", call: () => observed.execute(succeed) },
    { name: "counted by three instruments of the SDK", call: countedBySdk() },
  ],
  plan,
);
const targets = [
  atMost(1.35, "× not counted, counted by our meter", ratioOf(figures, names.metered, names.plain)),
  atMost(
    maxBytes,
    "bytes a call for counting, the clock's included",
    find(figures, names.metered).bytes - find(figures, names.plain).bytes,
  ),
];
const output = [
  machine(["@opentelemetry/sdk-metrics"]),
  figuresTable(figures, names.plain),
  "### Targets",
  targetsTable(targets),
].join("\n\n");
console.log(output);
if (options.write) writeToReadme("telemetry", output);
process.exit(targets.every(({ met }) => met) ? 0 : 1);
