import { batch, limitBytes, toReadableStream } from "@headgate/core/streams";
import { TestClock } from "@headgate/core/testing";
import { describe, expect, it } from "vitest";
import { rejectionOf, watch } from "../../test/support/operations.ts";
import { itRefuses } from "../../test/support/options.ts";
import { chunks, manualSource } from "../../test/support/sources.ts";
import { unhandledDuring } from "../../test/support/unhandled.ts";

describe("toReadableStream", () => {
  it("reads nothing ahead", async () => {
    const clock = new TestClock();
    const manual = manualSource<number>("iterator");
    manual.push(1, 2);
    const reader = toReadableStream(manual.source).getReader();
    await clock.settle();
    expect(manual.reads).toBe(0);
    expect(await reader.read()).toEqual({ done: false, value: 1 });
    await clock.settle();
    expect(manual.reads).toBe(1);
  });

  it("makes a body", async () => {
    const words = ["the", " quick", " fox"].map((word) => new TextEncoder().encode(word));
    const body = toReadableStream(limitBytes(words, { maxBytes: 100 }));
    expect(await new Response(body).text()).toBe("the quick fox");
  });

  it("fails with the error of its source", async () => {
    const error = await rejectionOf(
      new Response(toReadableStream(limitBytes(chunks(6, 6), { maxBytes: 10 }))).arrayBuffer(),
    );
    expect(error).toMatchObject({ code: "ERR_BYTE_LIMIT" });
  });

  it("releases the source when it is cancelled, all the way up, also while a read is under way", async () => {
    const clock = new TestClock();
    const manual = manualSource<number>("stream");
    const stream = toReadableStream(batch(manual.source, { maxItems: 2, clock }), { clock });
    const unhandled = await unhandledDuring(async () => {
      const reader = stream.getReader();
      const read = watch(reader.read());
      await clock.settle();
      expect(manual.waiting).toBe(1);
      const cancel = watch(reader.cancel("enough"));
      await clock.settle();
      expect([read.state, cancel.state, manual.released.length]).toEqual(["fulfilled", "fulfilled", 1]);
    });
    expect([unhandled, clock.pending]).toEqual([[], 0]);
  });

  it("releases a source that was never read when it is cancelled", async () => {
    const manual = manualSource<number>("stream");
    await toReadableStream(batch(manual.source, { maxItems: 2 })).cancel();
    expect(manual.released).toHaveLength(1);
  });

  it("waits for the source to clean up for a second at most", async () => {
    const clock = new TestClock();
    const manual = manualSource<number>("iterator");
    manual.cleansUpSlowly();
    const cancel = watch(toReadableStream(manual.source, { clock }).cancel());
    await clock.advance(999);
    expect(cancel.state).toBe("pending");
    await clock.advance(1);
    expect([cancel.state, clock.pending]).toEqual(["fulfilled", 0]);
  });

  it("gives a ReadableStream back as it is", () => {
    const stream = new ReadableStream<number>();
    expect(toReadableStream(stream)).toBe(stream);
  });

  itRefuses([
    () => toReadableStream("text"),
    '`toReadableStream.source` must be a ReadableStream, an async iterable or an iterable, got "text"',
  ]);
});
