import { describe, expect, it } from "vitest";
import { findCycles, packageOf, parseImports } from "../lib/imports.mjs";

describe("parseImports", () => {
  it("finds static, dynamic and re-exporting imports in order, with their lines", () => {
    const source = [
      'import { a } from "./a.ts";',
      'export * from "./b.ts";',
      "// import nothing from './comment.ts'",
      "const text = \"import x from './string.ts'\";",
      'const c = await import("./c.ts");',
      'import "./d.ts";',
    ].join("\n");
    expect(parseImports("x.ts", source)).toEqual([
      { specifier: "./a.ts", typeOnly: false, line: 1 },
      { specifier: "./b.ts", typeOnly: false, line: 2 },
      { specifier: "./c.ts", typeOnly: false, line: 5 },
      { specifier: "./d.ts", typeOnly: false, line: 6 },
    ]);
  });

  it("tells what leaves nothing at run time", () => {
    const source = [
      'import type { A } from "a";',
      'export type { B } from "b";',
      'export type * from "c";',
      'import { type D } from "d";',
    ].join("\n");
    expect(parseImports("x.ts", source).map((each) => each.typeOnly)).toEqual([true, true, true, false]);
  });

  it("refuses a file that does not parse", () => {
    expect(() => parseImports("x.ts", "import {")).toThrow("x.ts");
  });
});

describe("packageOf", () => {
  it("drops the path inside the package", () => {
    expect(packageOf("hono/factory")).toBe("hono");
    expect(packageOf("@headgate/core/testing")).toBe("@headgate/core");
  });
});

describe("findCycles", () => {
  it("gives each cycle as a closed path", () => {
    const graph = new Map([
      ["a", ["b"]],
      ["b", ["c"]],
      ["c", ["b"]],
      ["d", ["d"]],
    ]);
    expect(findCycles(graph)).toEqual([
      ["b", "c", "b"],
      ["d", "d"],
    ]);
  });

  it("finds none where modules only share an import", () => {
    const graph = new Map([
      ["a", ["b", "c"]],
      ["b", ["c"]],
      ["c", []],
    ]);
    expect(findCycles(graph)).toEqual([]);
  });
});
