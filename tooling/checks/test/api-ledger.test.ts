import { describe, expect, it } from "vitest";
import { apiOf } from "../lib/api-ledger.mjs";

const files: Record<string, string> = {
  "dist/index.d.ts": `
export { b } from "./b.js";
export type { Options, Thing as Renamed } from "./b.js";
/** Documented. */
export declare function a(): void;
`,
  "dist/b.d.ts": `
/** A comment. */
export declare const b: (options?: Options) => Thing;
export interface Options {
  /** Meaning. */
  readonly x?: number;
}
export declare class Thing {
  #private;
  private readonly hidden;
  readonly shown: string;
}
`,
};
const read = (path: string): string => files[path] ?? "";

describe("apiOf", () => {
  it("gives every exported name with its declaration, sorted, without comments and private members", () => {
    expect(apiOf("dist/index.d.ts", read)).toEqual([
      { name: "Options", text: "export interface Options {\n  readonly x?: number;\n}" },
      { name: "Renamed", text: "export declare class Thing {\n  readonly shown: string;\n}\n// exported as Renamed" },
      { name: "a", text: "export declare function a(): void;" },
      { name: "b", text: "export declare const b: (options?: Options) => Thing;" },
    ]);
  });

  it("says which export leads nowhere", () => {
    expect(() =>
      apiOf("x.d.ts", (path: string) => (path === "x.d.ts" ? 'export { gone } from "./y.js";' : "")),
    ).toThrow("x.d.ts: ./y.js does not export gone");
  });
});
