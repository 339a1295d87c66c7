// Reads the imports of a module and finds cycles among modules. Pure: text and maps in, lists out.
import { parseSync } from "oxc-parser";

/**
 * Every module that `source` names, in order.
 * `typeOnly` is true where nothing is left of the import at run time: `import type`, `export type`.
 *
 * @returns {{ specifier: string, typeOnly: boolean, line: number }[]}
 */
export function parseImports(filename, source) {
  const { program, module, errors } = parseSync(filename, source);
  if (errors.length > 0) throw new SyntaxError(`${filename}: ${errors[0].message}`);
  const found = [];
  for (const node of program.body) {
    if (!node.source) continue;
    const kind = node.importKind ?? node.exportKind;
    found.push({ specifier: node.source.value, typeOnly: kind === "type", start: node.start });
  }
  for (const { start, moduleRequest } of module.dynamicImports) {
    const text = source.slice(moduleRequest.start, moduleRequest.end);
    const literal = /^(["'`])([^"'`$]*)\1$/.exec(text);
    if (literal) found.push({ specifier: literal[2], typeOnly: false, start });
  }
  return found
    .sort((a, b) => a.start - b.start)
    .map(({ specifier, typeOnly, start }) => ({
      specifier,
      typeOnly,
      line: source.slice(0, start).split("\n").length,
    }));
}

/** The package that a bare specifier belongs to: `@scope/name/sub` gives `@scope/name`. */
export function packageOf(specifier) {
  return specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/");
}

/**
 * One cycle per group of modules that import each other, each as a closed path.
 *
 * @param {Map<string, string[]>} graph module to the modules it imports
 * @returns {string[][]}
 */
export function findCycles(graph) {
  const cycles = [];
  const done = new Set();
  const path = [];
  const visit = (module) => {
    const at = path.indexOf(module);
    if (at >= 0) cycles.push([...path.slice(at), module]);
    if (at >= 0 || done.has(module)) return;
    path.push(module);
    for (const next of graph.get(module) ?? []) visit(next);
    path.pop();
    done.add(module);
  };
  for (const module of graph.keys()) visit(module);
  return cycles;
}
