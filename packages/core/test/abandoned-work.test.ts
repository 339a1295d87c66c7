import { concurrencyLimit, constantBackoff, pipeline, retry, timeout } from "@headgate/core";
import { TestClock } from "@headgate/core/testing";
import { describe, expect, it } from "vitest";
import { guardedOperation } from "./support/guarded.ts";
import { manualOperation, watch } from "./support/operations.ts";
import { unhandledDuring } from "./support/unhandled.ts";

const failure = new Error("down");
const reason = { left: "the building" };

describe("an operation whose call has ended", () => {
  it.each(["timeout", "caller"])(
    "reads an aborted signal when it looks only after the %s has ended its call",
    async (by) => {
      const { clock, guarded, controller, signal, operation, run } = guardedOperation();
      const call = watch(guarded.execute(operation, { signal }));
      if (by === "caller") controller.abort(reason);
      await clock.advance(100);
      expect(run(0).context.signal.aborted).toBe(true);
      expect(run(0).context.signal.reason).toBe(call.error);
      expect(run(0).context.remainingMs).toBe(0);
    },
  );

  it("keeps its permit until it settles when it ignores its signal, for everybody who comes meanwhile", async () => {
    const { clock, limit, controller, signal, operation, run, runs } = guardedOperation();
    const guarded = pipeline("narrow", limit);
    watch(guarded.execute(operation, { signal }));
    controller.abort(reason);
    const next = watch(guarded.execute(operation));
    await clock.advance(49);
    expect(limit).toMatchObject({ inUse: 1, abandoned: 1, queued: 1 });
    run(0).reject(failure);
    await clock.settle();
    expect(limit).toMatchObject({ inUse: 1, abandoned: 0, queued: 0 });
    run(1).resolve("done");
    await clock.settle();
    expect([next.value, runs.length, limit.inUse]).toEqual(["done", 2, 0]);
  });

  it("keeps the permit of each abandoned attempt while the next one runs", async () => {
    const clock = new TestClock();
    const limit = concurrencyLimit({ maxConcurrent: 3, clock });
    const attempt = [limit, timeout({ timeoutMs: 10, clock })];
    const guarded = pipeline("attempts", retry({ backoff: constantBackoff({ delayMs: 0 }), clock }), ...attempt);
    const { operation, runs, run } = manualOperation();
    const call = watch(guarded.execute(operation));
    await clock.advance(20);
    expect(runs).toHaveLength(3);
    expect(limit).toMatchObject({ inUse: 3, abandoned: 2 });
    for (const each of [1, 0, 2]) run(each).resolve(`${each}`);
    await clock.settle();
    expect(call.value).toBe("2");
    expect(limit).toMatchObject({ inUse: 0, abandoned: 0 });
  });

  it("has its late result given to `discard`, once, and what `discard` throws dropped", async () => {
    const discarded: string[] = [];
    const left = await unhandledDuring(async () => {
      for (const end of [undefined, () => Promise.reject(failure), () => expect.unreachable()]) {
        const { clock, guarded, controller, signal, operation, run } = guardedOperation();
        const call = watch(
          guarded.execute(operation, { signal, discard: (value) => (discarded.push(value), end?.()) }),
        );
        controller.abort(reason);
        run(0).resolve("late");
        await clock.settle();
        expect(call.error).toBe(reason);
      }
    });
    expect(discarded).toEqual(["late", "late", "late"]);
    expect(left).toEqual([]);
  });

  it("has its result given to the caller and not to `discard` when it is in time", async () => {
    const { guarded } = guardedOperation();
    const discard = () => expect.unreachable();
    expect(await guarded.execute(async () => "in time", { discard })).toBe("in time");
  });

  it("has its late rejection swallowed", async () => {
    const left = await unhandledDuring(async () => {
      const { clock, guarded, controller, signal, operation, run } = guardedOperation();
      const aborted = watch(guarded.execute(operation, { signal }));
      controller.abort(reason);
      run(0).reject(new Error("late"));
      const late = watch(guarded.execute(operation));
      await clock.advance(100);
      run(1).reject(new Error("later"));
      await clock.settle();
      expect([aborted.error, late.state]).toEqual([reason, "rejected"]);
    });
    expect(left).toEqual([]);
  });
});
