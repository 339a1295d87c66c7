// The overload demonstration, over real HTTP on loopback: `npm run demo:overload`. Clients that do not wait for each
// other, a Hono service, and an upstream that can do 400 requests a second; the service calls it through each contender
// in turn.
//
//   -- --quick             short phases: figures to look at, not to quote
//   -- --only <name>       one contender; may be given several times
//   -- --settings          Headgate's defaults only, in front of upstreams of other sizes and under other loads
//   -- --write             puts the table into bench/README.md and, without --settings, the chart beside it
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { Child } from "./child.ts";
import { overloadChart } from "./overload/chart.ts";
import { runClients } from "./overload/clients.ts";
import { contenders } from "./overload/contenders.ts";
import { measure, type Run, type Sample } from "./overload/measure.ts";
import type { ServiceState } from "./overload/service.ts";
import { capacity, giveUpMs, goodMs, others, phasesOf, type Setting, usual } from "./overload/setting.ts";
import { phaseTable, settingsTable, targetsOf } from "./overload/tables.ts";
import type { UpstreamState } from "./overload/upstream.ts";
import { machine, targetsTable, type Target, writeToReadme } from "./report.ts";

const { values: options } = parseArgs({
  args: process.argv.slice(2).filter((argument) => argument !== "--"),
  options: {
    quick: { type: "boolean", default: false },
    only: { type: "string", multiple: true },
    settings: { type: "boolean", default: false },
    write: { type: "boolean", default: false },
  },
});
const names = options.only ?? Object.keys(contenders);
const unknown = names.find((name) => !(name in contenders));
if (unknown !== undefined)
  throw new Error(
    `--only must name contenders (${Object.keys(contenders).join("; ")}), got ${JSON.stringify(unknown)}`,
  );

const output: string[] = [];
const say = (text: string) => (output.push(text), console.log(`${text}\n`));
say(machine(["cockatiel", "opossum", "hono"]));
const targets = options.settings ? await compareSettings() : await compareContenders();
process.exitCode = targets.every(({ met }) => met) ? 0 : 1;

async function compareContenders(): Promise<Target[]> {
  const runs: Run[] = [];
  for (const name of names) {
    runs.push(await runOne(name, usual));
    console.log(`${phaseTable(runs.slice(-1))}\n`);
  }
  say(phaseTable(runs));
  const all = runs.filter(({ contender }) => contender.startsWith("Headgate")).flatMap(targetsOf);
  say(targetsTable(all));
  if (options.write) {
    writeToReadme("overload", output.join("\n\n"));
    writeFileSync(new URL("../overload.svg", import.meta.url), overloadChart(usual, phasesFor(usual), runs));
  }
  return all;
}

async function compareSettings(): Promise<Target[]> {
  const runs: [Setting, Run][] = [];
  for (const setting of others) {
    runs.push([setting, await runOne("Headgate, defaults only", setting)]);
    console.log(`${settingsTable(runs.slice(-1))}\n`);
  }
  say(settingsTable(runs));
  if (options.write) writeToReadme("overload-settings", output.join("\n\n"));
  return runs.flatMap(([, run]) => targetsOf(run));
}

/** Long enough to see sixty pieces of work one after another. */
function phasesFor(setting: Setting) {
  return phasesOf(setting, options.quick ? 6000 : Math.max(24_000, 60 * setting.meanMs));
}

async function runOne(name: string, setting: Setting): Promise<Run> {
  const children: Child[] = [];
  const phases = phasesFor(setting);
  const patience = { goodMs: goodMs(setting), giveUpMs: giveUpMs(setting) };
  let sampling: NodeJS.Timeout | undefined;
  try {
    const server = new Child("./overload/upstream.ts", String(setting.workers), String(setting.meanMs));
    children.push(server);
    const service = new Child("./overload/service.ts", name, String(await server.next<number>()));
    children.push(service);
    const port = await service.next<number>();
    const warmUp = { name: "warm-up", perSecond: capacity(setting) / 4, durationMs: 1000, slowness: 1 };
    await runClients(port, [warmUp], patience, () => {});
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
    const answers = await runClients(port, phases, patience, (phase) => {
      slowness = phase.slowness;
    });
    return measure(name, setting, phases, answers, samples);
  } finally {
    clearInterval(sampling);
    await Promise.all(children.map((child) => child.stop()));
  }
}
