// On both runtimes; what it does to memory is measured in `leaks.node.test.ts`, where memory can be read.
import { circuitBreaker, concurrencyLimit, pipeline, retry, timeout } from "@headgate/core";
import { describe, expect, it } from "vitest";
import { listenersOn } from "./support/listeners.ts";

describe("a million calls on one long-lived signal, with the system's clock", () => {
  it("leave one listener and no permit behind", async () => {
    const { signal, count } = listenersOn(new AbortController());
    const limit = concurrencyLimit({ maxConcurrent: 100 });
    const guarded = pipeline("long-lived", timeout(), retry(), circuitBreaker(), limit);
    let aborted = 0;
    const operation = async (context: { signal: AbortSignal }) => {
      if (context.signal.aborted) aborted++;
    };
    for (let i = 0; i < 1_000_000; i += 100)
      await Promise.all(Array.from({ length: 100 }, () => guarded.execute(operation, { signal })));
    expect([aborted, count(), limit.inUse, guarded.inFlight]).toEqual([0, 1, 0, 0]);
  });
});
