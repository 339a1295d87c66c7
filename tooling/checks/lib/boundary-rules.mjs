// The rules of `boundaries.mjs`, one import at a time. Pure: the files are read elsewhere.
import { posix } from "node:path";
import { packageOf } from "./imports.mjs";

/** Packages that run wherever there are Web APIs: no Node module in their sources. */
export const WEB_ONLY = new Set(["@headgate/core", "@headgate/hono", "@headgate/otel", "@headgate/workers"]);
/** What tools share with each other. */
const SHARED_TOOLING = new Set(["@headgate/charts"]);
/** What chooses a runtime, by the side that may import it. */
const ADAPTERS = {
  node: [/^node:/, /^@hono\/node-server(\/|$)/, /^undici(\/|$)/],
  worker: [/^cloudflare:/],
};

export const isTest = (path) => /\.test(-d)?\.tsx?$/.test(path) || /(^|\/)test\//.test(path);

/** The runtime that a file of an app is written for: `src/node.ts`, `src/node/…`, `src/worker.ts`, `src/worker/…`. */
export function runtimeOf(pathInPackage) {
  return /^src\/(node|worker)(\.ts$|\/)/.exec(pathInPackage)?.[1];
}

/**
 * Says what is wrong with one import, or nothing.
 *
 * @param {{ name: string, dir: string, group: string, manifest: any }} owner the package that holds the file
 * @param {string} path of the file, relative to the root
 * @param {{ specifier: string }} imported
 */
export function importProblem(owner, path, { specifier }) {
  const inPackage = posix.relative(owner.dir, path);
  if (specifier.startsWith(".")) return relativeProblem(owner, inPackage, specifier);
  if (specifier.startsWith("#")) return undefined;
  if (owner.group === "tooling") {
    const wanted = packageOf(specifier);
    if (SHARED_TOOLING.has(wanted)) return undeclared(owner, specifier, true);
    return wanted.startsWith("@headgate/") ? "tooling imports none of the packages" : undefined;
  }
  const test = isTest(inPackage);
  if (owner.group === "apps" && inPackage.startsWith("src/") && !test) {
    const side = Object.keys(ADAPTERS).find((each) => ADAPTERS[each].some((adapter) => adapter.test(specifier)));
    if (side && runtimeOf(inPackage) !== side) return `only src/${side}.ts and src/${side}/ may import ${specifier}`;
  }
  if (owner.group === "packages" && inPackage.startsWith("src/") && !test) return packageProblem(owner, specifier);
  return undeclared(owner, specifier, test || !inPackage.startsWith("src/"));
}

function relativeProblem(owner, inPackage, specifier) {
  const target = posix.join(posix.dirname(inPackage), specifier);
  if (target.startsWith("..")) return `${specifier} leaves ${owner.name}; import the other package by its name`;
  if (owner.group !== "apps" || isTest(inPackage) || !inPackage.startsWith("src/")) return undefined;
  const side = runtimeOf(target);
  if (side && runtimeOf(inPackage) !== side) {
    return `${specifier} is written for ${side}; only src/${side}.ts and src/${side}/ may import it`;
  }
  return undefined;
}

function packageProblem(owner, specifier) {
  const wanted = packageOf(specifier);
  if (wanted === owner.name) return `${specifier} is this package; import the file by a relative path`;
  if (owner.name === "@headgate/core") return `core imports nothing outside itself, not even a type (${specifier})`;
  if (WEB_ONLY.has(owner.name) && specifier.startsWith("node:")) {
    return `${owner.name} uses Web APIs only; ${specifier} belongs in a package for Node`;
  }
  if (wanted.startsWith("@headgate/") && wanted !== "@headgate/core") {
    return `packages meet only in core; do not import ${wanted}`;
  }
  return undeclared(owner, specifier, false);
}

function undeclared(owner, specifier, developing) {
  if (/^(node|cloudflare|bun):/.test(specifier)) return undefined;
  const wanted = packageOf(specifier);
  const { dependencies, peerDependencies, devDependencies } = owner.manifest;
  const declared = { ...dependencies, ...peerDependencies, ...(developing && { vitest: "", ...devDependencies }) };
  if (wanted in declared || (developing && wanted === owner.name)) return undefined;
  const where = developing ? "dependencies or devDependencies" : "dependencies or peerDependencies";
  return `${wanted} is not among the ${where} of ${owner.dir}/package.json`;
}

/** Says what is wrong with the dependencies that a package declares. */
export function manifestProblems({ name, group, manifest }) {
  if (group !== "packages") return [];
  const declared = Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies });
  if (name === "@headgate/core") return declared.map((each) => `core has no dependencies; remove ${each}`);
  return declared
    .filter((each) => each.startsWith("@headgate/") && each !== "@headgate/core")
    .map((each) => `packages depend on core and never on each other; remove ${each}`);
}
