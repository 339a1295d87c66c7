// The tests of core on Node alone, as the mutation tests run them: many thousand times, so that what is quick and close to
// the source comes first and a mutant seldom lives until the property tests.
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

const conditions = ["headgate-source"];
const slow = [/\.property\.test\.ts$/, /\/test\/(interleavings|single-flight-orders)\.test\.ts$/, /\/fetch\//];

function rank({ moduleId }: TestSpecification): number {
  const isSlow = slow.findIndex((pattern) => pattern.test(moduleId));
  if (isSlow >= 0) return 2 + isSlow;
  return moduleId.includes("/src/") ? 0 : 1;
}

class QuickFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    return files.toSorted((a, b) => rank(a) - rank(b) || a.moduleId.localeCompare(b.moduleId));
  }
}

// Read by packages/core/test/support/property-runs.ts.
process.env["HEADGATE_MUTATION"] = "1";

export default defineConfig({
  root: fileURLToPath(new URL("../..", import.meta.url)),
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    include: ["packages/core/{src,test}/**/*.test.ts"],
    exclude: ["**/leaks.node.test.ts", "packages/core/src/{streams,fetch}/**"],
    isolate: false,
    sequence: { sequencer: QuickFirst },
    // Where a mutant waits for ever.
    testTimeout: 2000,
    hookTimeout: 2000,
  },
});
