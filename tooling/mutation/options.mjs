// How Stryker runs: every change that it can make to a policy must fail a test. run.mjs says which files, and into which
// report.
import { fileURLToPath } from "node:url";

export const options = {
  plugins: [fileURLToPath(import.meta.resolve("@stryker-mutator/vitest-runner"))],
  testRunner: "vitest",
  vitest: { configFile: "tooling/mutation/vitest.config.ts", related: false },
  coverageAnalysis: "perTest",
  concurrency: 2,
  reporters: ["progress-append-only", "json"],
  tempDirName: "tooling/mutation/dist/sandbox",
  ignorePatterns: ["**/dist", ".turbo", "docs", "apps", "bench"],
  disableTypeChecks: false,
  // An endless loop is stopped by the count of its steps, long before this.
  timeoutMS: 5000,
  timeoutFactor: 2,
  allowConsoleColors: false,
};
