// Who may import whom: packages meet only in core, only an app's node and worker files choose a runtime, and no
// import goes round in a circle.
import { existsSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";
import { importProblem, isTest, manifestProblems } from "./lib/boundary-rules.mjs";
import { findCycles, parseImports } from "./lib/imports.mjs";
import { finish, projectFiles, root, workspacePackages } from "./lib/workspace.mjs";

/** Has a page among the policies, but is what policies are given: retry and hedge draw on it. */
const sharedByPolicies = new Set(["retry-budget"]);

const problems = [];
const packages = workspacePackages().filter((each) => ["packages", "apps", "tooling"].includes(each.group));
let files = 0;

for (const owner of packages) {
  for (const problem of manifestProblems(owner)) problems.push(`${owner.dir}/package.json: ${problem}`);
  const graph = new Map();
  for (const path of projectFiles(`${owner.dir}/*.ts`, `${owner.dir}/*.mjs`)) {
    files += 1;
    const next = [];
    for (const imported of parseImports(path, readFileSync(join(root, path), "utf8"))) {
      const at = `${path}:${imported.line}`;
      const problem = importProblem(owner, path, imported) ?? policyProblem(path, imported);
      if (problem) problems.push(`${at}: ${problem}`);
      for (const target of targetsOf(owner, path, imported.specifier)) {
        if (!existsSync(join(root, target))) problems.push(`${at}: ${imported.specifier} names no file`);
        else if (!imported.typeOnly) next.push(target);
      }
    }
    graph.set(path, next);
  }
  for (const cycle of findCycles(graph)) {
    problems.push(
      `${cycle[0]}: imports itself by way of ${cycle.slice(1).join(" > ")}; move what they share to a file of its own`,
    );
  }
}
finish("boundaries", problems, `${files} files in ${packages.length} packages keep their boundaries`);

/** The files of the same package that a specifier may stand for: several for `#name` with conditions. */
function targetsOf(owner, path, specifier) {
  if (specifier.startsWith(".")) return [posix.join(posix.dirname(path), specifier)];
  if (!specifier.startsWith("#")) return [];
  const leaves = (value) => (typeof value === "string" ? [value] : Object.values(value ?? {}).flatMap(leaves));
  return leaves(owner.manifest.imports?.[specifier])
    .filter((leaf) => leaf.startsWith("./src/"))
    .map((leaf) => posix.join(owner.dir, leaf));
}

/** A feature with a page in docs/policies is a policy, and a policy never imports another one. */
function policyProblem(path, { specifier, typeOnly }) {
  const feature = (file) => /^packages\/core\/src\/([\w-]+)\.ts$/.exec(file)?.[1];
  const isPolicy = (name) =>
    name !== undefined && !sharedByPolicies.has(name) && existsSync(join(root, `docs/policies/${name}.md`));
  if (typeOnly || isTest(path) || !specifier.startsWith(".")) return undefined;
  const other = feature(posix.join(posix.dirname(path), specifier));
  if (!isPolicy(feature(path)) || !isPolicy(other)) return undefined;
  return `a policy never imports another policy (${other}); they meet only in the pipeline`;
}
