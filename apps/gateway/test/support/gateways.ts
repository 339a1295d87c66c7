// The gateway on each runtime for one configuration, over real connections on loopback.
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { convertV4MiniflareOptions, Miniflare } from "miniflare";
import { parseConfig } from "../../src/config.ts";
import { type RunningGateway, startGateway } from "../../src/node.ts";

export interface TestGateway {
  readonly runtime: "node" | "workerd";
  readonly url: string;
  close(): Promise<void>;
}

export interface NodeTestGateway extends TestGateway {
  readonly running: RunningGateway;
}

export async function startOnNode(config: unknown): Promise<NodeTestGateway> {
  const checked = parseConfig(config, "the test's configuration");
  const running = await startGateway({ config: checked, port: 0, drainTimeoutMs: 0 });
  return { runtime: "node", url: running.url, running, close: () => running.close() };
}

const app = fileURLToPath(new URL("../../", import.meta.url));

/**
 * A Worker like `src/worker.ts`, with the test's configuration bundled as `wrangler deploy` would. Not in wrangler's own
 * test harness: there all requests to the outside go through Node's `fetch`, and it is workerd's that is under test. With
 * `addsUpMetrics` it has the binding `METRICS`.
 */
export async function startOnWorkerd(
  config: unknown,
  vars: Record<string, string> = {},
  { addsUpMetrics = false } = {},
): Promise<TestGateway> {
  const { script, compatibilityDate, compatibilityFlags } = await bundle(config);
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      modules: true,
      script,
      compatibilityDate,
      compatibilityFlags: [...compatibilityFlags],
      bindings: vars,
      ...(addsUpMetrics && { durableObjects: { METRICS: { className: "GatewayMetrics", useSQLite: true } } }),
      cf: false,
      host: "127.0.0.1",
      port: 0,
    }),
  );
  const { origin } = await miniflare.ready;
  return { runtime: "workerd", url: origin, close: () => miniflare.dispose() };
}

interface Bundle {
  readonly script: string;
  readonly compatibilityDate: string;
  readonly compatibilityFlags: readonly string[];
}

async function bundle(config: unknown): Promise<Bundle> {
  const settings = JSON.parse(readFileSync(join(app, "wrangler.jsonc"), "utf8").replaceAll(/^\s*\/\/.*$/gm, "")) as {
    compatibility_date: string;
    compatibility_flags: string[];
  };
  mkdirSync(join(app, "dist"), { recursive: true });
  const folder = mkdtempSync(join(app, "dist/test-"));
  try {
    const entry = join(folder, "worker.ts");
    const createWorker = join(app, "src/worker/create-worker.ts");
    writeFileSync(
      entry,
      `import { createWorker } from ${JSON.stringify(createWorker)};
export { GatewayMetrics } from ${JSON.stringify(createWorker)};
export default createWorker(${JSON.stringify(config)});
`,
    );
    const wrangler = join(app, "node_modules/wrangler/bin/wrangler.js");
    const command = [
      wrangler,
      "deploy",
      entry,
      "--dry-run",
      "--config",
      join(app, "wrangler.jsonc"),
      "--outdir",
      folder,
    ];
    await promisify(execFile)(process.execPath, command, {
      env: {
        ...process.env,
        WRANGLER_BUILD_CONDITIONS: "headgate-source,workerd,worker,browser",
        WRANGLER_HIDE_BANNER: "true",
        WRANGLER_SEND_METRICS: "false",
      },
    });
    return {
      script: readFileSync(join(folder, "worker.js"), "utf8"),
      compatibilityDate: settings.compatibility_date,
      compatibilityFlags: settings.compatibility_flags,
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
