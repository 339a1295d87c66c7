// Mutation tests: every change that Stryker can make to a policy must fail a test. `npm run test:mutation` starts them, by
// way of run.mjs, which says which files to mutate; those changes that survive are listed with a reason in survivors.md.
import { fileURLToPath } from "node:url";

export default {
  plugins: [fileURLToPath(import.meta.resolve("@stryker-mutator/vitest-runner"))],
  testRunner: "vitest",
  vitest: { configFile: "tooling/mutation/vitest.config.ts", related: false },
  coverageAnalysis: "perTest",
  concurrency: 2,
  reporters: ["progress-append-only", "json"],
  jsonReporter: { fileName: `tooling/mutation/dist/${process.env.REPORT ?? "report"}.json` },
  tempDirName: "tooling/mutation/dist/sandbox",
  ignorePatterns: ["**/dist", ".turbo", "docs", "apps", "bench"],
  disableTypeChecks: false,
  // An endless loop is stopped by the count of its steps, long before this.
  timeoutMS: 5000,
  timeoutFactor: 2,
  allowConsoleColors: false,
};
