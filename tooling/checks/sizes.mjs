// What a user's bundle grows by: each set of exports in sizes.json, built from dist, minified and gzipped, stays within
// its budget. Raise a budget only together with what it buys.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { packageOf } from "./lib/imports.mjs";
import { finish, publicPackages, root } from "./lib/workspace.mjs";

const budgets = JSON.parse(readFileSync(join(root, "tooling/checks/sizes.json"), "utf8"));
const packages = publicPackages();
const problems = [];

for (const budget of budgets) {
  try {
    const bytes = await measure(budget);
    console.log(`${String(bytes).padStart(7)} of ${String(budget.maxBytes).padStart(6)} B  ${budget.name}`);
    if (bytes > budget.maxBytes) {
      problems.push(
        `${budget.name}: ${bytes} B, ${bytes - budget.maxBytes} B over its budget in tooling/checks/sizes.json`,
      );
    }
  } catch (error) {
    problems.push(`${budget.name}: ${error.errors?.[0]?.text ?? error.message} (is dist built? npm run build)`);
  }
}
finish("sizes", problems, `${budgets.length} bundles within their budgets`);

/** Bytes of the gzipped bundle of `imports`, with what they need and without what is external. */
async function measure({ from, imports, external }) {
  const owner = packages.find((each) => each.name === packageOf(from));
  if (!owner) throw new Error(`no public package holds ${from}`);
  const names = imports.join(", ");
  const { outputFiles, warnings } = await build({
    stdin: { contents: `export { ${names} } from "${from}";`, resolveDir: join(root, owner.dir) },
    bundle: true,
    format: "esm",
    platform: "neutral",
    target: "es2023",
    minify: true,
    external,
    write: false,
    logLevel: "silent",
  });
  if (warnings.length > 0) throw new Error(warnings[0].text);
  return gzipSync(outputFiles[0].contents, { level: 9 }).length;
}
