import { merge, type MergeOptions } from "@headgate/core/streams";
import { TestClock } from "@headgate/core/testing";
import { describe, expect, it } from "vitest";
import { rejectionOf, watch } from "../../test/support/operations.ts";
import { itRefuses } from "../../test/support/options.ts";
import { manualSource } from "../../test/support/sources.ts";

function setUp(count: number, options?: MergeOptions) {
  const clock = new TestClock();
  const manuals = Array.from({ length: count }, () => manualSource<string>("iterator"));
  const sources = manuals.map(({ source }) => source);
  const items = merge(sources, { ...options, clock });
  const manual = (index: number) => {
    const found = manuals[index];
    if (found === undefined) throw new Error(`there is no source ${index}`);
    return found;
  };
  return { clock, manuals, manual, items, released: () => manuals.map(({ released }) => released.length) };
}

describe("merge", () => {
  it("gives items in the order in which they come", async () => {
    const { clock, manual, items } = setUp(2);
    const first = watch(items.next());
    await clock.settle();
    manual(1).push("b");
    await clock.settle();
    manual(0).push("a");
    await clock.settle();
    expect([first.value?.value, (await items.next()).value]).toEqual(["b", "a"]);
  });

  it("reads no source more than one item ahead of the consumer", async () => {
    const { clock, manuals, items } = setUp(3);
    for (const { push } of manuals) push("x", "y", "z");
    await items.next();
    await clock.settle();
    expect(manuals.map(({ reads }) => reads)).toEqual([2, 1, 1]);
    await items.next();
    await clock.settle();
    expect(manuals.map(({ reads }) => reads)).toEqual([2, 2, 1]);
  });

  it("gives every source its turn, however fast another one is", async () => {
    const { clock, manual, items } = setUp(2);
    manual(0).push("a", "a", "a", "a", "a", "a");
    manual(1).push("b", "b");
    const seen: unknown[] = [];
    for (let count = 0; count < 4; count++) {
      seen.push((await items.next()).value);
      await clock.settle();
    }
    expect(seen).toEqual(["a", "b", "a", "b"]);
  });

  it("ends when all sources have ended", async () => {
    const { clock, manual, items, released } = setUp(2);
    const first = watch(items.next());
    manual(0).end();
    await clock.settle();
    expect(first.state).toBe("pending");
    manual(1).push("b");
    manual(1).end();
    await clock.settle();
    expect([first.value?.value, (await items.next()).done, released()]).toEqual(["b", true, [0, 0]]);
  });

  it("ends at once when there are no sources", async () => {
    expect(await merge([]).next()).toEqual({ done: true, value: undefined });
  });

  it("releases every source with the first error, those not begun included", async () => {
    const { clock, manual, items, released } = setUp(3, { maxConcurrent: 2 });
    const first = watch(items.next());
    await clock.settle();
    const error = new Error("reset");
    manual(1).fail(error);
    await clock.settle();
    expect([first.error === error, released(), manual(2).reads]).toEqual([true, [1, 0, 1], 0]);
  });

  it("stops with an error while the consumer is busy, and tells it before items that wait", async () => {
    const { clock, manual, items, released } = setUp(3);
    manual(0).push("a");
    manual(1).push("b");
    await items.next();
    const error = new Error("reset");
    manual(2).fail(error);
    await clock.settle();
    expect(released()).toEqual([1, 1, 0]);
    expect(await rejectionOf(items.next())).toBe(error);
    expect((await items.next()).done).toBe(true);
  });

  it("reads as many sources at a time as are allowed and begins the next when one has ended", async () => {
    const { clock, manuals, manual, items } = setUp(3, { maxConcurrent: 2 });
    watch(items.next());
    await clock.settle();
    expect(manuals.map(({ reads }) => reads)).toEqual([1, 1, 0]);
    manual(0).end();
    await clock.settle();
    expect(manuals.map(({ reads }) => reads)).toEqual([1, 1, 1]);
  });

  it("waits for all sources that clean up when the consumer leaves", async () => {
    const { clock, manuals, manual, items } = setUp(2);
    for (const { cleansUpSlowly } of manuals) cleansUpSlowly();
    const end = watch(items.return?.() ?? Promise.reject(new Error("no return")));
    manual(0).cleanUp();
    await clock.settle();
    expect(end.state).toBe("pending");
    manual(1).cleanUp();
    await clock.settle();
    expect([end.state, clock.pending]).toEqual(["fulfilled", 0]);
  });

  itRefuses(
    [() => merge(5 as never), "`merge.sources` must be an iterable of sources, got 5"],
    [
      () => merge([[], 5 as never]),
      "`merge.sources[1]` must be a ReadableStream, an async iterable or an iterable, got 5",
    ],
    [() => merge([], { maxConcurrent: 0 }), "`merge.maxConcurrent` must be an integer of at least 1, got 0"],
  );
});
