// Reads the `exports` and `imports` of a package.json. Pure.

/** The same map without the branches of one condition. */
export function withoutCondition(map, condition) {
  if (map === null || typeof map !== "object") return map;
  const kept = Object.entries(map).filter(([key]) => key !== condition);
  return Object.fromEntries(kept.map(([key, value]) => [key, withoutCondition(value, condition)]));
}

/** Every file that a map leads to. */
export function filesOf(map) {
  if (typeof map === "string") return [map];
  return Object.values(map ?? {}).flatMap(filesOf);
}

/** The specifiers under which users import a package's modules: `@headgate/core`, `@headgate/core/testing`. */
export function specifiersOf(name, exports) {
  const modules = Object.keys(exports).filter((subpath) => subpath !== "./package.json");
  return modules.map((subpath) => (subpath === "." ? name : name + subpath.slice(1)));
}

/**
 * What is wrong with a public package's map, as far as package.json and the file system tell.
 *
 * @param {any} manifest
 * @param {(path: string) => boolean} exists a path relative to the package
 */
export function mapProblems(manifest, condition, exists) {
  const problems = [];
  const published = manifest.publishConfig?.exports;
  const mirrored = withoutCondition(manifest.exports, condition);
  // Conditions are matched in order, so the order is part of the meaning.
  if (JSON.stringify(published) !== JSON.stringify(mirrored)) {
    problems.push(`publishConfig.exports must be exports without "${condition}": ${JSON.stringify(mirrored)}`);
  }
  for (const [subpath, target] of Object.entries(manifest.exports)) {
    if (typeof target === "object" && !(condition in target)) {
      problems.push(`exports["${subpath}"] has no "${condition}" that leads to its source`);
    }
  }
  for (const file of new Set(filesOf({ ...manifest.exports, ...manifest.imports }))) {
    if (!exists(file)) problems.push(`${file} does not exist${file.startsWith("./dist/") ? " (npm run build)" : ""}`);
  }
  return problems;
}
