import { ByteLimitError, limitBytes } from "@headgate/core/streams";
import { describe, expect, it } from "vitest";
import { rejectionOf } from "../../test/support/operations.ts";
import { itRefuses } from "../../test/support/options.ts";
import { chunks, manualSource } from "../../test/support/sources.ts";

describe("limitBytes", () => {
  it("passes on as many bytes as are allowed", async () => {
    const sizes: number[] = [];
    for await (const { byteLength } of limitBytes(chunks(3, 0, 7), { maxBytes: 10 })) sizes.push(byteLength);
    expect(sizes).toEqual([3, 0, 7]);
  });

  it("fails with the first chunk that goes beyond, passes nothing of it on and stops the source", async () => {
    const manual = manualSource<Uint8Array>("stream");
    manual.push(...chunks(6, 5));
    const items = limitBytes(manual.source, { maxBytes: 10 });
    expect((await items.next()).value?.byteLength).toBe(6);
    const error = await rejectionOf(items.next());
    expect(error).toBeInstanceOf(ByteLimitError);
    expect(error).toMatchObject({
      name: "ByteLimitError",
      code: "ERR_BYTE_LIMIT",
      maxBytes: 10,
      bytes: 11,
      message: "The stream holds more than 10 bytes; 11 were read",
    });
    expect(manual.released).toEqual([error]);
  });

  it("may allow nothing at all", async () => {
    expect(await limitBytes(chunks(0), { maxBytes: 0 }).next()).toMatchObject({ done: false });
    expect(await rejectionOf(limitBytes(chunks(1), { maxBytes: 0 }).next())).toBeInstanceOf(ByteLimitError);
  });

  it("counts what has a byteLength", async () => {
    const mixed = [new ArrayBuffer(4), new DataView(new ArrayBuffer(4)), new Uint16Array(2)];
    const items = limitBytes(mixed, { maxBytes: 11 });
    await items.next();
    await items.next();
    expect(await rejectionOf(items.next())).toMatchObject({ bytes: 12 });
  });

  it.each([["text", "string"] as const, [null, "null"] as const, [{}, "object"] as const])(
    "refuses to let a chunk through that it cannot count: %s",
    async (chunk, type) => {
      const manual = manualSource<never>("stream");
      manual.push(chunk as never);
      const error = await rejectionOf(limitBytes(manual.source, { maxBytes: 10 }).next());
      expect(error).toBeInstanceOf(TypeError);
      expect((error as Error).message).toBe(`\`limitBytes\` takes chunks with a byteLength, got ${type}`);
      expect(manual.released).toHaveLength(1);
    },
  );

  itRefuses([
    () => limitBytes([], { maxBytes: Number.POSITIVE_INFINITY }),
    "`limitBytes.maxBytes` must be an integer of at least 0, got Infinity",
  ]);
});
