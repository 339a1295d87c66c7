import { describe, expect, it } from "vitest";
import { toModule } from "../lib/docs-module.mjs";

const lines = (code: string, line = 3) => toModule({ code, line }).split("\n");

describe("toModule", () => {
  it("keeps each line of code where it stands on the page", () => {
    expect(lines("const a = 1;\nvoid a;\n", 5).slice(4)).toEqual(["const a = 1;", "void a;", ""]);
  });

  it("asserts an expression, what is logged, and what a name was given", () => {
    expect(lines("await f(1); // => 2")[2]).toBe("$same((await f(1)), (2), 3); // => 2");
    expect(lines('console.log(a.b); // => "x"')[2]).toBe('$same((a.b), ("x"), 3); // => "x"');
    expect(lines("const n = f(); // => { a: [1] }")[2]).toBe(
      "const n = f(); $same((n), ({ a: [1] }), 3); // => { a: [1] }",
    );
  });

  it("asserts statements that span lines or stand inside a function", () => {
    expect(toModule({ code: "f(\n  1,\n); // => 1", line: 2 })).toContain("$same((f(\n  1,\n)), (1), 4);");
    expect(toModule({ code: "f(() => {\n  a; // => 1\n});", line: 2 })).toContain("  $same((a), (1), 3);");
  });

  it("leaves arrows in strings and other comments alone", () => {
    expect(lines('f("// => 1"); // returns 1')[2]).toBe('f("// => 1"); // returns 1');
  });

  it("refuses what it cannot assert", () => {
    expect(() => lines("f(); // => a Response")).toThrow('line 3: "a Response" is not a value');
    expect(() => lines("// => 1\nf();")).toThrow("line 3: no expression");
    expect(() => lines("const {")).toThrow("line 3");
  });
});
