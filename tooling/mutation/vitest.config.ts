// The tests of core on Node alone, as the mutation tests run them.
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const conditions = ["headgate-source"];

export default defineConfig({
  root: fileURLToPath(new URL("../..", import.meta.url)),
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: { include: ["packages/core/{src,test}/**/*.test.ts"], exclude: ["**/leaks.node.test.ts"] },
});
