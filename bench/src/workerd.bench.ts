// The same composition on workerd, Headgate against cockatiel: part of `npm run bench`. Takes `--quick` and `--write` as well.
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { convertV4MiniflareOptions, Miniflare } from "miniflare";
import { flags } from "./flags.ts";
import { atLeast, count, machine, table, targetsTable, times, writeToReadme } from "./report.ts";
import { median, medianRatio } from "./statistics.ts";

const options = flags("quick", "write");

const rounds = options.quick ? 5 : 25;
const calls: Readonly<Record<string, number>> = { bare: 400_000, headgate: 40_000, cockatiel: 5000 };
const samples: Record<string, number[]> = { bare: [], headgate: [], cockatiel: [] };

const miniflare = new Miniflare(
  convertV4MiniflareOptions({
    modules: true,
    script: await bundle(),
    compatibilityDate: "2026-10-01",
    cf: false,
  }),
);
try {
  const url = await miniflare.ready;
  const names = Object.keys(calls);
  for (const name of names) await time(url, name, calls[name] as number);
  for (let round = 0; round < rounds; round++) {
    for (const name of round % 2 === 0 ? names : names.toReversed()) {
      // What a request costs by itself is taken off.
      const requestMs = await time(url, name, 0);
      const n = calls[name] as number;
      samples[name]?.push((((await time(url, name, n)) - requestMs) * 1e6) / n);
    }
  }
} finally {
  await miniflare.dispose();
}

const headgate = samples["headgate"] as number[];
const rows = Object.entries(samples).map(([name, values]) => [
  name === "headgate" ? "**Headgate**" : name,
  count(median(values)),
  times(medianRatio(values, headgate)),
]);
const target = atLeast(
  5,
  "× faster than cockatiel on workerd",
  medianRatio(samples["cockatiel"] as number[], headgate),
);
const text = [
  machine(["cockatiel", "miniflare"]),
  "### workerd: success, one call after another",
  table(["", "ns a call, median", "× Headgate"], rows),
  targetsTable([target]),
].join("\n\n");
console.log(text);
if (options.write) writeToReadme("workerd", text);
process.exitCode = target.met ? 0 : 1;

async function time(url: URL, name: string, n: number): Promise<number> {
  const startMs = performance.now();
  const response = await fetch(new URL(`/${name}/${n}`, url));
  const answer = await response.text();
  if (answer !== "done") throw new Error(`${name}: ${response.status} ${answer}`);
  return performance.now() - startMs;
}

async function bundle(): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL("./workerd/worker.ts", import.meta.url))],
    bundle: true,
    format: "esm",
    platform: "neutral",
    mainFields: ["module", "main"],
    conditions: ["headgate-source", "workerd", "worker", "import"],
    target: "es2023",
    write: false,
    logLevel: "silent",
  });
  return outputFiles[0]?.text ?? "";
}
