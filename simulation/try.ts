import { run } from "./src/run.ts";
import { scenarios } from "./src/scenarios.ts";
import * as c from "./src/contenders.ts";
const [which = "A", who = "oracle,knee", workers = "20", clients = "1", scale = "1", seeds = "1"] = process.argv.slice(2);
const of: Record<string, any> = { oracle: c.oracle, knee: c.knee, vegas: c.vegas, gradient: c.gradient, aimd: c.aimd, none: c.unlimited };
const f = (x: number, d = 1) => x.toFixed(d).padStart(8);
for (const name of which.split(",")) for (const w of workers.split(",")) for (const seed of seeds.split(",")) {
  let ref: any;
  for (const id of who.split(",")) {
    const t = performance.now();
    const r = await run((scenarios as any)[name]({ workers: +w, clients: id === "oracle" ? 1 : +clients, scale: +scale }), of[id], +seed);
    const s = (performance.now() - t) / 1000;
    if (id === "oracle") { ref = r; continue; }
    let line = `${name} c=${w.padStart(3)} s${seed} ${id.padEnd(7)}`;
    for (const [p, m] of Object.entries(r.phases)) {
      const o = ref?.phases[p];
      line += ` | ${p.slice(0,4)} ${f(m.goodPerSecond, 0)}/s${o ? ` (${(m.good / o.good).toFixed(3)})` : ""} ${f(m.latencyMs(0.5), 0)}ms${o ? ` (${(m.latencyMs(0.5) / o.latencyMs(0.5)).toFixed(2)})` : ""} ref ${(m.refusedShare * 100).toFixed(2)}%` + (r.whole[p]!.timedOut ? ` to ${(r.whole[p]!.timedOutShare * 100).toFixed(2)}%` : "") ;
    }
    line += ` wholeBefore ${(r.whole.before!.refusedShare * 100).toFixed(2)}%`;
    console.log(line + ` ${s.toFixed(1)}s L=${r.limits.slice(0, 4).map((l: any) => (l.base ?? l.limit).toFixed(1)).join(",")}`);
  }
}
