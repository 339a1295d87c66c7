import { describe, expect, it } from "vitest";
import { readBody } from "../src/read-body.ts";

const never = new AbortController().signal;
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

/** A body of these pieces; one that does not end stays open after them. */
function bodyOf(pieces: readonly string[], { ends = true } = {}) {
  let cancelled: unknown;
  const stream = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const piece of pieces) controller.enqueue(new TextEncoder().encode(piece));
      if (ends) controller.close();
    },
    cancel(reason) {
      cancelled = reason;
    },
  });
  return { stream, cancelledWith: () => cancelled };
}

describe("readBody", () => {
  it("reads all pieces into one", async () => {
    expect(text(await readBody(bodyOf(["ab", "", "cde"]).stream, 5, 1000, never))).toBe("abcde");
  });

  it.each([
    ["shorter", ["ab"]],
    ["longer", ["abc", "def"]],
  ])("refuses a body that is %s than announced", async (_, pieces) => {
    await expect(readBody(bodyOf(pieces).stream, 5, 1000, never)).rejects.toMatchObject({ code: "ERR_BODY_LENGTH" });
  });

  it("gives up a body that does not arrive in time", async () => {
    const { stream, cancelledWith } = bodyOf(["ab"], { ends: false });
    await expect(readBody(stream, 5, 5, never)).rejects.toMatchObject({ code: "ERR_REQUEST_TIMEOUT" });
    expect(cancelledWith()).toMatchObject({ code: "ERR_REQUEST_TIMEOUT" });
  });

  it("ends with the reason of a client that leaves", async () => {
    const leaving = new AbortController();
    const { stream, cancelledWith } = bodyOf(["ab"], { ends: false });
    const reading = readBody(stream, 5, 1000, leaving.signal);
    const reason = new Error("gone");
    leaving.abort(reason);
    await expect(reading).rejects.toBe(reason);
    expect(cancelledWith()).toBe(reason);
  });

  it("passes on what broke the body", async () => {
    const broken = new Error("broken");
    const stream = new ReadableStream<Uint8Array>({ start: (controller) => controller.error(broken) });
    await expect(readBody(stream, 5, 1000, never)).rejects.toBe(broken);
  });
});
