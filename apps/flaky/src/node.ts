// The upstream on Node, for tests (`serveFlaky`) and as a program: `node apps/flaky/src/node.ts`.
import { existsSync, realpathSync } from "node:fs";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { serve } from "@hono/node-server";
import { createFlaky, type FlakyOptions } from "./app.ts";

export interface ServeFlakyOptions extends FlakyOptions {
  /** The port to listen on; 0 lets the system choose a free one. @default 0 */
  readonly port?: number;
  /** The address to listen on. @default "127.0.0.1" */
  readonly hostname?: string;
}

export interface ServedFlaky {
  /** Where it listens, without a slash at the end. */
  readonly url: string;
  readonly port: number;
  /** Ends every connection, answered or not, and stops listening. */
  close(): Promise<void>;
}

/** Starts an upstream of its own. Rejects if it cannot listen. */
export async function serveFlaky({
  port = 0,
  hostname = "127.0.0.1",
  ...options
}: ServeFlakyOptions = {}): Promise<ServedFlaky> {
  const app = createFlaky(options);
  const { promise: listening, resolve, reject } = Promise.withResolvers<AddressInfo>();
  // The globals stay Node's own: this server may share its process with a test or with another server.
  const server = serve({ fetch: app.fetch, port, hostname, overrideGlobalObjects: false }, resolve) as Server;
  server.once("error", reject);
  const { port: actualPort } = await listening;
  server.off("error", reject);

  let closed: Promise<void> | undefined;
  return {
    url: `http://${hostname.includes(":") ? `[${hostname}]` : hostname}:${actualPort}`,
    port: actualPort,
    close: () => (closed ??= closeServer(server)),
  };
}

function closeServer(server: Server): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.close((error) => (error === undefined ? resolve() : reject(error)));
  server.closeAllConnections();
  return promise;
}

async function main(): Promise<void> {
  const { PORT = "8788", HOST = "127.0.0.1" } = process.env;
  const port = /^\d{1,5}$/.test(PORT) ? Number(PORT) : Number.NaN;
  if (!(port <= 65_535)) throw new RangeError(`PORT must be an integer from 0 to 65535, got ${JSON.stringify(PORT)}`);
  const flaky = await serveFlaky({ port, hostname: HOST });
  console.log(`flaky listens on ${flaky.url}`);
  // With nothing left to serve the process ends by itself.
  const stop = (): void => void flaky.close();
  process.once("SIGTERM", stop);
  process.once("SIGINT", stop);
}

// `import.meta.main` would say the same, but Node 22 does not know it.
const [, program] = process.argv;
if (program !== undefined && existsSync(program) && realpathSync(program) === import.meta.filename) await main();
