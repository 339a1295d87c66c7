// One run for the whole repository: every package's tests, on Node and, where the same code must hold
// there, on workerd. A file ending in `.node.test.ts` needs Node itself and runs there only.
import { cloudflareTest } from "@cloudflare/vitest-plugin";
import { defineConfig } from "vitest/config";

/** The workspace's sources, and the files that are written for this runtime. */
function sourceFor(...runtime: string[]) {
  const conditions = [...runtime, "headgate-source"];
  return { resolve: { conditions }, ssr: { resolve: { conditions } } };
}

/**
 * A test that has not ended by then hangs: no test is about how fast a machine is, and some start processes or do a million calls.
 * Waits for something to happen give up before (`eventually`, `expect.poll`), and say for what they waited.
 */
const limits = { testTimeout: 60_000, hookTimeout: 60_000, expect: { poll: { timeout: 30_000 } } };

export default defineConfig({
  test: {
    projects: [
      {
        ...sourceFor(),
        test: {
          name: "node",
          ...limits,
          include: [
            "packages/*/{src,test}/**/*.test.ts",
            "apps/*/{src,test}/**/*.test.ts",
            "tooling/*/test/**/*.test.ts",
            "simulation/test/**/*.test.ts",
            "bench/src/**/*.test.ts",
          ],
        },
      },
      {
        ...sourceFor("workerd"),
        plugins: [
          cloudflareTest({
            miniflare: { compatibilityDate: "2026-10-01", compatibilityFlags: ["nodejs_compat"] },
          }),
        ],
        test: {
          name: "workerd",
          ...limits,
          include: ["packages/{core,hono,otel,workers}/{src,test}/**/*.test.ts"],
          exclude: ["**/*.node.test.ts", "**/*.property.test.ts"],
        },
      },
    ],
  },
});
