// Mutation tests of the policies: `npm run test:mutation`. Every change that Stryker can make to a policy must fail a test,
// up to a score of 85 %; those that survive are listed with a reason in survivors.md.
import { fileURLToPath } from "node:url";

export default {
  plugins: [fileURLToPath(import.meta.resolve("@stryker-mutator/vitest-runner"))],
  testRunner: "vitest",
  vitest: { configFile: "tooling/mutation/vitest.config.ts", related: false },
  mutate: ["packages/core/src/backoff.ts"],
  coverageAnalysis: "perTest",
  thresholds: { high: 95, low: 85, break: 85 },
  reporters: ["clear-text", "progress-append-only", "json"],
  jsonReporter: { fileName: "tooling/mutation/dist/report.json" },
  clearTextReporter: { allowColor: false, reportTests: false, logTests: false },
  tempDirName: "tooling/mutation/dist/sandbox",
  concurrency: 2,
  ignorePatterns: ["**/dist", ".turbo", "docs", "apps", "bench"],
  allowEmpty: false,
};
