import { batch } from "@headgate/core/streams";
import { TestClock } from "@headgate/core/testing";
import { describe, expect, it } from "vitest";
import { rejectionOf, watch } from "../../test/support/operations.ts";
import { itRefuses } from "../../test/support/options.ts";
import { manualSource } from "../../test/support/sources.ts";

function setUp(maxItems: number, maxWaitMs?: number) {
  const clock = new TestClock();
  const manual = manualSource<number>("iterator");
  return { clock, manual, items: batch(manual.source, { maxItems, maxWaitMs, clock }) };
}

describe("batch", () => {
  it("hands out a batch as soon as it is full", async () => {
    const { clock, manual, items } = setUp(2, 10);
    manual.push(1, 2, 3);
    expect(await items.next()).toEqual({ done: false, value: [1, 2] });
    expect([clock.pending, manual.reads]).toEqual([0, 2]);
  });

  it("hands out what there is when the first item has waited long enough", async () => {
    const { clock, manual, items } = setUp(3, 10);
    const first = watch(items.next());
    await clock.advance(50);
    manual.push(1);
    await clock.advance(6);
    manual.push(2);
    await clock.advance(3.9);
    expect(first.state).toBe("pending");
    await clock.advance(0.1);
    expect(first.value).toEqual({ done: false, value: [1, 2] });
    expect(clock.pending).toBe(0);
  });

  it("hands out no empty batch however long it takes", async () => {
    const { clock, manual, items } = setUp(3, 10);
    const first = watch(items.next());
    await clock.advance(1_000);
    expect(first.state).toBe("pending");
    manual.end();
    await clock.settle();
    expect(first.value).toEqual({ done: true, value: undefined });
  });

  it("keeps the item of the read that was under way for the next batch", async () => {
    const { clock, manual, items } = setUp(3, 10);
    const first = watch(items.next());
    manual.push(1);
    await clock.advance(10);
    expect(first.value?.value).toEqual([1]);
    manual.push(2, 3, 4, 5);
    await clock.settle();
    expect(manual.reads).toBe(2);
    expect((await items.next()).value).toEqual([2, 3, 4]);
  });

  it("counts the wait from the arrival of an item, also when the consumer was busy then", async () => {
    const { clock, manual, items } = setUp(3, 10);
    const first = watch(items.next());
    manual.push(1);
    await clock.advance(10);
    expect(first.value?.value).toEqual([1]);
    manual.push(2);
    await clock.advance(7);
    const second = watch(items.next());
    await clock.advance(2.9);
    expect(second.state).toBe("pending");
    await clock.advance(0.1);
    expect(second.value?.value).toEqual([2]);
  });

  it("takes what is there when it may not wait", async () => {
    const { clock, manual, items } = setUp(3, 0);
    manual.push(1, 2);
    const first = watch(items.next());
    await clock.advance(0);
    expect(first.value?.value).toEqual([1, 2]);
  });

  it("waits for a full batch when no time is given, and hands out the rest at the end", async () => {
    const { clock, manual, items } = setUp(2);
    const first = watch(items.next());
    manual.push(1);
    await clock.advance(1_000_000);
    expect([first.state, clock.pending]).toEqual(["pending", 0]);
    manual.push(2, 3);
    manual.end();
    await clock.settle();
    expect(first.value?.value).toEqual([1, 2]);
    expect([(await items.next()).value, (await items.next()).done]).toEqual([[3], true]);
  });

  it("hands out the items that came before the source failed, then its error", async () => {
    const { manual, items } = setUp(3, 10);
    const error = new Error("reset");
    manual.push(1);
    manual.fail(error);
    expect((await items.next()).value).toEqual([1]);
    expect(await rejectionOf(items.next())).toBe(error);
    expect((await items.next()).done).toBe(true);
  });

  it("drops a batch that is not full when the signal aborts", async () => {
    const clock = new TestClock();
    const manual = manualSource<number>("iterator");
    const controller = new AbortController();
    const items = batch(manual.source, { maxItems: 3, maxWaitMs: 10, clock, signal: controller.signal });
    manual.push(1);
    const first = watch(items.next());
    await clock.settle();
    controller.abort("left");
    await clock.settle();
    expect([first.error, clock.pending, manual.released.length]).toEqual(["left", 0, 1]);
  });

  itRefuses(
    [() => batch([], { maxItems: 0 }), "`batch.maxItems` must be an integer of at least 1, got 0"],
    [
      () => batch([], { maxItems: 1, maxWaitMs: -1 }),
      "`batch.maxWaitMs` must be a number of at least 0 and at most 2147483647, got -1",
    ],
  );
});
