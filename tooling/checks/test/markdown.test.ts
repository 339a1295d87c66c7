import { describe, expect, it } from "vitest";
import { anchors, fencedBlocks, links } from "../lib/markdown.mjs";

describe("fencedBlocks", () => {
  it("gives info, first line and code, without the list's indentation", () => {
    const page = ["# A", "```ts no-run", "a;", "```", "- item", "  ```ts", "  if (b) {", "    c;", "  }", "  ```"].join(
      "\n",
    );
    expect(fencedBlocks(page)).toEqual([
      { info: "ts no-run", line: 3, code: "a;\n" },
      { info: "ts", line: 7, code: "if (b) {\n  c;\n}\n" },
    ]);
  });

  it("takes a block inside a longer fence as text", () => {
    expect(fencedBlocks("````md\n```ts\na;\n```\n````\n").map((block) => block.info)).toEqual(["md"]);
  });

  it("refuses a block that is never closed", () => {
    expect(() => fencedBlocks("```ts\na;\n")).toThrow("line 1");
  });
});

describe("links", () => {
  it("finds links, images and definitions outside code", () => {
    const page = [
      "[a](./a.md#x) ![b](b.png) `[no](no.md)`",
      "```md",
      "[no](no.md)",
      "```",
      '[c][d] [e](<e.md> "title")',
      "[d]: d.md",
    ].join("\n");
    expect(links(page)).toEqual([
      { target: "./a.md#x", line: 1 },
      { target: "b.png", line: 1 },
      { target: "e.md", line: 5 },
      { target: "d.md", line: 6 },
    ]);
  });
});

describe("anchors", () => {
  it("makes them of headings and explicit ids", () => {
    const page =
      '# What it\'s for\n## `retry(options)`\n## [Link](x.md) & more\n## Twice\n## Twice\n<a id="own"></a>\n';
    expect([...anchors(page)]).toEqual(["what-its-for", "retryoptions", "link--more", "twice", "twice-1", "own"]);
  });
});
