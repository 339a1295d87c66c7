import { concurrencyLimit, pipeline, retry, timeout } from "@headgate/core";
import { TestClock } from "@headgate/core/testing";
import { describe, expect, it } from "vitest";
import { listenersOn } from "../test/support/listeners.ts";
import { heldTimers } from "../test/support/leftovers.ts";
import { manualOperation, watch } from "../test/support/operations.ts";

describe("execute on a signal that lives longer than its calls", () => {
  it("leaves one listener however many calls there were, one after the other or at once", async () => {
    const { signal, count } = listenersOn(new AbortController());
    const clock = new TestClock();
    const limit = concurrencyLimit({ maxConcurrent: 2, maxQueue: 100, clock });
    const guarded = pipeline("many", timeout({ clock }), retry({ clock }), limit);
    for (let i = 0; i < 50; i++) await guarded.execute(async () => i, { signal });
    await Promise.all(Array.from({ length: 50 }, (_, i) => guarded.execute(async () => i, { signal })));
    expect(count()).toBe(1);
    expect(await heldTimers(clock)).toBe(0);
  });

  it("adds no listener for a call that is done before it returns", async () => {
    const { signal, count } = listenersOn(new AbortController());
    await pipeline("synchronous").execute(() => 1, { signal });
    expect(count()).toBe(0);
  });

  it("shares its listener among pipelines", async () => {
    const { signal, count } = listenersOn(new AbortController());
    await pipeline("a").execute(async () => 1, { signal });
    await pipeline("b").execute(async () => 1, { signal });
    expect(count()).toBe(1);
  });

  it.each([
    [0, 1, 2],
    [1, 0, 2],
    [2, 0, 1],
    [1, 2, 0],
  ])("ends the last of three calls, after those at %d and %d have settled", async (first, second, last) => {
    const controller = new AbortController();
    const clock = new TestClock();
    const { operation, run } = manualOperation();
    const guarded = pipeline("three");
    const calls = [0, 1, 2].map(() => watch(guarded.execute(operation, { signal: controller.signal })));
    run(first).resolve("done");
    await clock.settle();
    run(second).resolve("done");
    await clock.settle();
    controller.abort("left");
    await clock.settle();
    expect(calls[last]?.error).toBe("left");
    expect(guarded.inFlight).toBe(0);
  });

  it("ends the two calls that are left when any of three has settled", async () => {
    for (const settled of [0, 1, 2]) {
      const controller = new AbortController();
      const clock = new TestClock();
      const { operation, run } = manualOperation();
      const guarded = pipeline("two");
      const calls = [0, 1, 2].map(() => watch(guarded.execute(operation, { signal: controller.signal })));
      run(settled).resolve("done");
      await clock.settle();
      controller.abort("left");
      await clock.settle();
      expect(calls.filter(({ error }) => error === "left")).toHaveLength(2);
      expect(guarded.inFlight).toBe(0);
    }
  });

  it("ends the calls that are in flight, and only them, when it aborts", async () => {
    const controller = new AbortController();
    const { signal } = controller;
    const clock = new TestClock();
    const { operation, run } = manualOperation();
    const calls = [0, 1, 2, 3, 4].map(() => watch(pipeline("each").execute(operation, { signal })));
    const other = watch(pipeline("each").execute(operation, { signal: new AbortController().signal }));
    for (const done of [0, 2, 4]) run(done).resolve("done");
    await clock.settle();
    const reason = { left: true };
    controller.abort(reason);
    await clock.settle();
    expect(calls.map(({ state }) => state)).toEqual(["fulfilled", "rejected", "fulfilled", "rejected", "fulfilled"]);
    expect([calls[1]?.error, calls[3]?.error]).toEqual([reason, reason]);
    expect(other.state).toBe("pending");
  });

  it("ends every call although one of them starts another when it ends", async () => {
    const controller = new AbortController();
    const { signal } = controller;
    const guarded = pipeline("chained", timeout({ clock: new TestClock() }));
    const { operation, runs } = manualOperation();
    const nested: Promise<unknown>[] = [];
    const first = watch(
      guarded.execute(
        (context) => {
          context.signal.addEventListener("abort", () => {
            nested.push(guarded.execute(operation, { signal }).catch((error: unknown) => error));
          });
          return operation(context);
        },
        { signal },
      ),
    );
    const second = watch(guarded.execute(operation, { signal }));
    controller.abort("left");
    expect(await Promise.all(nested)).toEqual(["left"]);
    expect(runs).toHaveLength(2);
    expect([first.error, second.error]).toEqual(["left", "left"]);
  });

  it("works on a signal that cannot be extended", async () => {
    const controller = new AbortController();
    const { signal, count } = listenersOn(controller);
    Object.preventExtensions(signal);
    const { operation } = manualOperation();
    const calls = [1, 2].map(() => watch(pipeline("frozen").execute(operation, { signal })));
    expect(count()).toBe(1);
    controller.abort("left");
    await new TestClock().settle();
    expect(calls.map(({ error }) => error)).toEqual(["left", "left"]);
  });
});
