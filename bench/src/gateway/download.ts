// One long body through a contender: whether every byte arrives as it was sent, and what the contender's memory does
// meanwhile.
import { once } from "node:events";
import { type IncomingMessage, get } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { patternFrom } from "./body.ts";
import type { Child } from "../child.ts";

export interface Download {
  readonly seconds: number;
  /** The most memory that the contender had while the transfer ran. */
  readonly peakRssBytes: number;
}

const sampleMs = 25;

/**
 * Reads `length` bytes, at most `bytesPerSecond`, and compares each with what the upstream sends.
 *
 * @throws when a byte is not the expected one, or when the body ends early.
 */
export async function download(server: Child, port: number, length: number, bytesPerSecond: number): Promise<Download> {
  const startMs = performance.now();
  const over = new AbortController();
  const watching = peakRss(server, over.signal);
  try {
    await read(port, length, bytesPerSecond, startMs);
  } finally {
    over.abort();
  }
  const seconds = (performance.now() - startMs) / 1000;
  return { seconds, peakRssBytes: await watching };
}

async function peakRss(server: Child, until: AbortSignal): Promise<number> {
  let peak = 0;
  while (!until.aborted) {
    peak = Math.max(peak, (await server.usage()).rssBytes);
    await sleep(sampleMs);
  }
  return peak;
}

async function read(port: number, length: number, bytesPerSecond: number, startMs: number): Promise<void> {
  const request = get({ port, host: "127.0.0.1", path: `/bytes/${length}`, agent: false });
  const [response] = (await once(request, "response")) as [IncomingMessage];
  if (response.statusCode !== 200) throw new Error(`The download was answered with ${response.statusCode}`);
  let received = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    if (!chunk.equals(patternFrom(received, chunk.length))) throw new Error(`Wrong bytes in the chunk at ${received}`);
    received += chunk.length;
    const aheadMs = (received / bytesPerSecond) * 1000 - (performance.now() - startMs);
    if (aheadMs > 1) await sleep(aheadMs);
  }
  if (received !== length) throw new Error(`The body ended after ${received} of ${length} bytes`);
}
