/// <reference types="node" />
import { AsyncLocalStorage } from "node:async_hooks";
import { type Clock, pipeline, rateLimit } from "@headgate/core";
import { TestClock } from "@headgate/core/testing";
import { describe, expect, it } from "vitest";
import { watch } from "../test/support/operations.ts";

const request = new AsyncLocalStorage<string>();

/** Virtual time whose callbacks run in the context that armed them, as a host's timers do. */
class HostLikeClock extends TestClock {
  override after(delayMs: number, callback: () => void): ReturnType<Clock["after"]> {
    const inContext = AsyncLocalStorage.snapshot();
    return super.after(delayMs, () => inContext(callback));
  }
}

describe("rateLimit", () => {
  it("runs an operation that waited in its caller's context, also when another call has moved it up", async () => {
    const clock = new HostLikeClock();
    const limit = rateLimit({ limit: 100, burst: 2, maxWaitMs: 1000, clock });
    const guarded = pipeline({ name: "context", clock }, limit);
    const seen: string[] = [];
    const controller = new AbortController();
    const start = (name: string, weight: number, signal?: AbortSignal) =>
      request.run(name, () =>
        watch(guarded.execute(() => seen.push(`${request.getStore()}@${clock.now()}`), { weight, signal })),
      );
    start("first", 1);
    start("leaver", 2, controller.signal);
    start("moved up", 1);
    start("in turn", 1);
    request.run("leaver's caller", () => controller.abort());
    await request.run("ticker", () => clock.advance(50));
    expect(seen).toEqual(["first@0", "moved up@0", "in turn@10"]);
  });
});
