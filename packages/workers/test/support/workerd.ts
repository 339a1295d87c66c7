// Workers in real workerd, reached over real HTTP, bundled from the sources as wrangler would.
import { fileURLToPath } from "node:url";
import { minCompatibilityDate } from "@headgate/workers";
import { build } from "esbuild";
import { convertV4MiniflareOptions, Miniflare } from "miniflare";

/** Those of miniflare that a test gives beside the script. */
export type WorkerOptions = Readonly<Record<string, unknown>>;

export interface RunningWorkers {
  /** Where each of them listens. */
  readonly urls: readonly string[];
  close(): Promise<void>;
}

export async function bundle(entry: string): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL(entry, import.meta.url))],
    bundle: true,
    format: "esm",
    platform: "neutral",
    conditions: ["headgate-source", "workerd", "worker"],
    external: ["cloudflare:*"],
    target: "es2023",
    write: false,
    logLevel: "silent",
  });
  return outputFiles[0]?.text ?? "";
}

/** One Worker of the minimum date without a flag, unless the options say otherwise. */
export async function startWorker(script: string, options: WorkerOptions = {}): Promise<RunningWorkers> {
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({ ...common(script), ...options, cf: false, host: "127.0.0.1", port: 0 } as never),
  );
  try {
    const { origin } = await miniflare.ready;
    return { urls: [origin], close: () => miniflare.dispose() };
  } catch (error) {
    await miniflare.dispose();
    throw error;
  }
}

/** Two Workers of the same script, and one Durable Object class `TestState` of the first that both are bound to. */
export async function startSharing(
  script: string,
  bindings: WorkerOptions,
  options: WorkerOptions = {},
): Promise<RunningWorkers> {
  const state = { className: "TestState", useSQLite: true };
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      workers: [
        { ...common(script), name: "first", bindings, durableObjects: { STATE: state } },
        { ...common(script), name: "second", bindings, durableObjects: { STATE: { ...state, scriptName: "first" } } },
      ].map((worker) => ({ ...worker, unsafeDirectSockets: [{ host: "127.0.0.1", port: 0 }] })),
      ...options,
      cf: false,
      host: "127.0.0.1",
      port: 0,
    } as never),
  );
  try {
    await miniflare.ready;
    const urls = [await miniflare.unsafeGetDirectURL("first"), await miniflare.unsafeGetDirectURL("second")];
    return { urls: urls.map(({ origin }) => origin), close: () => miniflare.dispose() };
  } catch (error) {
    await miniflare.dispose();
    throw error;
  }
}

function common(script: string): WorkerOptions {
  return { modules: true, script, compatibilityDate: minCompatibilityDate };
}
