// The tables of metrics in docs/guides/observe.md are what the packages define. `npm run generate` writes them anew.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { definitionsOfMetrics, metricTable, withGenerated } from "./lib/metric-table.mjs";
import { finish, root } from "./lib/workspace.mjs";

const PAGE = "docs/guides/observe.md";
const problems = [];
const { prometheusName, calls, runtime } = await definitionsOfMetrics();
try {
  const page = readFileSync(join(root, PAGE), "utf8");
  const isHttp = ({ name }) => name.startsWith("http.");
  const groups = {
    "metrics of calls": calls.filter((each) => !isHttp(each)),
    "metrics of HTTP": calls.filter(isHttp),
    "metrics of the runtime": runtime,
  };
  let current = page;
  for (const [name, group] of Object.entries(groups)) {
    current = withGenerated(current, name, metricTable(group, prometheusName));
  }
  if (process.argv.includes("--write")) writeFileSync(join(root, PAGE), current);
  else if (current !== page) problems.push(`${PAGE}: the tables are not what the packages define (npm run generate)`);
} catch (error) {
  problems.push(`${PAGE}: ${error.message}`);
}
finish("metrics", problems, `${calls.length + runtime.length} metrics stand in ${PAGE}`);
