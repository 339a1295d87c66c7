import { AsyncLocalStorage } from "node:async_hooks";
import { mapConcurrent } from "@headgate/core/streams";
import { TestClock } from "@headgate/core/testing";
import { describe, expect, it } from "vitest";
import { watch } from "../../test/support/operations.ts";
import { manualSource } from "../../test/support/sources.ts";

describe("mapConcurrent", () => {
  it("runs the mapper in the context of its consumer, whoever feeds the source", async () => {
    const storage = new AsyncLocalStorage<string>();
    const clock = new TestClock();
    const manual = manualSource<number>("iterator");
    const seen: (string | undefined)[] = [];
    const items = mapConcurrent(manual.source, () => seen.push(storage.getStore()), { maxConcurrent: 2, clock });
    storage.run("consumer", () => watch(items.next()));
    await clock.settle();
    storage.run("producer", () => manual.push(1, 2, 3));
    await clock.settle();
    expect(seen).toEqual(["consumer", "consumer", "consumer"]);
  });
});
