import { once } from "node:events";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ClientBody } from "../src/node/client-body.ts";
import { undiciUpstream } from "../src/node/undici-upstream.ts";
import { ClientBodyError, type Upstream, type UpstreamRequest } from "../src/upstream.ts";
import { HeldUpstream } from "./support/held-upstream.ts";

const never = new AbortController().signal;

describe("undiciUpstream", () => {
  let server: HeldUpstream;
  let origin: string;
  let upstream: Upstream;

  beforeEach(async () => {
    server = new HeldUpstream();
    origin = await server.listen();
    upstream = undiciUpstream();
  });

  afterEach(async () => {
    await upstream.close(0);
    await server.close();
  });

  const send = (more: Partial<UpstreamRequest> = {}) =>
    upstream.send({
      method: "GET",
      origin,
      path: "/x",
      headers: [],
      body: null,
      signal: never,
      client: never,
      ...more,
    });

  it("hands a short body on in one piece when it comes with its headers", async () => {
    const sent = send();
    (await server.take("/x")).writeHead(200, { "content-length": 5, "x-a": ["1", "2"] }).end("hello");
    const { status, headers, body, ended } = await sent;
    expect([status, Buffer.from(body as Uint8Array).toString(), ended]).toEqual([200, "hello", null]);
    expect(headers.join(" ")).toContain("x-a 1 x-a 2");
  });

  it("does not wait for the rest of a short body", async () => {
    const sent = send();
    const response = await server.take("/x");
    response.writeHead(200, { "content-length": 5 }).write("he");
    const { body, ended } = await sent;
    expect(body).toBeInstanceOf(ReadableStream);
    response.end("llo");
    expect(await new Response(body as ReadableStream).text()).toBe("hello");
    await ended;
  });

  it("says when a streamed body has failed", async () => {
    const sent = send();
    const response = await server.take("/x");
    response.writeHead(200).write("the beginning");
    const { body, ended } = await sent;
    response.destroy();
    await expect(new Response(body as ReadableStream).text()).rejects.toThrow();
    await ended;
  });

  it("tells a connection that was refused from one that broke", async () => {
    const sent = send();
    (await server.take("/x")).destroy();
    await expect(sent).rejects.toMatchObject({ code: "ERR_UPSTREAM_UNREACHABLE", refused: false });
    await server.close();
    await expect(send()).rejects.toMatchObject({ code: "ERR_UPSTREAM_UNREACHABLE", refused: true });
    await server.listen();
  });

  it("rejects with the reason of a signal that has aborted, and sends nothing", async () => {
    const reason = new Error("no longer");
    await expect(send({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    expect(server.arrived).toEqual([]);
  });

  it("rejects at once when the signal aborts while the connection is being made", async () => {
    const leaving = new AbortController();
    const reason = new Error("no longer");
    const sent = send({ signal: leaving.signal });
    leaving.abort(reason);
    await expect(sent).rejects.toBe(reason);
  });

  it("tells a body that broke off on the client's side from an upstream that did", async () => {
    let client: ReadableStreamDefaultController<Uint8Array> | undefined;
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        client = controller;
        controller.enqueue(new TextEncoder().encode("the beginning"));
      },
    });
    const sent = send({ method: "POST", body });
    const { request } = await server.exchange("/x");
    await once(request, "data");
    const broken = once(request, "error");
    client?.error(new Error("broken off"));
    await expect(sent).rejects.toBeInstanceOf(ClientBodyError);
    await broken;
    expect(request.complete).toBe(false);
  });
});

describe("ClientBody", () => {
  it("is not at its end when nothing more is wanted of it", async () => {
    const body = new ClientBody(new ReadableStream());
    const next = body[Symbol.asyncIterator]().next();
    const reason = new Error("no longer");
    body.stop(reason);
    await expect(next).rejects.toBe(reason);
    expect(body.failed).toBe(false);
  });
});
