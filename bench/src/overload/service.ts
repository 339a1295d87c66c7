// A Hono service that calls the upstream through one of the contenders.
//
//   node service.ts <contender> <port of the upstream>
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { createAdaptorServer } from "@hono/node-server";
import { Hono } from "hono";
import { contenders } from "./contenders.ts";

export interface ServiceState {
  /** Calls of the contender that have begun and not ended. */
  readonly inFlight: number;
  /** Requests sent to the upstream. */
  readonly upstreamCalls: number;
  readonly rssBytes: number;
}

const [name = "", upstreamPort = ""] = process.argv.slice(2);
const make = contenders[name as keyof typeof contenders];
if (make === undefined) throw new Error(`No contender is called ${JSON.stringify(name)}`);
const url = `http://127.0.0.1:${upstreamPort}/`;
let inFlight = 0;
let upstreamCalls = 0;

const call = make(async (signal) => {
  upstreamCalls++;
  const response = await fetch(url, signal && { signal });
  return response.text();
});

const app = new Hono();
app.get("/", async (c) => {
  inFlight++;
  try {
    return c.text(await call(c.req.raw.signal));
  } catch {
    return c.text("unavailable", 503);
  } finally {
    inFlight--;
  }
});

const server = createAdaptorServer({ fetch: app.fetch });
let rssBytes = 0;
process.on("message", () => {
  try {
    rssBytes = process.memoryUsage.rss();
  } catch {
    // Without a bound some contender has used up all file descriptors: what was known last.
  }
  process.send?.({ inFlight, upstreamCalls, rssBytes } satisfies ServiceState);
});
process.on("disconnect", () => process.exit());
server.listen({ port: 0, host: "127.0.0.1", backlog: 4096 });
await once(server, "listening");
process.send?.((server.address() as AddressInfo).port);
