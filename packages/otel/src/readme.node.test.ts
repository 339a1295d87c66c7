/// <reference types="node" />
// The table in the README says what the definitions say.
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import * as definitions from "./definitions.ts";
import { prometheusName } from "./prometheus.ts";

const kinds = { counter: "counter", "up-down-counter": "up-down counter", gauge: "gauge", histogram: "histogram" };

describe("README", () => {
  it("has a row for each metric, and no other", () => {
    const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
    const rows = readme.match(/^\| `[a-z_.]+` \| (counter|up-down counter|gauge|histogram), .*$/gm);
    const expected = Object.values(definitions)
      .filter((one) => typeof one === "object" && "kind" in one)
      .map((one) => {
        const attributes = one.attributes.map((attribute) => `\`${attribute}\``).join(", ");
        return `| \`${one.name}\` | ${kinds[one.kind]}, \`${one.unit}\` | ${attributes} | \`${prometheusName(one)}\` |`;
      });
    expect(rows?.toSorted()).toEqual(expected.toSorted());
  });
});
