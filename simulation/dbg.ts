import { run } from "./src/run.ts";
import { scenarios } from "./src/scenarios.ts";
import { kneeLimit } from "@headgate/core";
const [name = "B", workers = "4", clients = "1", scale = "1", seed = "2", from = "0", to = "1e9"] = process.argv.slice(2);
let count = 0;
await run((scenarios as any)[name]({ workers: +workers, clients: +clients, scale: +scale }), { name: "knee", limit: () => {
  const l: any = kneeLimit(); const first = count++ === 0;
  let d = ""; const show = () => { if (first && l.debug !== d) { d = l.debug; const t = parseFloat(d); if (t >= +from && t <= +to) console.log(d); } };
  return { kind: "knee", get limit() { return l.limit; }, observe(s: any) { l.observe(s); show(); }, full(a: number, b: number) { l.full(a, b); show(); } };
} }, +seed);
