import { Readable } from "node:stream";
import type { ReadableStream as NodeReadableStream } from "node:stream/web";
import { StreamTimeoutError, withTimeouts } from "@headgate/core/streams";
import { TestClock } from "@headgate/core/testing";
import { describe, expect, it } from "vitest";
import { watch } from "../../test/support/operations.ts";

describe("withTimeouts", () => {
  it("destroys a stream of Node that is silent, by way of Readable.toWeb", async () => {
    const clock = new TestClock();
    const silent = new Readable({ read: () => {} });
    silent.on("error", () => {});
    const source: NodeReadableStream<Uint8Array> = Readable.toWeb(silent);
    const next = watch(withTimeouts(source, { idleTimeoutMs: 10, clock }).next());
    await clock.advance(10);
    await new Promise((resolve) => setImmediate(resolve));
    expect([next.error instanceof StreamTimeoutError, silent.destroyed]).toEqual([true, true]);
  });
});
