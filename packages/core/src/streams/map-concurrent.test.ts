import { mapConcurrent, type MapContext } from "@headgate/core/streams";
import { TestClock } from "@headgate/core/testing";
import { describe, expect, it } from "vitest";
import { rejectionOf, watch } from "../../test/support/operations.ts";
import { itRefuses } from "../../test/support/options.ts";
import { manualSource } from "../../test/support/sources.ts";
import { unhandledDuring } from "../../test/support/unhandled.ts";

interface Work {
  readonly item: number;
  readonly context: MapContext;
  resolve(value: string): void;
  reject(error: unknown): void;
}

/** A mapper whose results the test gives. */
function manualMapper() {
  const work: Work[] = [];
  const mapper = (item: number, context: MapContext) =>
    new Promise<string>((resolve, reject) => {
      work.push({ item, context, resolve, reject });
    });
  const at = (index: number): Work => {
    const found = work[index];
    if (found === undefined) throw new Error(`item ${index} was not begun`);
    return found;
  };
  return { mapper, work, at };
}

function setUp(maxConcurrent: number, ordered?: boolean) {
  const clock = new TestClock();
  const controller = new AbortController();
  const { signal } = controller;
  const manual = manualSource<number>("iterator");
  const { mapper, work, at } = manualMapper();
  const items = mapConcurrent(manual.source, mapper, { maxConcurrent, ordered, signal, clock });
  return { clock, controller, manual, work, at, items };
}

describe("mapConcurrent", () => {
  it("begins as many items as are allowed and no more", async () => {
    const { clock, manual, work, items } = setUp(3);
    manual.push(0, 1, 2, 3, 4);
    watch(items.next());
    await clock.settle();
    expect([work.map(({ item }) => item), manual.reads]).toEqual([[0, 1, 2], 3]);
  });

  it("tells the mapper the place of its item", async () => {
    const { clock, manual, work, items } = setUp(2);
    manual.push(7, 8);
    watch(items.next());
    await clock.settle();
    expect(work.map(({ context }) => context.index)).toEqual([0, 1]);
  });

  it("gives results in the order of the source", async () => {
    const { clock, manual, at, items } = setUp(2);
    manual.push(0, 1);
    const first = watch(items.next());
    await clock.settle();
    at(1).resolve("second");
    await clock.settle();
    expect(first.state).toBe("pending");
    at(0).resolve("first");
    await clock.settle();
    expect(first.value).toEqual({ done: false, value: "first" });
    expect(await items.next()).toEqual({ done: false, value: "second" });
  });

  it("gives results as they are ready when not ordered", async () => {
    const { clock, manual, at, items } = setUp(2, false);
    manual.push(0, 1);
    const first = watch(items.next());
    await clock.settle();
    at(1).resolve("second");
    await clock.settle();
    expect(first.value).toEqual({ done: false, value: "second" });
  });

  it.each([true, false])("counts results that nobody has taken yet (ordered: %s)", async (ordered) => {
    const { clock, manual, work, at, items } = setUp(2, ordered);
    manual.push(0, 1, 2, 3, 4, 5);
    const first = watch(items.next());
    await clock.settle();
    at(0).resolve("0");
    await clock.settle();
    expect(first.state).toBe("fulfilled");
    // The consumer is busy with the first: one more may be begun, and then everything stands still.
    at(1).resolve("1");
    at(2).resolve("2");
    await clock.settle();
    expect([work.length, manual.reads]).toEqual([3, 3]);
    await items.next();
    await clock.settle();
    expect([work.length, manual.reads]).toEqual([4, 4]);
  });

  it("maps the rest after the source has ended", async () => {
    const { clock, manual, at, items } = setUp(5);
    manual.push(0, 1);
    manual.end();
    const first = watch(items.next());
    await clock.settle();
    at(0).resolve("0");
    at(1).resolve("1");
    await clock.settle();
    expect(first.value?.value).toBe("0");
    expect([await items.next(), await items.next()]).toEqual([
      { done: false, value: "1" },
      { done: true, value: undefined },
    ]);
  });

  it("stops everything with the first error of the mapper, without waiting for the others", async () => {
    const { clock, manual, at, items, work } = setUp(3);
    manual.push(0, 1);
    const first = watch(items.next());
    await clock.settle();
    const [signal, error] = [at(0).context.signal, new Error("no such item")];
    at(1).reject(error);
    await clock.settle();
    expect([first.error === error, signal.aborted, signal.reason === error]).toEqual([true, true, true]);
    expect(manual.released).toHaveLength(1);
    manual.push(2);
    await clock.settle();
    expect(work).toHaveLength(2);
    expect(await items.next()).toEqual({ done: true, value: undefined });
  });

  it("stops everything while the consumer is busy, and tells it with the next item it asks for", async () => {
    const { clock, manual, at, items } = setUp(2);
    manual.push(0, 1);
    const first = watch(items.next());
    await clock.settle();
    at(0).resolve("0");
    await clock.settle();
    expect(first.state).toBe("fulfilled");
    const error = new Error("no such item");
    at(1).reject(error);
    await clock.settle();
    expect(manual.released).toHaveLength(1);
    expect(await rejectionOf(items.next())).toBe(error);
  });

  it("stops with an error that the mapper throws before its first await", async () => {
    const error = new Error("at once");
    const items = mapConcurrent(
      [1],
      () => {
        throw error;
      },
      { maxConcurrent: 1 },
    );
    expect(await rejectionOf(items.next())).toBe(error);
  });

  it("aborts the items in work when the source fails", async () => {
    const { clock, manual, at, items } = setUp(2);
    manual.push(0);
    const first = watch(items.next());
    await clock.settle();
    const { signal } = at(0).context;
    const error = new Error("reset");
    manual.fail(error);
    await clock.settle();
    expect([first.error === error, signal.reason === error, manual.released]).toEqual([true, true, []]);
  });

  it("aborts the items in work with the reason of the caller's signal", async () => {
    const { clock, controller, manual, at, items } = setUp(2);
    manual.push(0);
    const first = watch(items.next());
    await clock.settle();
    const reason = { why: "left" };
    const early = at(0).context.signal;
    controller.abort(reason);
    expect(early.reason).toBe(reason);
    await clock.settle();
    expect(first.error).toBe(reason);
  });

  it("aborts the items in work with an AbortError when the consumer leaves, also for who asks later", async () => {
    const { clock, manual, at, items } = setUp(2);
    manual.push(0, 1);
    watch(items.next());
    await clock.settle();
    const { signal } = at(0).context;
    await items.return?.();
    expect([signal.aborted, (signal.reason as Error).name]).toEqual([true, "AbortError"]);
    expect(at(1).context.signal.aborted).toBe(true);
  });

  it("does not abort an item that is done", async () => {
    const { clock, controller, manual, at, items } = setUp(2);
    manual.push(0, 1);
    watch(items.next());
    await clock.settle();
    const { signal } = at(0).context;
    at(0).resolve("0");
    await clock.settle();
    controller.abort();
    expect(signal.aborted).toBe(false);
  });

  it("leaves no rejection unhandled when several items fail", async () => {
    const { clock, manual, at, items } = setUp(3);
    const unhandled = await unhandledDuring(async () => {
      manual.push(0, 1, 2);
      const first = watch(items.next());
      await clock.settle();
      for (const index of [2, 1, 0]) at(index).reject(index);
      await clock.settle();
      expect(first.error).toBe(2);
    });
    expect(unhandled).toEqual([]);
  });

  itRefuses(
    [
      () => mapConcurrent([], String, { maxConcurrent: 0 }),
      "`mapConcurrent.maxConcurrent` must be an integer of at least 1, got 0",
    ],
    [
      () => mapConcurrent([], "map" as never, { maxConcurrent: 1 }),
      '`mapConcurrent.mapper` must be a function, got "map"',
    ],
    [
      () => mapConcurrent("items", String, { maxConcurrent: 1 }),
      '`mapConcurrent.source` must be a ReadableStream, an async iterable or an iterable, got "items"',
    ],
  );
});
