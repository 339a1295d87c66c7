// The Worker in the real runtime, over real connections: what only there can go wrong.
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import type { TestHarness } from "wrangler";
import { countsBecome, errorOf, report, setMode } from "./support.ts";

let harness: TestHarness;
let worker: { url: string };

describe("worker", () => {
  beforeAll(async () => {
    vi.stubEnv("CLOUDFLARE_CF_FETCH_ENABLED", "false");
    const { createTestHarness } = await import("wrangler");
    harness = createTestHarness({
      workers: [{ configPath: fileURLToPath(new URL("../wrangler.jsonc", import.meta.url)) }],
    });
    const { url } = await harness.listen();
    worker = { url: url.origin };
  });

  beforeEach(async () => {
    await fetch(`${worker.url}/_mode`, { method: "DELETE" });
  });

  afterAll(async () => {
    await harness.close();
    vi.unstubAllEnvs();
  });

  it("lets requests wait for a place that another request gives back", async () => {
    await setMode(worker, { capacity: 2, hang: true });
    const all = Promise.all(Array.from({ length: 8 }, () => fetch(`${worker.url}/slow/20`)));
    await countsBecome(worker, { inFlight: 2, queued: 6 });
    await setMode(worker, { capacity: 2 });
    expect((await all).map(({ status }) => status)).toEqual(Array(8).fill(200));
    expect((await report(worker)).counts).toMatchObject({ inFlight: 0, queued: 0, served: 8 });
  });

  it("releases what hangs when another request changes the mode", async () => {
    await setMode(worker, { hang: true, capacity: 1 });
    const hanging = [fetch(`${worker.url}/slow/1`), fetch(`${worker.url}/slow/1`)];
    await countsBecome(worker, { inFlight: 1, queued: 1 });
    await setMode(worker, {});
    expect((await Promise.all(hanging)).map(({ status }) => status)).toEqual([200, 200]);
  });

  it("announces the length of a streamed body", async () => {
    const response = await fetch(`${worker.url}/bytes/100000`);
    expect(response.headers.get("content-length")).toBe("100000");
    const bytes = new Uint8Array(await response.arrayBuffer());
    expect(bytes.every((byte, index) => byte === index % 251)).toBe(true);
  });

  it("stops making a body whose reader has left", async () => {
    const responses = [await fetch(`${worker.url}/bytes/1073741824`), await fetch(`${worker.url}/drip?everyMs=20`)];
    await countsBecome(worker, { inFlight: 2 });
    for (const response of responses) await response.body?.cancel();
    await countsBecome(worker, { inFlight: 0, abandoned: 2 });
  });

  it("says that it cannot drop a connection", async () => {
    const response = await fetch(`${worker.url}/drop`);
    expect(response.status).toBe(501);
    expect(await errorOf(response)).toBe("this runtime gives no access to the connection");
  });
});
