import { TimeoutError } from "@headgate/core";
import { TestClock } from "@headgate/core/testing";
import { describe, expect, it } from "vitest";
import { HandClock } from "../../test/support/hand-clock.ts";
import { listenersOn } from "../../test/support/listeners.ts";
import { rejectionOf, watch } from "../../test/support/operations.ts";
import { feedableResponse } from "../../test/support/stub-fetch.ts";
import { unhandledDuring } from "../../test/support/unhandled.ts";
import { type BodyWatch, guardResponse } from "./guarded-body.ts";

/** A guarded response, and what the guard did. */
function guarded(response: Response, options: Partial<BodyWatch> = {}) {
  const clock = new TestClock();
  const told = { released: 0, aborted: [] as unknown[], failed: [] as unknown[] };
  const watchOf: BodyWatch = {
    pipeline: "downloads",
    clock,
    idleTimeoutMs: 100,
    deadline: null,
    signal: undefined,
    abort: (reason) => told.aborted.push(reason),
    release: () => told.released++,
    failed: (error) => told.failed.push(error),
    ...options,
  };
  return { clock, told, response: guardResponse(response, () => watchOf) };
}

const untouched = { released: 1, aborted: [], failed: [] };

describe("guardResponse", () => {
  it("is a response like the one it guards", async () => {
    const headers = new Headers([
      ["content-type", "application/json"],
      ["set-cookie", "a=1"],
      ["set-cookie", "b=2"],
    ]);
    const origin = new Response('{"a":1}', { status: 201, statusText: "Made", headers });
    Object.defineProperties(origin, {
      url: { value: "https://example.com/made" },
      redirected: { value: true },
      type: { value: "cors" },
    });
    const { response, told } = guarded(origin);
    expect(response).toBeInstanceOf(Response);
    expect(response).toMatchObject({
      url: "https://example.com/made",
      redirected: true,
      type: "cors",
      status: 201,
      ok: true,
      statusText: "Made",
      bodyUsed: false,
    });
    expect(response.headers.getSetCookie()).toEqual(["a=1", "b=2"]);
    expect(await response.json()).toEqual({ a: 1 });
    expect(response.bodyUsed).toBe(true);
    expect(told).toEqual(untouched);
  });

  it("clones with url and all, and gives the permit back when both bodies are read", async () => {
    const origin = new Response("twice");
    Object.defineProperty(origin, "url", { value: "https://example.com/" });
    const { response, told } = guarded(origin);
    const clone = response.clone().clone();
    expect(clone.url).toBe("https://example.com/");
    expect([await response.text(), await clone.text()]).toEqual(["twice", "twice"]);
    expect(told).toEqual(untouched);
  });

  it.each([204, 205, 304])("hands on a %i, which has no body, as it is", (status) => {
    const origin = new Response(null, { status });
    const { response, told } = guarded(origin);
    expect(response).toBe(origin);
    expect(told.released).toBe(0);
  });

  it("keeps the permit until the last piece is read", async () => {
    const feed = feedableResponse();
    const { response, told, clock } = guarded(feed.response);
    const text = watch(response.text());
    feed.send("one ");
    feed.send("two");
    await clock.settle();
    expect(told.released).toBe(0);
    feed.close();
    await clock.settle();
    expect(text.value).toBe("one two");
    expect(told).toEqual(untouched);
    expect(clock.pending).toBe(0);
  });

  it("reads into buffers of the reader, to the end", async () => {
    const { response, told } = guarded(new Response("bytes"));
    const reader = (response.body as ReadableStream<Uint8Array>).getReader({ mode: "byob" });
    let text = "";
    for (;;) {
      const { done, value } = await reader.read(new Uint8Array(2));
      if (done) break;
      text += new TextDecoder().decode(value);
    }
    expect(text).toBe("bytes");
    expect(told).toEqual(untouched);
  });

  it("passes over pieces without bytes", async () => {
    const feed = feedableResponse();
    const { response } = guarded(feed.response);
    feed.send("");
    feed.send("full");
    feed.send("");
    feed.close();
    expect(await response.text()).toBe("full");
  });

  it("ends a body that stands still, with a typed error, and lets go of the server", async () => {
    const feed = feedableResponse();
    const { response, told, clock } = guarded(feed.response);
    const text = watch(response.text());
    await clock.advance(99);
    feed.send("more");
    await clock.advance(99);
    expect(text.state).toBe("pending");
    await clock.advance(1);
    expect(text.error).toBeInstanceOf(TimeoutError);
    expect(text.error).toMatchObject({ scope: "idle", timeoutMs: 100, pipeline: "downloads" });
    expect(text.error).toMatchObject({ message: "Nothing came for 100 ms" });
    expect(told).toEqual({ released: 1, aborted: [text.error], failed: [text.error] });
    expect(feed.cancelled).toEqual({ reason: text.error });
    expect(clock.pending).toBe(0);
  });

  it("does not count the time that the reader takes", async () => {
    const feed = feedableResponse();
    const { response, clock } = guarded(feed.response);
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    feed.send("a");
    await reader.read();
    await clock.advance(1000);
    feed.send("b");
    feed.close();
    expect(new TextDecoder().decode((await reader.read()).value)).toBe("b");
    expect((await reader.read()).done).toBe(true);
  });

  it("lets the caller's abort in the same tick win over a timeout", async () => {
    const clock = new HandClock();
    const controller = new AbortController();
    const { response, told } = guarded(feedableResponse().response, { clock, signal: controller.signal });
    const text = watch(response.text());
    await Promise.resolve();
    clock.fire(100);
    const reason = new Error("left");
    controller.abort(reason);
    await new TestClock().settle();
    expect(text.error).toBe(reason);
    expect(told.failed).toEqual([]);
  });

  it("ends a body at the deadline of the call, read or not, and gives the permit back", async () => {
    const feed = feedableResponse();
    const deadline = { dueMs: 500, timeoutMs: 700, scope: "total" } as const;
    const clock = new TestClock(200);
    const { response, told } = guarded(feed.response, { clock, deadline, idleTimeoutMs: Number.POSITIVE_INFINITY });
    await clock.advance(300);
    expect(told.released).toBe(1);
    expect(await rejectionOf(response.text())).toMatchObject({ code: "ERR_TIMEOUT", scope: "total", timeoutMs: 700 });
  });

  it("ends with the reason of the caller's signal, unchanged, whether or not the server's side heeds it", async () => {
    const feed = feedableResponse();
    const controller = new AbortController();
    const { response, told, clock } = guarded(feed.response, { signal: controller.signal });
    const text = watch(response.text());
    await clock.settle();
    const reason = { left: true };
    controller.abort(reason);
    await clock.settle();
    expect(text.error).toBe(reason);
    expect(told).toEqual({ released: 1, aborted: [reason], failed: [] });
    expect(feed.cancelled).toEqual({ reason });
    expect(clock.pending).toBe(0);
  });

  it("passes on the error of a body that breaks off, the same object", async () => {
    const feed = feedableResponse();
    const { response, told } = guarded(feed.response);
    const broken = new Error("connection reset");
    feed.fail(broken);
    expect(await rejectionOf(response.text())).toBe(broken);
    expect(told).toEqual({ released: 1, aborted: [], failed: [broken] });
  });

  it("gives the permit back once when the reader cancels, and tells the server why", async () => {
    const feed = feedableResponse();
    const { response, told, clock } = guarded(feed.response, {
      deadline: { dueMs: 50, timeoutMs: 50, scope: "total" },
    });
    await response.body?.cancel("enough");
    expect(feed.cancelled).toEqual({ reason: "enough" });
    await clock.advance(1000);
    expect(told).toEqual(untouched);
  });

  it("leaves no listener on the caller's signal", async () => {
    const controller = new AbortController();
    const { signal, count } = listenersOn(controller);
    for (const end of [(r: Response) => r.text(), (r: Response) => r.body?.cancel()]) {
      const { response } = guarded(new Response("x"), { signal });
      expect(count()).toBe(1);
      await end(response);
      expect(count()).toBe(0);
    }
  });

  it("leaves no rejection unhandled when nobody reads", async () => {
    const unhandled = await unhandledDuring(async () => {
      const { clock } = guarded(feedableResponse().response, { deadline: { dueMs: 1, timeoutMs: 1, scope: "total" } });
      await clock.advance(1);
      const feed = feedableResponse();
      guarded(feed.response);
      feed.fail(new Error("reset"));
    });
    expect(unhandled).toEqual([]);
  });
});
