// The gateway on workerd, bundled as `wrangler deploy` would, for a configuration of its own. Reached directly: the proxy that
// `wrangler dev` puts before it costs more than the gateway.
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { bundleWorker } from "../../../apps/gateway/scripts/bundle-worker.ts";

const manifest = fileURLToPath(new URL("../../../apps/gateway/package.json", import.meta.url));

/**
 * @param {unknown} config
 * @param {Record<string, string>} vars of the Worker
 * @returns {Promise<{ url: string, stop(): Promise<void> }>}
 */
export async function startGatewayOnWorkerd(config, vars) {
  const { Miniflare, convertV4MiniflareOptions } = createRequire(manifest)("miniflare");
  const worker = await bundleWorker(config);
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      workers: [
        {
          ...worker,
          modules: true,
          bindings: vars,
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
    const { origin } = await miniflare.unsafeGetDirectURL(worker.name);
    return { url: origin, stop: () => miniflare.dispose() };
  } catch (error) {
    await miniflare.dispose();
    throw error;
  }
}
