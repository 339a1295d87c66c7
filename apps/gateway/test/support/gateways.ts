// The gateway on each runtime for one configuration, over real connections on loopback.
import { convertV4MiniflareOptions, Miniflare } from "miniflare";
import { bundleWorker } from "../../scripts/bundle-worker.ts";
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
  const { script, compatibilityDate, compatibilityFlags, durableObjects } = await bundleWorker(config);
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      modules: true,
      script,
      compatibilityDate,
      compatibilityFlags,
      bindings: vars,
      ...(addsUpMetrics && { durableObjects }),
      cf: false,
      host: "127.0.0.1",
      port: 0,
    }),
  );
  const { origin } = await miniflare.ready;
  return { runtime: "workerd", url: origin, close: () => miniflare.dispose() };
}
