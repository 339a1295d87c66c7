// What every function of the folder promises about abort, end and release, for both shapes of source.
import {
  batch,
  limitBytes,
  mapConcurrent,
  merge,
  minRate,
  type Source,
  type StreamOptions,
  withTimeouts,
} from "@headgate/core/streams";
import { TestClock } from "@headgate/core/testing";
import { describe, expect, it } from "vitest";
import { listenersOn } from "../../test/support/listeners.ts";
import { rejectionOf, watch } from "../../test/support/operations.ts";
import { isFree, manualSource, type SourceKind, sourceKinds } from "../../test/support/sources.ts";
import { unhandledDuring } from "../../test/support/unhandled.ts";

type Make = (source: Source<Uint8Array>, options: StreamOptions) => AsyncIterableIterator<unknown>;

const functions: Record<string, Make> = {
  mapConcurrent: (source, options) => mapConcurrent(source, (item) => item, { ...options, maxConcurrent: 1 }),
  batch: (source, options) => batch(source, { ...options, maxItems: 1, maxWaitMs: 1_000 }),
  withTimeouts: (source, options) => withTimeouts(source, { ...options, idleTimeoutMs: 1_000 }),
  limitBytes: (source, options) => limitBytes(source, { ...options, maxBytes: 1_000 }),
  minRate: (source, options) => minRate(source, options),
  merge: (source, options) => merge([source], options),
};
const rows = Object.entries(functions).flatMap(([name, make]) => sourceKinds.map((kind) => ({ name, make, kind })));

function setUp(make: Make, kind: SourceKind) {
  const clock = new TestClock();
  const controller = new AbortController();
  const { signal, count } = listenersOn(controller);
  const manual = manualSource<Uint8Array>(kind);
  const items = make(manual.source, { signal, clock });
  const leftovers = () => ({ timers: clock.pending, listeners: count(), free: isFree(manual) });
  return { clock, controller, manual, items, leftovers };
}

const nothing = { timers: 0, listeners: 0, free: true };
const chunk = new Uint8Array(1);
const reason = { why: "the caller left" };

describe.each(rows)("$name of a source that is a(n) $kind", ({ make, kind }) => {
  it("touches nothing before the first item is asked for", async () => {
    const { clock, manual, leftovers } = setUp(make, kind);
    await clock.settle();
    expect([manual.reads, leftovers()]).toEqual([0, nothing]);
  });

  it("gives the items to the end and does not release a source that has ended", async () => {
    const { clock, manual, items, leftovers } = setUp(make, kind);
    manual.push(chunk, chunk);
    manual.end();
    const got: unknown[] = [];
    for await (const item of items) got.push(item);
    await clock.settle();
    expect([got.length, manual.released, leftovers()]).toEqual([2, [], nothing]);
    expect(await items.next()).toEqual({ done: true, value: undefined });
  });

  it("rejects with the source's error, once, and does not release the source", async () => {
    const { manual, items, leftovers } = setUp(make, kind);
    const error = new Error("reset");
    manual.fail(error);
    expect(await rejectionOf(items.next())).toBe(error);
    expect(await items.next()).toEqual({ done: true, value: undefined });
    expect([manual.released, leftovers()]).toEqual([[], nothing]);
  });

  it("rejects with the signal's reason at once while it waits, and releases the source once", async () => {
    const { clock, controller, manual, items, leftovers } = setUp(make, kind);
    const next = watch(items.next());
    await clock.settle();
    expect(manual.waiting).toBe(1);
    controller.abort(reason);
    await clock.settle();
    expect([next.state, next.error === reason]).toEqual(["rejected", true]);
    expect([manual.released, leftovers()]).toEqual([[kind === "stream" ? reason : undefined], nothing]);
    await items.return?.();
    expect(manual.released).toHaveLength(1);
    expect(await items.next()).toEqual({ done: true, value: undefined });
  });

  it("releases the source at once when the signal aborts while the consumer is busy, and then tells it", async () => {
    const { controller, manual, items, leftovers } = setUp(make, kind);
    manual.push(chunk);
    await items.next();
    controller.abort(reason);
    expect([manual.released.length, leftovers()]).toEqual([1, nothing]);
    expect(await rejectionOf(items.next())).toBe(reason);
    expect(await items.next()).toEqual({ done: true, value: undefined });
  });

  it("reads nothing and releases the source when the signal has aborted before", async () => {
    const { controller, manual, items, leftovers } = setUp(make, kind);
    controller.abort(reason);
    expect(await rejectionOf(items.next())).toBe(reason);
    expect([manual.reads, manual.released.length, leftovers()]).toEqual([0, 1, nothing]);
  });

  it("releases the source once when the consumer breaks", async () => {
    const { manual, items, leftovers } = setUp(make, kind);
    manual.push(chunk, chunk);
    for await (const item of items) {
      expect(item).toBeDefined();
      break;
    }
    expect([manual.released, leftovers()]).toEqual([[undefined], nothing]);
    await items.return?.();
    expect(await items.next()).toEqual({ done: true, value: undefined });
    expect(manual.released).toHaveLength(1);
  });

  it("releases a source that was never read", async () => {
    const { manual, items, leftovers } = setUp(make, kind);
    await items.return?.();
    expect([manual.reads, manual.released.length, leftovers()]).toEqual([0, 1, nothing]);
  });

  it("ends a read that waits, without waiting for it, when the consumer leaves", async () => {
    const { clock, manual, items, leftovers } = setUp(make, kind);
    const next = watch(items.next());
    await clock.settle();
    const end = watch(items.return?.() ?? Promise.reject(new Error("no return")));
    await clock.settle();
    expect([next.state, next.value]).toEqual(["fulfilled", { done: true, value: undefined }]);
    expect([end.state, manual.released.length, leftovers()]).toEqual(["fulfilled", 1, nothing]);
  });

  it("lets a consumer that leaves wait for the source to clean up, for a second at most", async () => {
    const patient = setUp(make, kind);
    patient.manual.push(chunk);
    await patient.items.next();
    patient.manual.cleansUpSlowly();
    // Some read ahead by then: a read that is under way may never end, and is not waited for.
    if (patient.manual.waiting > 0) patient.manual.push(chunk);
    await patient.clock.settle();
    const end = watch(patient.items.return?.() ?? Promise.reject(new Error("no return")));
    await patient.clock.advance(999);
    expect(end.state).toBe("pending");
    await patient.clock.advance(1);
    expect([end.state, patient.leftovers()]).toEqual(["fulfilled", nothing]);
  });

  it("lets a consumer that leaves go on as soon as the source has cleaned up", async () => {
    const { clock, manual, items, leftovers } = setUp(make, kind);
    manual.cleansUpSlowly();
    const end = watch(items.return?.() ?? Promise.reject(new Error("no return")));
    await clock.settle();
    expect(end.state).toBe("pending");
    manual.cleanUp();
    await clock.settle();
    expect([end.state, leftovers()]).toEqual(["fulfilled", nothing]);
  });

  it("leaves no rejection unhandled when a source fails after it was let go of", async () => {
    const { clock, controller, manual, items } = setUp(make, kind);
    const unhandled = await unhandledDuring(async () => {
      const next = watch(items.next());
      await clock.settle();
      controller.abort(reason);
      manual.fail(new Error("too late"));
      await clock.settle();
      expect(next.error).toBe(reason);
    });
    expect(unhandled).toEqual([]);
  });
});

describe.each(rows.filter(({ kind }) => kind === "stream"))("$name of a stream", ({ make, kind }) => {
  it("rejects, and takes nothing, when somebody else reads the stream", async () => {
    const { manual, items } = setUp(make, kind);
    const other = (manual.source as ReadableStream).getReader();
    expect(await rejectionOf(items.next())).toBeInstanceOf(TypeError);
    expect(manual.released).toEqual([]);
    other.releaseLock();
  });
});

describe.each(Object.entries(functions))("%s of an async generator", (_name, make) => {
  it("does not wait for one that is in the middle of something that never ends", async () => {
    const clock = new TestClock();
    async function* stuck(): AsyncGenerator<Uint8Array> {
      await new Promise(() => {});
      yield chunk;
    }
    const items = make(stuck(), { clock });
    const next = watch(items.next());
    await clock.settle();
    const end = watch(items.return?.() ?? Promise.reject(new Error("no return")));
    await clock.settle();
    expect([next.state, end.state, clock.pending]).toEqual(["fulfilled", "fulfilled", 0]);
  });

  it("has its finally run before a consumer that breaks goes on", async () => {
    const seen: string[] = [];
    async function* source(): AsyncGenerator<Uint8Array> {
      try {
        yield chunk;
        yield chunk;
        yield chunk;
      } finally {
        await Promise.resolve();
        seen.push("cleaned up");
      }
    }
    for await (const item of make(source(), {})) {
      expect(item).toBeDefined();
      await Promise.resolve();
      break;
    }
    expect(seen).toEqual(["cleaned up"]);
  });
});

describe("Source", () => {
  it("may be a body of the platform, through several functions, and is free afterwards", async () => {
    const { body } = new Response(new Uint8Array(100_000));
    if (body === null) throw new Error("no body");
    let bytes = 0;
    for await (const part of limitBytes(minRate(withTimeouts(body, { idleTimeoutMs: 1_000 })), { maxBytes: 100_000 })) {
      bytes += part.byteLength;
    }
    expect([bytes, body.locked]).toEqual([100_000, false]);
  });

  it("may be a body of the platform that is left early", async () => {
    const { body } = new Response(new Uint8Array(100_000));
    if (body === null) throw new Error("no body");
    const error = await rejectionOf(minRate(limitBytes(body, { maxBytes: 1 })).next());
    expect([(error as Error).name, body.locked]).toEqual(["ByteLimitError", false]);
    expect(await body.getReader().read()).toMatchObject({ done: true });
  });

  it("may be a plain iterable, which is closed when the consumer breaks", async () => {
    let closed = 0;
    function* numbers() {
      try {
        yield* [1, 2, 3];
      } finally {
        closed++;
      }
    }
    for await (const items of batch(numbers(), { maxItems: 2 })) {
      expect(items).toEqual([1, 2]);
      break;
    }
    expect(closed).toBe(1);
  });

  it("may throw while it is released: the end is the same", async () => {
    const source: AsyncIterable<number> = {
      [Symbol.asyncIterator]: () => ({
        next: async () => ({ done: false, value: 1 }),
        return() {
          throw new Error("cannot stop");
        },
      }),
    };
    const items = batch(source, { maxItems: 1 });
    await items.next();
    expect(await items.return?.()).toEqual({ done: true, value: undefined });
  });

  it.each([undefined, "text", 5, {}])("is refused when it is %s", (source) => {
    expect(() => batch(source as never, { maxItems: 1 })).toThrow("a ReadableStream, an async iterable or an iterable");
  });
});
