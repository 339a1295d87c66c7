/// <reference types="node" />
import { memoryUsage } from "node:process";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import {
  circuitBreaker,
  concurrencyLimit,
  hedge,
  type OperationContext,
  pipeline,
  retry,
  retryBudget,
  timeout,
} from "@headgate/core";
import { TestClock } from "@headgate/core/testing";
import { describe, expect, it } from "vitest";
import { heldTimers } from "./support/leftovers.ts";
import { listenersOn } from "./support/listeners.ts";

const calls = 1_000_000;

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

/** Bytes in use once everything that can be collected has been. */
function heapUsed(): number {
  collectGarbage();
  collectGarbage();
  return memoryUsage().heapUsed;
}

function setUp() {
  const clock = new TestClock();
  const limit = concurrencyLimit({ maxConcurrent: 10, maxQueue: 1000, clock });
  const policies = [timeout({ clock }), retry({ clock }), circuitBreaker({ clock }), limit];
  const { signal, count } = listenersOn(new AbortController());
  return { clock, limit, guarded: pipeline({ name: "long-lived", clock }, ...policies), signal, count };
}

describe(`${calls} calls on one long-lived signal`, () => {
  it("leave one listener, no timer and no memory behind", async () => {
    const { clock, limit, guarded, signal, count } = setUp();
    let heard = 0;
    const operation = async ({ signal: own }: { signal: AbortSignal }) => {
      if (!own.aborted) heard++;
      await Promise.resolve();
    };
    const run = async (times: number) => {
      for (let i = 0; i < times; i += 100)
        await Promise.all(Array.from({ length: 100 }, () => guarded.execute(operation, { signal })));
    };
    await run(calls / 10);
    const beforeBytes = heapUsed();
    await run(calls);
    const grownBytes = heapUsed() - beforeBytes;
    expect(heard).toBe(calls + calls / 10);
    expect(count()).toBe(1);
    expect([limit.inUse, limit.queued, await heldTimers(clock)]).toEqual([0, 0, 0]);
    // A tenth of the least that a leaked call could take.
    expect(grownBytes / calls).toBeLessThan(10);
  });

  it("leave nothing behind when each of them is refused", async () => {
    const { clock, limit, guarded, signal, count } = setUp();
    const waiting: Promise<unknown>[] = [];
    let release = () => {};
    const held = new Promise<void>((resolve) => (release = resolve));
    for (let i = 0; i < 1010; i++) waiting.push(guarded.execute(() => held, { signal }));
    let refused = 0;
    const run = async (times: number) => {
      for (let i = 0; i < times; i++) await guarded.execute(() => held, { signal }).catch(() => refused++);
    };
    await run(calls / 100);
    const beforeBytes = heapUsed();
    await run(calls / 10);
    const grownBytes = heapUsed() - beforeBytes;
    expect(refused).toBe(calls / 10 + calls / 100);
    expect(grownBytes / (calls / 10)).toBeLessThan(50);
    release();
    await Promise.all(waiting);
    expect([count(), limit.inUse, limit.queued, await heldTimers(clock)]).toEqual([1, 0, 0, 0]);
  });

  it("leave nothing behind when each of them was hedged", async () => {
    const clock = new TestClock();
    const budget = retryBudget({ minPerSecond: 1e9, minConcurrent: 1e9, clock });
    const limit = concurrencyLimit({ maxConcurrent: 1e9, clock });
    const beside = hedge({ delayMs: 10, budget, clock });
    const policies = [timeout({ clock }), retry({ budget, clock }), beside, circuitBreaker({ clock }), limit];
    const guarded = pipeline({ name: "long-lived", clock }, ...policies);
    const { signal, count } = listenersOn(new AbortController());
    // Half of them are answered by the hedge, half by the first attempt, and the losers heed their signals.
    const operation = (winner: number) => (context: OperationContext) =>
      clock.sleep(context.attempt === winner ? 15 : 1000, context.signal);
    const run = async (times: number) => {
      for (let i = 0; i < times; i += 100) {
        const all = Array.from({ length: 100 }, (_, n) => guarded.execute(operation(1 + (n % 2)), { signal }));
        await clock.advance(30);
        await Promise.all(all);
      }
    };
    await run(calls / 1000);
    const beforeBytes = heapUsed();
    // So many that what the host does once in a while is next to nothing for each of them.
    await run(calls / 40);
    const grownBytes = heapUsed() - beforeBytes;
    expect(beside.hedges).toBe(calls / 40 + calls / 1000);
    expect(grownBytes / (calls / 40)).toBeLessThan(50);
    expect([count(), limit.inUse, budget.callsInFlight, budget.retriesInFlight]).toEqual([1, 0, 0, 0]);
    expect(await heldTimers(clock)).toBe(0);
  });
});
