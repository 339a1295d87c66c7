// The ledger of each package's public API, docs/api/<package>.d.ts, is what the built declarations say: a change of the API is
// a diff that a reviewer sees. `npm run api` writes it anew.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { apiOf } from "./lib/api-ledger.mjs";
import { filesOf, specifiersOf } from "./lib/exports-map.mjs";
import { finish, publicPackages, root, SOURCE_CONDITION } from "./lib/workspace.mjs";

const write = process.argv.includes("--write");
const problems = [];
let names = 0;

for (const { dir, name, manifest } of publicPackages()) {
  const path = `docs/api/${basename(dir)}.d.ts`;
  try {
    const text = ledger(dir, name, manifest);
    if (write) {
      mkdirSync(join(root, "docs/api"), { recursive: true });
      writeFileSync(join(root, path), text);
    } else if (!existsSync(join(root, path)) || readFileSync(join(root, path), "utf8") !== text) {
      problems.push(`${path} is not what ${dir} exports (npm run api writes it; then read the diff)`);
    }
  } catch (error) {
    problems.push(`${dir}: ${error.message} (is dist built? npm run build)`);
  }
}
finish("api", problems, `${names} names stand in the ledgers`);

function ledger(dir, name, manifest) {
  const parts = [`// The public API of ${name}. Written by \`npm run api\`.\n`];
  const subpaths = Object.keys(manifest.exports).filter((subpath) => subpath !== "./package.json");
  for (const [at, specifier] of specifiersOf(name, manifest.exports).entries()) {
    const target = manifest.exports[subpaths[at]];
    const entry = filesOf(target).find((file) => file.endsWith(".d.ts"));
    if (!entry || !(SOURCE_CONDITION in target)) throw new Error(`exports["${subpaths[at]}"] has no types`);
    const found = apiOf(join(dir, entry), (path) => readFileSync(join(root, path), "utf8"));
    names += found.length;
    parts.push(`// ── ${specifier}\n`, ...found.map(({ text }) => `${text}\n`));
  }
  return parts.join("\n");
}
