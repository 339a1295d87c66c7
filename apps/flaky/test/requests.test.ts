import { randomBytes } from "node:crypto";
import { connect } from "node:net";
import { crc32 as referenceCrc32 } from "node:zlib";
import { describe, expect, it } from "vitest";
import { crc32, toHex } from "../src/crc32.ts";
import { countsBecome, errorOf, startFlaky } from "./support.ts";

describe("/echo", () => {
  it("answers with the request", async () => {
    const { url } = await startFlaky();
    const response = await fetch(`${url}/echo?a=1&b=%C3%A4&a=2`, {
      method: "PATCH",
      headers: [
        ["x-one", "1"],
        ["x-two", "a"],
        ["x-two", "b"],
      ],
      body: "grüezi",
    });
    const { headers, ...rest } = (await response.json()) as { readonly headers: Record<string, string> };
    expect(rest).toEqual({
      method: "PATCH",
      path: "/echo",
      query: [
        ["a", "1"],
        ["b", "ä"],
        ["a", "2"],
      ],
      body: "grüezi",
      bodyBytes: 7,
    });
    expect(headers).toMatchObject({ "x-one": "1", "x-two": "a, b" });
  });

  it("answers GET, without a body", async () => {
    const { url } = await startFlaky();
    expect(await (await fetch(`${url}/echo`)).json()).toMatchObject({ method: "GET", body: "", bodyBytes: 0 });
  });

  it("gives HEAD no body", async () => {
    const { url } = await startFlaky();
    const response = await fetch(`${url}/echo`, { method: "HEAD" });
    expect(response.status).toBe(200);
    expect(await response.text()).toBe("");
  });

  it("takes a large body", async () => {
    const { url } = await startFlaky();
    const body = "0123456789abcdef".repeat(262_144);
    const echo = (await (await fetch(`${url}/echo`, { method: "POST", body })).json()) as Record<string, unknown>;
    expect(echo.bodyBytes).toBe(4_194_304);
    expect(echo.body === body).toBe(true);
  });

  it.each([
    ["announced", (bytes: Uint8Array<ArrayBuffer>) => bytes],
    ["streamed", (bytes: Uint8Array<ArrayBuffer>) => new Blob([bytes]).stream()],
  ])("refuses a body beyond the limit, %s", async (_, toBody) => {
    const flaky = await startFlaky();
    const body = toBody(new Uint8Array(8_388_609));
    const response = await fetch(`${flaky.url}/echo`, { method: "POST", body, duplex: "half" } as RequestInit);
    expect(response.status).toBe(413);
    expect(await errorOf(response)).toBe("the body must have at most 8388608 bytes; /hash takes any size");
    await countsBecome(flaky, { inFlight: 0, served: 1 });
  });
});

describe("/hash", () => {
  it("answers with the size and the checksum of what was sent", async () => {
    const { url } = await startFlaky();
    const body = randomBytes(1_000_000);
    const response = await fetch(`${url}/hash`, { method: "PUT", body });
    expect(await response.json()).toEqual({ bytes: body.length, crc32: toHex(referenceCrc32(body)) });
  });

  it("answers for no body", async () => {
    const { url } = await startFlaky();
    expect(await (await fetch(`${url}/hash`)).json()).toEqual({ bytes: 0, crc32: "00000000" });
  });

  it("ends when the client leaves in the middle of the upload", async () => {
    const flaky = await startFlaky();
    const socket = connect(flaky.port, "127.0.0.1");
    socket.write("POST /hash HTTP/1.1\r\nhost: flaky\r\ncontent-length: 1000\r\n\r\nhalf of it");
    await countsBecome(flaky, { inFlight: 1 });
    socket.destroy();
    await countsBecome(flaky, { inFlight: 0, abandoned: 1 });
  });
});

describe("crc32", () => {
  it("has the check value of its standard", () => {
    expect(toHex(crc32(new TextEncoder().encode("123456789")))).toBe("cbf43926");
  });

  it("is the same in one piece and in many", () => {
    const bytes = randomBytes(1000);
    let checksum = 0;
    for (let start = 0; start < bytes.length; start += 77)
      checksum = crc32(bytes.subarray(start, start + 77), checksum);
    expect(checksum).toBe(crc32(bytes));
    expect(checksum).toBe(referenceCrc32(bytes));
  });
});
