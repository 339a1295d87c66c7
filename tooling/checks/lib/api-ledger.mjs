// The public API of a package as text, read from its built declarations: every exported name with its declaration,
// without comments and private members, in alphabetical order. Pure but for reading the files it is told of.
import { posix } from "node:path";
import { parseSync } from "oxc-parser";

/**
 * @param {string} entry path of the entry's `.d.ts`
 * @param {(path: string) => string} read
 * @returns {{ name: string, text: string }[]}
 */
export function apiOf(entry, read) {
  const found = new Map();
  for (const { name, file, local } of exportsOf(entry, read, new Set())) {
    const text = declarationOf(file, local, read);
    found.set(name, name === local ? text : `${text}\n// exported as ${name}`);
  }
  return [...found].map(([name, text]) => ({ name, text })).sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Every name that a module exports, with the module that declares it and its name there. */
function exportsOf(file, read, seen) {
  if (seen.has(file)) return [];
  seen.add(file);
  const { program } = parseSync(file, read(file));
  return program.body.flatMap((node) => {
    if (node.type === "ExportAllDeclaration") return exportsOf(target(file, node.source.value), read, seen);
    if (node.type !== "ExportNamedDeclaration") return [];
    if (node.declaration) return declaredNames(node.declaration).map((name) => ({ name, file, local: name }));
    return node.specifiers.flatMap(({ local, exported }) => {
      if (!node.source) return [{ name: exported.name, file, local: local.name }];
      const inner = exportsOf(target(file, node.source.value), read, new Set()).find(({ name }) => name === local.name);
      if (!inner) throw new Error(`${file}: ${node.source.value} does not export ${local.name}`);
      return [{ ...inner, name: exported.name }];
    });
  });
}

function target(file, specifier) {
  if (!specifier.startsWith(".")) throw new Error(`${file}: re-exports from ${specifier}, which is another package`);
  return posix.join(posix.dirname(file), specifier.replace(/\.[jt]s$/, ".d.ts"));
}

function declaredNames(declaration) {
  if (declaration.declarations) return declaration.declarations.map(({ id }) => id.name);
  return [declaration.id.name];
}

function declarationOf(file, name, read) {
  const source = read(file);
  const { program, comments } = parseSync(file, source);
  const nodes = program.body.filter((node) => namesOf(node).includes(name));
  if (nodes.length === 0) throw new Error(`${file}: declares no ${name}`);
  return nodes.map(({ start, end }) => clean(withoutComments(source, start, end, comments))).join("\n");
}

function namesOf(node) {
  const declaration = node.declaration ?? node;
  return declaration.id || declaration.declarations ? declaredNames(declaration) : [];
}

function withoutComments(source, start, end, comments) {
  let text = "";
  let from = start;
  for (const comment of comments) {
    if (comment.start < start || comment.end > end) continue;
    text += source.slice(from, comment.start);
    from = comment.end;
  }
  return text + source.slice(from, end);
}

function clean(text) {
  return text
    .split("\n")
    .map((line) => line.trimEnd())
    .filter((line) => line.trim() !== "" && !/^\s*(private\b|#private;)/.test(line))
    .join("\n");
}
