// What users install: each public package is packed, looked at by publint and attw, installed in an empty folder outside
// the repository, and every subpath is imported on Node; those that stand on Web APIs are loaded in workerd as well.
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { publint } from "publint";
import { formatMessage } from "publint/utils";
import { WEB_ONLY } from "./lib/boundary-rules.mjs";
import { mapProblems, specifiersOf } from "./lib/exports-map.mjs";
import { run } from "./lib/run.mjs";
import { loadInWorkerd } from "./lib/workerd.mjs";
import { finish, publicPackages, root, SOURCE_CONDITION } from "./lib/workspace.mjs";

const LIMIT_MS = 120_000;
const packages = publicPackages();
const problems = [];
const folder = mkdtempSync(join(tmpdir(), "headgate-packed-"));
let subpaths = 0;
try {
  for (const { dir, manifest } of packages) {
    const exists = (path) => existsSync(join(root, dir, path));
    for (const problem of mapProblems(manifest, SOURCE_CONDITION, exists))
      problems.push(`${dir}/package.json: ${problem}`);
  }
  // Without its files there is nothing worth packing.
  if (problems.length === 0) {
    const tarballs = await Promise.all(packages.map(pack));
    if (problems.length === 0 && (await install(tarballs))) {
      await importOnNode();
      await importInWorkerd();
    }
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
finish("exports", problems, `${packages.length} packages pack, install and import under ${subpaths} names`);

/** Packs one package, has the tarball looked at, and gives its path. */
async function pack({ dir, manifest }) {
  const target = join(folder, "tarballs", dir.replaceAll("/", "-"));
  mkdirSync(target, { recursive: true });
  const packed = await run("pnpm", ["pack", "--pack-destination", target], { cwd: join(root, dir), limitMs: LIMIT_MS });
  const name = readdirSync(target).find((file) => file.endsWith(".tgz"));
  if (!packed.ok || !name) {
    problems.push(`${dir}: pnpm pack failed\n${packed.output}`);
    return undefined;
  }
  const tarball = join(target, name);
  const bytes = readFileSync(tarball);
  const data = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
  const { messages, pkg } = await publint({ pack: { tarball: data }, strict: true });
  for (const message of messages) problems.push(`${dir}: publint: ${formatMessage(message, pkg, { color: false })}`);

  const attw = join(root, "tooling/checks/node_modules/.bin/attw");
  const looked = await run(attw, [tarball, "--profile", "esm-only", "--no-color", "--no-emoji"], {
    cwd: root,
    limitMs: LIMIT_MS,
  });
  if (!looked.ok) problems.push(`${dir}: attw: ${looked.output}`);
  subpaths += specifiersOf(manifest.name, manifest.exports).length;
  return tarball;
}

/** Optional peers as `name@version`, the version that the workspace has: some subpaths need theirs. */
function optionalPeers() {
  return packages.flatMap(({ dir, manifest }) =>
    Object.keys(manifest.peerDependenciesMeta ?? {}).map((peer) => {
      const { version } = JSON.parse(readFileSync(join(root, dir, "node_modules", peer, "package.json"), "utf8"));
      return `${peer}@${version}`;
    }),
  );
}

/** Installs all tarballs together, the way a user's project would. */
async function install(tarballs) {
  writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true, type: "module" }));
  const args = [
    "install",
    "--prefer-offline",
    "--no-audit",
    "--no-fund",
    "--ignore-scripts",
    ...tarballs,
    ...optionalPeers(),
  ];
  const { ok, output } = await run("npm", args, { cwd: folder, limitMs: LIMIT_MS });
  if (!ok) problems.push(`npm install of the tarballs failed\n${output}`);
  return ok;
}

async function importOnNode() {
  for (const specifier of packages.flatMap(({ name, manifest }) => specifiersOf(name, manifest.exports))) {
    const file = join(folder, "import.mjs");
    const text = `if (Object.keys(await import(${JSON.stringify(specifier)})).length === 0) throw new Error("exports nothing");`;
    writeFileSync(file, text);
    const { ok, output } = await run(process.execPath, [file], { cwd: folder, limitMs: LIMIT_MS });
    if (!ok) problems.push(`${specifier} cannot be imported on Node\n${output.replaceAll(folder, ".")}`);
  }
}

async function importInWorkerd() {
  const specifiers = packages
    .filter(({ name }) => WEB_ONLY.has(name))
    .flatMap(({ name, manifest }) => specifiersOf(name, manifest.exports));
  try {
    const { answer, names } = await loadInWorkerd(folder, specifiers);
    if (answer !== 2) problems.push(`a pipeline made at module scope in workerd took ${answer} attempts, not 2`);
    for (const specifier of specifiers) {
      if (names[specifier].length === 0) problems.push(`${specifier} exports nothing in workerd`);
    }
  } catch (error) {
    problems.push(`workerd without flags cannot load ${specifiers.join(", ")}\n${error.message}`);
  }
}
