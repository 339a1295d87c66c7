// Loads modules in real workerd, as an old deployment without a single compatibility flag would, to show that they
// stand on Web APIs alone. (Tests that run inside workerd cannot show it: their runner turns Node's modules on.)
import { build } from "esbuild";
import { convertV4MiniflareOptions, Miniflare } from "miniflare";

const COMPATIBILITY_DATE = "2024-10-14";

/** Runs at the worker's module scope and in a request, with the modules under their specifiers. */
const workerSource = (specifiers) => `
${specifiers.map((specifier, at) => `import * as module${at} from ${JSON.stringify(specifier)};`).join("\n")}
const modules = { ${specifiers.map((specifier, at) => `${JSON.stringify(specifier)}: module${at}`).join(", ")} };
const { pipeline, retry, timeout } = modules["@headgate/core"];
const calls = pipeline({ name: "smoke" }, timeout({ timeoutMs: 1_000 }), retry({ maxAttempts: 2 }));

export default {
  async fetch() {
    const answer = await calls.execute(async ({ attempt }) => {
      if (attempt === 1) throw new Error("once more");
      return attempt;
    });
    const names = Object.fromEntries(Object.entries(modules).map(([name, module]) => [name, Object.keys(module)]));
    return Response.json({ answer, names });
  },
};
`;

/**
 * Bundles the modules as installed in `folder` and loads them in workerd.
 *
 * @param {string} folder
 * @param {string[]} specifiers
 * @returns {Promise<{ answer: number, names: Record<string, string[]> }>} the names that each module exports, and the
 * number of attempts that a pipeline made at module scope took
 */
export async function loadInWorkerd(folder, specifiers) {
  const { outputFiles } = await build({
    stdin: { contents: workerSource(specifiers), resolveDir: folder },
    bundle: true,
    format: "esm",
    platform: "neutral",
    conditions: ["workerd", "worker"],
    external: ["cloudflare:*"],
    target: "es2023",
    write: false,
    logLevel: "silent",
  });
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      modules: true,
      script: outputFiles[0].text,
      compatibilityDate: COMPATIBILITY_DATE,
      cf: false,
    }),
  );
  try {
    const response = await miniflare.dispatchFetch("http://localhost/");
    const text = await response.text();
    if (!response.ok) throw new Error(text);
    return JSON.parse(text);
  } finally {
    await miniflare.dispose();
  }
}
