/// <reference types="node" />
// The test application on each runtime, over real connections on loopback.
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { createAdaptorServer } from "@hono/node-server";
import { build } from "esbuild";
import { convertV4MiniflareOptions, Miniflare } from "miniflare";
import { createTestApp } from "./app.ts";

export interface TestServer {
  readonly url: string;
  close(): Promise<void>;
}

export const servers: Readonly<Record<"node" | "workerd", () => Promise<TestServer>>> = {
  node: startOnNode,
  workerd: startOnWorkerd,
};

async function startOnNode(): Promise<TestServer> {
  const server = createAdaptorServer({ fetch: createTestApp().fetch });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        if ("closeAllConnections" in server) server.closeAllConnections();
      }),
  };
}

async function startOnWorkerd(): Promise<TestServer> {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL("worker.ts", import.meta.url))],
    bundle: true,
    write: false,
    format: "esm",
    target: "es2023",
    conditions: ["headgate-source", "workerd", "worker"],
  });
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      modules: true,
      script: outputFiles[0]?.text ?? "",
      compatibilityDate: "2026-10-01",
      compatibilityFlags: ["enable_request_signal"],
      cf: false,
      host: "127.0.0.1",
      port: 0,
    }),
  );
  const { origin } = await miniflare.ready;
  return { url: origin, close: () => miniflare.dispose() };
}
