import { describe, expect, it } from "vitest";
import { rejectionOf } from "../../test/support/operations.ts";
import { piecesStream } from "../../test/support/stub-fetch.ts";
import { ReplayBody } from "./replay-body.ts";

const text = (stream: ReadableStream<Uint8Array>) =>
  new Response(stream as ReadableStream<Uint8Array<ArrayBuffer>>).text();

describe("ReplayBody", () => {
  it("gives each attempt the whole body, reading the source once", async () => {
    const source = piecesStream("ab", "cd");
    const body = new ReplayBody(source.stream, 10);
    expect(await text(body.open())).toBe("abcd");
    expect(body.repeatable).toBe(true);
    expect(await text(body.open())).toBe("abcd");
    expect(source.taken).toBe(2);
  });

  it("leaves the source alone until an attempt reads", () => {
    const source = piecesStream("ab");
    new ReplayBody(source.stream, 10).open();
    expect(source.stream.locked).toBe(false);
  });

  it("goes on with the source where an attempt gave up, after what that one has read", async () => {
    const source = piecesStream("ab", "cd", "ef");
    const body = new ReplayBody(source.stream, 10);
    const first = body.open().getReader();
    await first.read();
    await first.cancel("server answered 503");
    expect(source.cancelled).toBe(false);
    expect(await text(body.open())).toBe("abcdef");
  });

  it("feeds two attempts that read at the same time", async () => {
    const source = piecesStream("ab", "cd", "ef");
    const body = new ReplayBody(source.stream, 10);
    expect(await Promise.all([text(body.open()), text(body.open())])).toEqual(["abcdef", "abcdef"]);
    expect(source.taken).toBe(3);
  });

  it("keeps exactly the limit", async () => {
    const body = new ReplayBody(piecesStream("ab", "cd").stream, 4);
    await text(body.open());
    expect(body.repeatable).toBe(true);
    expect(await text(body.open())).toBe("abcd");
  });

  it("streams a longer body to its end, but cannot repeat it", async () => {
    const body = new ReplayBody(piecesStream("ab", "cd", "ef").stream, 3);
    expect(await text(body.open())).toBe("abcdef");
    expect(body.repeatable).toBe(false);
    expect(await rejectionOf(text(body.open()))).toBeInstanceOf(TypeError);
  });

  it("keeps nothing with a limit of 0", async () => {
    const body = new ReplayBody(piecesStream("ab").stream, 0);
    expect(await text(body.open())).toBe("ab");
    expect(body.repeatable).toBe(false);
  });

  it("lets the last attempt send the rest after it was committed, and keeps none of it", async () => {
    const source = piecesStream("ab", "cd");
    const body = new ReplayBody(source.stream, 10);
    const reader = body.open().getReader();
    await reader.read();
    body.commit();
    expect(new TextDecoder().decode((await reader.read()).value)).toBe("cd");
    expect((await reader.read()).done).toBe(true);
    expect(body.repeatable).toBe(false);
    expect(source.cancelled).toBe(false);
  });

  it.each([
    ["before", true],
    ["after", false],
  ])("cancels the source when the last attempt gave the body up %s the commit", async (_, before) => {
    const source = piecesStream("ab", "cd");
    const body = new ReplayBody(source.stream, 10);
    const reader = body.open().getReader();
    await reader.read();
    if (!before) body.commit();
    await reader.cancel();
    if (before) body.commit();
    expect(source.cancelled).toBe(true);
  });

  it("cancels the source when the call is over without an answer", async () => {
    const source = piecesStream("ab", "cd");
    const body = new ReplayBody(source.stream, 10);
    await body.open().getReader().read();
    body.cancel(new Error("gave up"));
    expect(source.cancelled).toBe(true);
  });

  it("does not pass for complete when the call was over before its end", async () => {
    const body = new ReplayBody(piecesStream("ab", "cd").stream, 10);
    const reader = body.open().getReader();
    await reader.read();
    const reason = new Error("gave up");
    body.cancel(reason);
    expect(await rejectionOf(reader.read())).toBe(reason);
  });

  it("passes on the error of the source, and is not repeatable then", async () => {
    const broken = new Error("the disk is gone");
    const body = new ReplayBody(
      new ReadableStream<Uint8Array>({
        pull: (controller) => controller.error(broken),
      }),
      10,
    );
    expect(await rejectionOf(body.open().getReader().read())).toBe(broken);
    expect(body.repeatable).toBe(false);
  });
});
