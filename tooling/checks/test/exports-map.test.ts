import { describe, expect, it } from "vitest";
import { mapProblems, specifiersOf } from "../lib/exports-map.mjs";

const target = { types: "./dist/index.d.ts", default: "./dist/index.js" };
const manifest = {
  exports: { ".": { source: "./src/index.ts", ...target }, "./package.json": "./package.json" },
  imports: { "#timers": { workerd: { source: "./src/t.workerd.ts", default: "./dist/t.workerd.js" } } },
  publishConfig: { exports: { ".": target, "./package.json": "./package.json" } },
};

describe("mapProblems", () => {
  it("finds nothing where all files exist and the published map mirrors the map", () => {
    expect(mapProblems(manifest, "source", () => true)).toEqual([]);
  });

  it("names each file that is missing", () => {
    const problems = mapProblems(manifest, "source", (path) => !path.includes("workerd"));
    expect(problems).toEqual([
      "./src/t.workerd.ts does not exist",
      "./dist/t.workerd.js does not exist (npm run build)",
    ]);
  });

  it("refuses a published map that differs, and a subpath without its source", () => {
    const exports = { ...manifest.exports, "./more": { default: "./dist/more.js" } };
    const problems = mapProblems({ ...manifest, exports }, "source", () => true);
    expect(problems[0]).toContain("publishConfig.exports must be");
    expect(problems[1]).toContain('exports["./more"]');
  });
});

describe("specifiersOf", () => {
  it("gives what users write", () => {
    expect(specifiersOf("@x/y", { ".": "", "./testing": "", "./package.json": "" })).toEqual(["@x/y", "@x/y/testing"]);
  });
});
