// The gateway on workerd, bundled as `wrangler deploy` would, for a configuration of its own. Reached directly: the proxy that
// `wrangler dev` puts before it costs more than the gateway.
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const app = resolve(fileURLToPath(import.meta.url), "../../../../apps/gateway");
const BUNDLE_LIMIT_MS = 60_000;

/**
 * @param {unknown} config
 * @param {Record<string, string>} vars of the Worker
 * @returns {Promise<{ url: string, stop(): Promise<void> }>}
 */
export async function startGatewayOnWorkerd(config, vars) {
  const { Miniflare, convertV4MiniflareOptions } = createRequire(join(app, "package.json"))("miniflare");
  const settings = JSON.parse(readFileSync(join(app, "wrangler.jsonc"), "utf8").replaceAll(/^\s*\/\/.*$/gm, ""));
  const [{ name: binding, class_name: className }] = settings.durable_objects.bindings;
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      workers: [
        {
          name: settings.name,
          modules: true,
          script: await bundle(config),
          compatibilityDate: settings.compatibility_date,
          compatibilityFlags: settings.compatibility_flags,
          bindings: vars,
          durableObjects: { [binding]: { className, useSQLite: true } },
          unsafeDirectSockets: [{ host: "127.0.0.1", port: 0 }],
        },
      ],
      cf: false,
      host: "127.0.0.1",
      port: 0,
    }),
  );
  try {
    await miniflare.ready;
    const { origin } = await miniflare.unsafeGetDirectURL(settings.name);
    return { url: origin, stop: () => miniflare.dispose() };
  } catch (error) {
    await miniflare.dispose();
    throw error;
  }
}

async function bundle(config) {
  mkdirSync(join(app, "dist"), { recursive: true });
  const folder = mkdtempSync(join(app, "dist/live-"));
  try {
    const entry = join(folder, "worker.ts");
    const source = JSON.stringify(join(app, "src/worker/create-worker.ts"));
    const lines = [
      `import { createWorker } from ${source};`,
      `export { GatewayMetrics } from ${source};`,
      `export default createWorker(${JSON.stringify(config)});`,
    ];
    writeFileSync(entry, lines.join("\n"));
    const wrangler = join(app, "node_modules/wrangler/bin/wrangler.js");
    const args = ["deploy", entry, "--dry-run", "--config", join(app, "wrangler.jsonc"), "--outdir", folder];
    await promisify(execFile)(process.execPath, [wrangler, ...args], {
      timeout: BUNDLE_LIMIT_MS,
      env: {
        ...process.env,
        WRANGLER_BUILD_CONDITIONS: "headgate-source,workerd,worker,browser",
        WRANGLER_HIDE_BANNER: "true",
        WRANGLER_SEND_METRICS: "false",
      },
    });
    return readFileSync(join(folder, "worker.js"), "utf8");
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
