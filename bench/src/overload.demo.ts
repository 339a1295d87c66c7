// The overload demonstration, over real HTTP on loopback: `npm run demo:overload`. Clients that do not wait for each
// other, a Hono service, and an upstream that can do 400 requests a second; the service calls it through each contender
// in turn.
//
//   -- --quick             short phases: figures to look at, not to quote
//   -- --only <name>       one contender; may be given several times
//   -- --workers <n>       another upstream; the load goes with it. @default 20
//   -- --write             puts the table into bench/README.md and the chart beside it
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { Child } from "./child.ts";
import { overloadChart } from "./overload/chart.ts";
import { type Phase, runClients } from "./overload/clients.ts";
import { contenders } from "./overload/contenders.ts";
import { measure, type Run, type Sample } from "./overload/measure.ts";
import { phaseTable, targetsOf } from "./overload/tables.ts";
import type { ServiceState } from "./overload/service.ts";
import type { UpstreamState } from "./overload/upstream.ts";
import { machine, targetsTable, writeToReadme } from "./report.ts";

const { values: options } = parseArgs({
  args: process.argv.slice(2).filter((argument) => argument !== "--"),
  options: {
    quick: { type: "boolean", default: false },
    only: { type: "string", multiple: true },
    workers: { type: "string", default: "20" },
    write: { type: "boolean", default: false },
  },
});

const workers = Number(options.workers);
const upstream = { workers, meanMs: 50 };
const capacity = (workers * 1000) / upstream.meanMs;
const durationMs = options.quick ? 6000 : 24_000;
const phases: readonly Phase[] = [
  { name: "healthy", perSecond: 0.75 * capacity, durationMs, slowness: 1 },
  { name: "overload", perSecond: 2 * capacity, durationMs, slowness: 1 },
  { name: "brown-out", perSecond: 0.75 * capacity, durationMs, slowness: 10 },
  { name: "recovery", perSecond: 0.75 * capacity, durationMs, slowness: 1 },
];
process.env.OVERLOAD_WORKERS = String(workers);

const names = options.only ?? Object.keys(contenders);
const unknown = names.find((name) => !(name in contenders));
if (unknown !== undefined)
  throw new Error(
    `--only must name contenders (${Object.keys(contenders).join("; ")}), got ${JSON.stringify(unknown)}`,
  );

const output: string[] = [];
const say = (text: string) => (output.push(text), console.log(`${text}\n`));
say(machine(["cockatiel", "opossum", "hono"]));
const runs: Run[] = [];
for (const name of names) {
  runs.push(await runOne(name));
  console.log(`${phaseTable(runs.slice(-1))}\n`);
}
say(phaseTable(runs));
const targets = runs.filter(({ contender }) => contender.startsWith("Headgate")).flatMap(targetsOf);
say(targetsTable(targets));
if (options.write) {
  writeToReadme("overload", output.join("\n\n"));
  writeFileSync(new URL("../overload.svg", import.meta.url), overloadChart(upstream, phases, runs));
}
process.exitCode = targets.every(({ met }) => met) ? 0 : 1;

async function runOne(name: string): Promise<Run> {
  const children: Child[] = [];
  let sampling: NodeJS.Timeout | undefined;
  try {
    const server = new Child("./overload/upstream.ts", String(workers), String(upstream.meanMs));
    children.push(server);
    const service = new Child("./overload/service.ts", name, String(await server.next<number>()));
    children.push(service);
    const port = await service.next<number>();
    await runClients(port, [{ name: "warm-up", perSecond: capacity / 4, durationMs: 1000, slowness: 1 }], () => {});
    const samples: Sample[] = [];
    const startMs = performance.now();
    let slowness = 1;
    let busy = false;
    const sample = async () => {
      if (busy) return;
      busy = true;
      try {
        const [state, load] = await Promise.all([
          service.ask<ServiceState>("state"),
          server.ask<UpstreamState>({ slowness }),
        ]);
        samples.push({ ...state, ...load, atMs: performance.now() - startMs });
      } finally {
        busy = false;
      }
    };
    sampling = setInterval(() => void sample(), 100);
    const answers = await runClients(port, phases, (phase) => {
      slowness = phase.slowness;
    });
    return measure(name, upstream, phases, answers, samples);
  } finally {
    clearInterval(sampling);
    await Promise.all(children.map((child) => child.stop()));
  }
}
