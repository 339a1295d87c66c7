import { afterEach, describe, expect, it, vi } from "vitest";
import { patternBytes } from "../src/pattern.ts";
import { countsBecome, errorOf, failureCode, report, startFlaky } from "./support.ts";

afterEach(() => {
  vi.restoreAllMocks();
});

function expectedBytes(length: number): Buffer {
  return Buffer.from(Uint8Array.from({ length }, (_, index) => index % 251));
}

describe("patternBytes", () => {
  it.each([
    [0, 0],
    [0, 1],
    [0, 1000],
    [250, 3],
    [65_536, 65_536],
    [1_073_741_000, 824],
  ])("continues from %i for %i bytes", (start, length) => {
    const bytes = patternBytes(start, length);
    expect(bytes.length).toBe(length);
    expect(bytes.every((byte, index) => byte === (start + index) % 251)).toBe(true);
  });
});

describe("/bytes/:n", () => {
  it.each([0, 1, 251, 65_536, 65_537, 1_000_000])("sends %i bytes of the pattern and their number", async (n) => {
    const { url } = await startFlaky();
    const response = await fetch(`${url}/bytes/${n}`);
    expect(response.headers.get("content-length")).toBe(String(n));
    expect(Buffer.from(await response.arrayBuffer()).equals(expectedBytes(n))).toBe(true);
  });

  it("answers HEAD with the number alone, and gives its place back", async () => {
    const flaky = await startFlaky();
    const response = await fetch(`${flaky.url}/bytes/1000`, { method: "HEAD" });
    expect(response.headers.get("content-length")).toBe("1000");
    expect((await response.arrayBuffer()).byteLength).toBe(0);
    await countsBecome(flaky, { inFlight: 0, served: 1 });
  });

  it("waits for a slow reader, and stops when the reader leaves", async () => {
    const flaky = await startFlaky();
    const response = await fetch(`${flaky.url}/bytes/1073741824`);
    // Unread, the body must not be made: it would be through, or in memory, after a few round trips.
    for (let round = 0; round < 20; round += 1) expect((await report(flaky)).counts.inFlight).toBe(1);
    await response.body?.cancel();
    await countsBecome(flaky, { inFlight: 0, abandoned: 1, served: 0 });
  });

  it("refuses more than the limit", async () => {
    const { url } = await startFlaky();
    const response = await fetch(`${url}/bytes/1073741825`);
    expect(response.status).toBe(400);
    expect(await errorOf(response)).toBe('`n` in /bytes/:n must be an integer from 0 to 1073741824, got "1073741825"');
  });
});

describe("/drip", () => {
  it("arrives whole over a connection", async () => {
    const { url } = await startFlaky();
    const response = await fetch(`${url}/drip?bytes=4&everyMs=2`);
    expect(Buffer.from(await response.arrayBuffer()).equals(expectedBytes(4))).toBe(true);
  });

  it("answers before the first byte, and ends when the client leaves", async () => {
    const flaky = await startFlaky();
    const controller = new AbortController();
    const response = await fetch(`${flaky.url}/drip?everyMs=60000`, { signal: controller.signal });
    expect(response.status).toBe(200);
    await countsBecome(flaky, { inFlight: 1 });
    controller.abort();
    await countsBecome(flaky, { inFlight: 0, abandoned: 1, served: 0 });
  });

  it.each([
    ["bytes=1048577", '`bytes` in the query of /drip must be an integer from 0 to 1048576, got "1048577"'],
    ["everyMs=60001", '`everyMs` in the query of /drip must be an integer from 0 to 60000, got "60001"'],
    ["bytes=", '`bytes` in the query of /drip must be an integer from 0 to 1048576, got ""'],
  ])("refuses %s", async (query, message) => {
    const { url } = await startFlaky();
    const response = await fetch(`${url}/drip?${query}`);
    expect(response.status).toBe(400);
    expect(await errorOf(response)).toBe(message);
  });
});

describe("/trailing-error", () => {
  it.each([0, 1, 1024, 200_000])("breaks the body after %i bytes", async (bytes) => {
    vi.spyOn(console, "error").mockImplementation(() => {});
    const flaky = await startFlaky();
    const response = await fetch(`${flaky.url}/trailing-error?bytes=${bytes}`);
    expect(response.status).toBe(200);
    const chunks: Uint8Array[] = [];
    const reading = (async () => {
      for await (const chunk of response.body ?? []) chunks.push(chunk);
    })();
    expect(await failureCode(reading)).toBe("UND_ERR_SOCKET");
    expect(Buffer.concat(chunks).equals(expectedBytes(bytes))).toBe(true);
    await countsBecome(flaky, { inFlight: 0, served: 1 });
  });
});
