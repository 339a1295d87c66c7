import { Hono } from "hono";
import { describe, expect, it } from "vitest";
import { bodyOf, codeOf, streamed } from "../test/support/handlers.ts";
import { bodyLimit } from "./body-limit.ts";

const app = new Hono();
app.use(bodyLimit({ maxBytes: 10 }));
app.post("/", async (c) => c.text(await c.req.text()));
app.post("/first", async (c) => {
  const reader = c.req.raw.body?.getReader();
  const { value } = (await reader?.read()) ?? {};
  await reader?.cancel("enough");
  return c.text(new TextDecoder().decode(value));
});
app.post("/catches", async (c) => c.text(await c.req.text().catch(() => "cut short"), 200));
app.post("/blames", async (c) => c.text(await c.req.text().catch(() => "bad request"), 400));
app.post("/broken", () => {
  throw new Error("broken");
});
app.get("/", (c) => c.text("no body"));
app.onError((error, c) => c.text(error.message, 500));

const postOf = (path: string, body: ReadableStream<Uint8Array<ArrayBuffer>>) =>
  app.request(new Request(new URL(path, "http://test/"), streamed(body)));

describe("bodyLimit", () => {
  it("lets a body of exactly maxBytes through, as it comes", async () => {
    const response = await app.request("/", { method: "POST", body: "0123456789" });
    expect(response.status).toBe(200);
    expect(await response.text()).toBe("0123456789");
    expect(await (await postOf("/", bodyOf(["01234", "56789"]).stream)).text()).toBe("0123456789");
    expect(await (await postOf("/first", bodyOf(["01234"], { endless: true }).stream)).text()).toBe("01234");
  });

  it("refuses by Content-Length without reading anything", async () => {
    const { stream, state } = bodyOf(["0123456789a"]);
    const response = await app.request(streamed(stream, { "content-length": "11" }));
    expect(response.status).toBe(413);
    expect(response.headers.get("connection")).toBe("close");
    expect(await response.json()).toEqual({
      type: "urn:headgate:problem:byte-limit",
      title: "Content too large",
      status: 413,
      detail: "The body may hold 10 bytes.",
      code: "ERR_BYTE_LIMIT",
    });
    expect(state.ended).toBe(false);
  });

  it("refuses as soon as too much has come, and reads no further", async () => {
    const { stream, state } = bodyOf(["01234", "567890", "never read"]);
    const response = await postOf("/", stream);
    expect(response.status).toBe(413);
    expect(await codeOf(response)).toBe("ERR_BYTE_LIMIT");
    expect(state).toEqual({ cancelled: true, ended: false });
  });

  it("lets go of the body together with the handler", async () => {
    const { stream, state } = bodyOf(["01234", "56789"]);
    await postOf("/first", stream);
    expect(state).toEqual({ cancelled: true, ended: false });
  });

  it("answers in the place of a handler that blames the request, not of one that is content", async () => {
    const long = () => bodyOf(["01234567890"]).stream;
    expect((await postOf("/blames", long())).status).toBe(413);
    const content = await postOf("/catches", long());
    expect(content.status).toBe(200);
    expect(await content.text()).toBe("cut short");
  });

  it("leaves other errors and requests without a body alone", async () => {
    const response = await postOf("/broken", bodyOf(["01"]).stream);
    expect(response.status).toBe(500);
    expect(await response.text()).toBe("broken");
    expect(await (await app.request("/")).text()).toBe("no body");
  });

  it("keeps what belongs to the request: its URL, headers and abort", async () => {
    const client = new AbortController();
    const other = new Hono();
    other.use(bodyLimit());
    other.post("/path", async (c) => {
      const { url, method, headers, signal } = c.req.raw;
      const before = signal.aborted;
      client.abort();
      return c.json([url, method, headers.get("x-one"), before, signal.aborted, await c.req.json()]);
    });
    const response = await other.request(
      new Request("http://test/path?a=1", {
        method: "POST",
        body: "[1]",
        headers: { "x-one": "1" },
        signal: client.signal,
      }),
    );
    expect(await response.json()).toEqual(["http://test/path?a=1", "POST", "1", false, true, [1]]);
  });

  it("allows 1 MiB unless told otherwise", async () => {
    const other = new Hono();
    other.use(bodyLimit());
    other.onError((error, c) => c.text(error.message, 500));
    other.post("/", async (c) => c.text(String((await c.req.arrayBuffer()).byteLength)));
    const post = (bytes: number) => other.request("/", { method: "POST", body: new Uint8Array(bytes) });
    expect(await (await post(1_048_576)).text()).toBe("1048576");
    expect((await post(1_048_577)).status).toBe(413);
  });

  it("names an option that is out of bounds", () => {
    expect(() => bodyLimit({ maxBytes: -1 })).toThrow("`bodyLimit.maxBytes` must be an integer of at least 0, got -1");
  });
});
