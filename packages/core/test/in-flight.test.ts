import { concurrencyLimit, pipeline, timeout } from "@headgate/core";
import { TestClock } from "@headgate/core/testing";
import { expect, it } from "vitest";
import { manualOperation, watch } from "./support/operations.ts";

it("a pipeline counts its calls in flight, however they end", async () => {
  const clock = new TestClock();
  const limit = concurrencyLimit({ maxConcurrent: 3, maxQueue: 1, clock });
  const guarded = pipeline({ name: "calls", clock }, timeout({ timeoutMs: 50, clock }), limit);
  const { operation, run } = manualOperation();
  const controller = new AbortController();
  const first = watch(guarded.execute(operation));
  watch(guarded.execute(operation));
  watch(guarded.execute(operation, { signal: controller.signal }));
  watch(guarded.attempt(operation));
  expect(guarded.inFlight).toBe(4);
  watch(guarded.execute(operation));
  watch(guarded.execute(operation, { signal: AbortSignal.abort() }));
  watch(guarded.execute(operation, { deadline: -1 }));
  await guarded.attempt(() => "refused");
  expect(guarded.inFlight).toBe(4);
  run(0).resolve("done");
  await clock.settle();
  expect([first.value, guarded.inFlight]).toEqual(["done", 3]);
  controller.abort();
  expect(guarded.inFlight).toBe(2);
  await clock.advance(50);
  expect(guarded.inFlight).toBe(0);
});
