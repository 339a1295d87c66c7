// What must not be committed: paths of one machine, package registry hosts, unfinished marks, tests switched off.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { isTest } from "./lib/boundary-rules.mjs";
import { finish, projectFiles, root } from "./lib/workspace.mjs";

const rules = [
  {
    pattern: /(?<![\w.)\]}$])\/(?:work|root|tmp\/bash_jobs)\//,
    fix: "a path of one machine; write it relative to the repository",
  },
  {
    pattern: /\b(?:registry\.[a-z][\w-]*\.\w+|npm\.pkg\.github\.com|localhost:4873)\b/,
    fix: "a registry host; the user's configuration names it",
  },
  {
    pattern: /\b(?:TODO|FIXME|XXX)\b/,
    fix: "finish it, or open an issue",
  },
  {
    pattern: /\.(?:only|skip|todo)\(|\b(?:it|test|describe|suite)\.(?:\w+\.)*(?:only|skip|todo)\b/,
    only: isTest,
    fix: "every test runs; delete it or make it pass",
  },
];

/** Files that hold one of these on purpose. */
const exceptions = new Set([
  "tooling/checks/prose.mjs", // names the patterns
]);

const problems = [];
const files = projectFiles().filter((path) => !exceptions.has(path));
for (const path of files) {
  const bytes = readFileSync(join(root, path));
  if (bytes.includes(0)) continue; // not text
  for (const [index, text] of bytes.toString("utf8").split("\n").entries()) {
    for (const { pattern, only, fix } of rules) {
      const match = only && !only(path) ? null : pattern.exec(text);
      if (match) problems.push(`${path}:${index + 1}: "${match[0]}": ${fix}`);
    }
  }
}
finish(
  "prose",
  problems,
  `${files.length} files hold no machine path, registry host, unfinished mark or disabled test`,
);
