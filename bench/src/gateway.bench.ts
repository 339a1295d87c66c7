// The gateway against other reverse proxies, over real HTTP on loopback: `npm run bench:gateway`.
//
//   -- --load       only requests of 1 KB
//   -- --download   only bodies of 100 MB
//   -- --quick      fewer and shorter rounds: figures to look at, not to quote
//   -- --write      puts the tables into bench/README.md
import { Child } from "./child.ts";
import { flags } from "./flags.ts";
import { download } from "./gateway/download.ts";
import type { Load, LoadOrder } from "./gateway/load.ts";
import { count, machine, table, type Target, targetsTable, times, writeToReadme } from "./report.ts";
import { median, medianRatio } from "./statistics.ts";

const options = flags("load", "download", "quick", "write");

const rounds = options.quick ? 3 : 9;
const durationMs = options.quick ? 700 : 1500;
const warmUpMs = options.quick ? 1500 : 3000;
const connections = 50;
const megabyte = 1e6;
const bodyBytes = 100 * megabyte;

interface Contender {
  readonly name: string;
  readonly script: string;
}

const baseline: Contender = { name: "Hono, `hono/proxy` over `fetch`", script: "./gateway/hono-fetch.ts" };
const headgate: Contender = { name: "**Headgate gateway**", script: "./gateway/headgate.ts" };
const floor: Contender = { name: "node:http and `undici.stream`, no policies", script: "./gateway/node-undici.ts" };

const children: Child[] = [];
const targets: Target[] = [];
try {
  const upstream = spawn("./gateway/upstream.ts");
  const upstreamPort = String(await upstream.next<number>());
  if (options.load || !options.download) await compareLoads(upstreamPort);
  if (options.download || !options.load) await downloadThrough(upstreamPort);
} finally {
  await Promise.all(children.map((child) => child.stop()));
}
process.exitCode = targets.every(({ met }) => met) ? 0 : 1;

function spawn(script: string, ...parameters: readonly string[]): Child {
  const child = new Child(script, ...parameters);
  children.push(child);
  return child;
}

/** One round of one contender. */
interface Sample extends Load {
  readonly requestsPerSecond: number;
  readonly cpuMicros: number;
}

async function compareLoads(upstreamPort: string): Promise<void> {
  const generator = spawn("./gateway/load.ts");
  const subjects: { contender: Contender; server: Child; port: number; samples: Sample[] }[] = [];
  for (const contender of [baseline, headgate, floor]) {
    const server = spawn(contender.script, upstreamPort);
    const port = await server.next<number>();
    await generator.ask<Load>({ port, connections, durationMs: warmUpMs } satisfies LoadOrder);
    subjects.push({ contender, server, port, samples: [] });
  }
  for (let round = 0; round < rounds; round++) {
    for (const { server, port, samples } of round % 2 === 0 ? subjects : subjects.toReversed()) {
      const before = await server.usage();
      const load = await generator.ask<Load>({ port, connections, durationMs } satisfies LoadOrder);
      const cpuMicros = ((await server.usage()).cpuMicros - before.cpuMicros) / load.requests;
      samples.push({ ...load, cpuMicros, requestsPerSecond: load.requests / load.seconds });
    }
  }
  const rates = subjects.map(({ samples }) => samples.map(({ requestsPerSecond }) => requestsPerSecond));
  const ratios = rates.map((each) => medianRatio(each, rates[0] as number[]));
  const rows = subjects.map(({ contender, samples }, i) => [
    contender.name,
    count(median(samples.map(({ requestsPerSecond }) => requestsPerSecond))),
    times(ratios[i] as number),
    median(samples.map(({ p50Ms }) => p50Ms)).toFixed(2),
    median(samples.map(({ p99Ms }) => p99Ms)).toFixed(1),
    count(median(samples.map(({ cpuMicros }) => cpuMicros))),
  ]);
  const ratio = ratios[1] as number;
  const header = ["", "requests/s", "× Hono + fetch", "p50 ms", "p99 ms", "CPU µs a request"];
  const target = {
    what: "requests per second against Hono + fetch",
    limit: "at least 3 ×",
    got: `${times(ratio)} ×`,
    met: ratio >= 3,
  };
  report("gateway-load", [`### 1 KB, ${connections} connections`, table(header, rows)], [target]);
}

async function downloadThrough(upstreamPort: string): Promise<void> {
  const server = spawn(headgate.script, upstreamPort);
  const port = await server.next<number>();
  // Read buffers are garbage at once, which is collected some 32 MB at a time. Thirty short bodies show how much memory that
  // takes; what a long one takes beyond it is growth.
  let usualBytes = 0;
  for (let i = 0; i < 30; i++) {
    const { peakRssBytes } = await download(server, port, bodyBytes / 10, Number.POSITIVE_INFINITY);
    usualBytes = Math.max(usualBytes, peakRssBytes);
  }
  const rows: string[][] = [];
  const limits: Target[] = [];
  for (const { reader, bytesPerSecond } of [
    { reader: "as fast as it goes", bytesPerSecond: Number.POSITIVE_INFINITY },
    { reader: "20 MB/s", bytesPerSecond: 20 * megabyte },
  ]) {
    const { seconds, peakRssBytes } = await download(server, port, bodyBytes, bytesPerSecond);
    const growthBytes = Math.max(0, peakRssBytes - usualBytes);
    const growth = (growthBytes / megabyte).toFixed(1);
    rows.push([reader, count(bodyBytes / megabyte / seconds), (usualBytes / megabyte).toFixed(1), growth]);
    const met = growthBytes <= 10 * megabyte;
    limits.push({ what: `growth of memory, reader: ${reader}`, limit: "at most 10 MB", got: `${growth} MB`, met });
  }
  const header = ["reader", "MB/s", "memory with bodies of 10 MB, MB", "growth, MB"];
  report("gateway-download", ["### 100 MB, every byte compared", table(header, rows)], limits);
}

function report(name: string, parts: readonly string[], judged: readonly Target[]): void {
  const text = [machine(["hono", "@hono/node-server", "undici"]), ...parts, targetsTable(judged)].join("\n\n");
  console.log(`${text}\n`);
  if (options.write) writeToReadme(name, text);
  targets.push(...judged);
}
