// What the checks share: where the repository is, which packages it holds, and how a check ends.
import { execFileSync } from "node:child_process";
import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

export const root = resolve(dirname(fileURLToPath(import.meta.url)), "../../..");

/** The condition under which a workspace package resolves to its source. */
export const SOURCE_CONDITION = "headgate-source";

/** @returns {{ dir: string, group: string, name: string, manifest: Record<string, any> }[]} every workspace package */
export function workspacePackages(from = root) {
  return globSync(["packages/*/package.json", "apps/*/package.json", "tooling/*/package.json", "*/package.json"], {
    cwd: from,
    exclude: ["node_modules/**"],
  })
    .sort()
    .map((path) => {
      const manifest = JSON.parse(readFileSync(join(from, path), "utf8"));
      const dir = dirname(path);
      return { dir, group: dir.split("/")[0], name: manifest.name, manifest };
    });
}

/** The packages that are published. */
export function publicPackages(from = root) {
  return workspacePackages(from).filter((each) => each.group === "packages" && !each.manifest.private);
}

/** Files that belong to the project: tracked, or new and not ignored. Paths are relative to the root. */
export function projectFiles(...patterns) {
  const args = ["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", ...patterns];
  const listed = execFileSync("git", args, { cwd: root, encoding: "utf8", maxBuffer: 64 * 1024 * 1024 });
  return [...new Set(listed.split("\0").filter(Boolean))].filter((path) => existsSync(join(root, path))).sort();
}

/** Prints the problems, or what was found in order, and sets the exit code. */
export function finish(check, problems, summary) {
  for (const problem of problems) console.error(`${check}: ${problem}`);
  if (problems.length > 0) {
    console.error(`${check}: ${problems.length} problem${problems.length === 1 ? "" : "s"}`);
    process.exitCode = 1;
  } else console.log(`${check}: ${summary}`);
}
