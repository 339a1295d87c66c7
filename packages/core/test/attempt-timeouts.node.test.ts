/// <reference types="node" />
import { AsyncLocalStorage } from "node:async_hooks";
import { type Clock, constantBackoff, type OperationContext, pipeline, retry, timeout } from "@headgate/core";
import { TestClock } from "@headgate/core/testing";
import { describe, expect, it } from "vitest";
import { heldTimers } from "./support/leftovers.ts";
import { watch } from "./support/operations.ts";

const request = new AsyncLocalStorage<string>();

/** Virtual time whose callbacks run in the context that armed them, as a host's timers do. */
class HostLikeClock extends TestClock {
  armed = 0;

  override after(delayMs: number, callback: () => void): ReturnType<Clock["after"]> {
    this.armed++;
    const inContext = AsyncLocalStorage.snapshot();
    return super.after(delayMs, () => inContext(callback));
  }
}

const hang = () => new Promise<never>(() => {});

describe("the timeouts of attempts", () => {
  it.each([0, 5])("run calls again in their own context after a back-off of %d ms", async (delayMs) => {
    const clock = new HostLikeClock();
    const again = retry({ maxAttempts: 3, backoff: constantBackoff({ delayMs }), clock });
    const total = timeout({ timeoutMs: 1000, clock });
    const guarded = pipeline({ name: "attempts", clock }, total, again, timeout({ timeoutMs: 10, clock }));
    const seen: string[] = [];
    const names = ["a", "b", "c"];
    const operation = ({ attempt }: OperationContext) => (seen.push(`${request.getStore()} ${attempt}`), hang());
    const calls = [];
    for (const name of names) {
      calls.push(request.run(name, () => watch(guarded.execute(operation))));
      await clock.advance(1);
    }
    await request.run("ticker", () => clock.advance(100));
    expect(seen.toSorted()).toEqual(names.flatMap((name) => [1, 2, 3].map((attempt) => `${name} ${attempt}`)));
    expect(calls.map(({ error }) => error)).toMatchObject(names.map(() => ({ code: "ERR_TIMEOUT", scope: "attempt" })));
    expect(await heldTimers(clock)).toBe(0);
  });

  it("share one timer of the host, as those of whole calls do", async () => {
    const clock = new HostLikeClock();
    const guarded = pipeline(
      { name: "shared", clock },
      timeout({ timeoutMs: 1000, clock }),
      retry({ clock }),
      timeout({ timeoutMs: 10, clock }),
    );
    const calls = Array.from({ length: 50 }, () => guarded.execute(() => clock.sleep(1)));
    // One for the calls, one for the attempts, and one for each operation's own sleep.
    expect(clock.armed).toBe(2 + 50);
    await clock.advance(1);
    await Promise.all(calls);
    expect(await heldTimers(clock)).toBe(0);
  });
});
