import { describe, expect, it } from "vitest";
import { importProblem, manifestProblems } from "../lib/boundary-rules.mjs";

const owner = (dir: string, manifest: object = {}) => ({
  name: `@headgate/${dir.split("/")[1]}`,
  dir,
  group: dir.split("/")[0] ?? "",
  manifest,
});
const core = owner("packages/core");
const hono = owner("packages/hono", {
  dependencies: { "@headgate/core": "" },
  peerDependencies: { hono: "" },
  devDependencies: { "@headgate/otel": "", zod: "" },
});
const gateway = owner("apps/gateway", { dependencies: { "@headgate/core": "", undici: "", hono: "" } });
const problem = (from: ReturnType<typeof owner>, file: string, specifier: string) =>
  importProblem(from, `${from.dir}/${file}`, { specifier });

describe("importProblem", () => {
  it("lets core import its own files only", () => {
    expect(problem(core, "src/retry.ts", "./clock.ts")).toBeUndefined();
    expect(problem(core, "src/retry.ts", "#timers")).toBeUndefined();
    expect(problem(core, "src/retry.ts", "hono")).toContain("nothing outside itself");
    expect(problem(core, "src/retry.ts", "../../hono/src/index.ts")).toContain("leaves @headgate/core");
    expect(problem(core, "src/retry.test.ts", "vitest")).toBeUndefined();
  });

  it("lets a package import core and what it declares for its users", () => {
    expect(problem(hono, "src/index.ts", "@headgate/core")).toBeUndefined();
    expect(problem(hono, "src/index.ts", "hono/factory")).toBeUndefined();
    expect(problem(hono, "src/index.ts", "@headgate/otel")).toContain("only in core");
    expect(problem(hono, "src/index.ts", "zod")).toContain("zod is not among the dependencies");
    expect(problem(hono, "src/index.ts", "node:fs")).toContain("Web APIs only");
    expect(problem(hono, "src/index.test.ts", "zod")).toBeUndefined();
  });

  it("lets only an app's own runtime files choose a runtime", () => {
    expect(problem(gateway, "src/app.ts", "hono")).toBeUndefined();
    expect(problem(gateway, "src/app.ts", "undici")).toContain("only src/node.ts");
    expect(problem(gateway, "src/node.ts", "undici")).toBeUndefined();
    expect(problem(gateway, "src/node/server.ts", "node:http")).toBeUndefined();
    expect(problem(gateway, "src/worker.ts", "node:http")).toContain("only src/node.ts");
    expect(problem(gateway, "src/worker.ts", "cloudflare:workers")).toBeUndefined();
    expect(problem(gateway, "src/app.ts", "./node/server.ts")).toContain("written for node");
    expect(problem(gateway, "src/node.ts", "./node/server.ts")).toBeUndefined();
    expect(problem(gateway, "test/app.test.ts", "node:http")).toBeUndefined();
    expect(problem(gateway, "src/app.ts", "zod")).toContain("not among");
  });

  it("keeps tooling apart from the packages", () => {
    const checks = owner("tooling/checks");
    expect(problem(checks, "docs.mjs", "@headgate/core")).toContain("none of the packages");
    expect(problem(checks, "docs.mjs", "esbuild")).toBeUndefined();
    expect(problem(checks, "docs.mjs", "@headgate/charts")).toContain("not among");
    const dashboard = owner("tooling/dashboard", { devDependencies: { "@headgate/charts": "" } });
    expect(problem(dashboard, "src/picture/draw.ts", "@headgate/charts")).toBeUndefined();
  });
});

describe("manifestProblems", () => {
  it("refuses dependencies of core and between packages", () => {
    expect(manifestProblems(owner("packages/core", { dependencies: { hono: "" } }))).toHaveLength(1);
    expect(manifestProblems(owner("packages/otel", { peerDependencies: { "@headgate/hono": "" } }))).toHaveLength(1);
    expect(manifestProblems(hono)).toEqual([]);
  });
});
