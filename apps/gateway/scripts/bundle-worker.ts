// A Worker like `src/worker.ts` with a configuration of its own, bundled as `wrangler deploy` would: what tests start on workerd.
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

/** The script, and how `wrangler.jsonc` says that it is run. */
export interface WorkerBundle {
  readonly name: string;
  readonly script: string;
  readonly compatibilityDate: string;
  readonly compatibilityFlags: string[];
  /** Classes by the names of their bindings. */
  readonly durableObjects: Readonly<Record<string, { readonly className: string; readonly useSQLite: true }>>;
}

interface WranglerSettings {
  readonly name: string;
  readonly compatibility_date: string;
  readonly compatibility_flags: string[];
  readonly durable_objects: { readonly bindings: readonly { readonly name: string; readonly class_name: string }[] };
}

const app = fileURLToPath(new URL("../", import.meta.url));
const settingsFile = join(app, "wrangler.jsonc");
const limitMs = 60_000;

/** @throws what wrangler says when it fails, or takes longer than a minute. */
export async function bundleWorker(config: unknown): Promise<WorkerBundle> {
  const settings = JSON.parse(readFileSync(settingsFile, "utf8").replaceAll(/^\s*\/\/.*$/gm, "")) as WranglerSettings;
  const classes = settings.durable_objects.bindings.map(
    ({ name, class_name: className }) => [name, { className, useSQLite: true }] as const,
  );
  return {
    name: settings.name,
    script: await scriptOf(config),
    compatibilityDate: settings.compatibility_date,
    compatibilityFlags: settings.compatibility_flags,
    durableObjects: Object.fromEntries(classes),
  };
}

async function scriptOf(config: unknown): Promise<string> {
  mkdirSync(join(app, "dist"), { recursive: true });
  const folder = mkdtempSync(join(app, "dist/worker-"));
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
    const args = ["deploy", entry, "--dry-run", "--config", settingsFile, "--outdir", folder];
    await promisify(execFile)(process.execPath, [wrangler, ...args], {
      timeout: limitMs,
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
