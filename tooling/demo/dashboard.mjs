// Draws the dashboard of deploy/observability from a demo run of two minutes: `npm run demo:dashboard`. What is drawn is what a
// real Prometheus answers to the dashboard's own queries.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../checks/lib/workspace.mjs";
import { dashboard, panelsOf } from "../dashboard/src/dashboard.ts";
import { seriesOf } from "../dashboard/src/picture/data.ts";
import { draw } from "../dashboard/src/picture/draw.ts";
import { withoutVariables } from "../dashboard/src/promql.ts";
import { runDemo } from "../live/lib/demo.mjs";
import { ensureProgram } from "../live/lib/programs.mjs";

const PICTURE = "docs/guides/observe-dashboard.svg";
const DURATION_MS = 120_000;
const STEP_S = 2;
const VARIABLES = { job: ".*", instance: ".*", __rate_interval: "8s" };

ensureProgram("prometheus", "prometheus");
const model = dashboard();
const demo = await runDemo(DURATION_MS);
try {
  const range = { startS: Math.ceil(demo.startS), endS: Math.floor(demo.endS), stepS: STEP_S };
  const results = new Map();
  for (const { id, targets } of panelsOf(model)) {
    const series = [];
    for (const { expr, legendFormat } of targets) {
      const found = await demo.prometheus.queryRange(withoutVariables(expr, VARIABLES), range);
      series.push(...found.map((each) => seriesOf(legendFormat, each)));
    }
    results.set(id, series);
  }
  writeFileSync(join(root, PICTURE), draw(model, results, range));
  console.log(`${PICTURE} shows ${results.size} panels`);
} finally {
  await demo.stop();
}
