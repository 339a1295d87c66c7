// Whatever the queue makes of its own delay, its bounds hold, and everything ends.
import { concurrencyLimit, pipeline } from "@headgate/core";
import { TestClock } from "@headgate/core/testing";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { heldTimers } from "../test/support/leftovers.ts";
import { manualOperation, watch } from "../test/support/operations.ts";
import { propertyRuns, propertyTimeoutMs } from "../test/support/property-runs.ts";

const [maxConcurrent, maxQueue, maxWaitMs, targetWaitMs] = [2, 8, 60, 5];

const command = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("start" as const) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("end" as const), index: fc.nat(60) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("abort" as const), index: fc.nat(60) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("advance" as const), ms: fc.nat(12) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("jump" as const), ms: fc.nat(30) }) },
);
type Command = typeof command extends fc.Arbitrary<infer T> ? T : never;

async function play(commands: readonly Command[]): Promise<void> {
  const clock = new TestClock();
  const limit = concurrencyLimit({ maxConcurrent, maxQueue, maxWaitMs, targetWaitMs, order: "adaptive-lifo", clock });
  const guarded = pipeline({ name: "calls", clock }, limit);
  const calls: { startedAt: number; waitsSince: number; end: () => void; seen: ReturnType<typeof watch> }[] = [];
  const controllers: AbortController[] = [];
  /** How late the host is with its timers. */
  let late = 0;
  const start = () => {
    const { operation, run } = manualOperation();
    const controller = new AbortController();
    const call = { startedAt: -1, waitsSince: clock.now(), end: () => run(0).resolve("done") };
    const counted = guarded.execute(
      (context) => {
        call.startedAt = clock.now();
        return operation(context);
      },
      { signal: controller.signal },
    );
    calls.push(Object.assign(call, { seen: watch(counted) }));
    controllers.push(controller);
  };
  const perform = async (each: Command) => {
    if (each.kind === "start") start();
    else if (each.kind === "abort") controllers[each.index]?.abort();
    else if (each.kind === "end") {
      const call = calls[each.index];
      if (call && call.startedAt >= 0) call.end();
    } else if (each.kind === "jump") {
      late += each.ms;
      clock.jump(each.ms);
    } else {
      await clock.advance(each.ms);
      if (each.ms > 0) late = 0;
    }
    await clock.settle();
    expect(limit.inUse).toBeLessThanOrEqual(maxConcurrent);
    expect(limit.queued).toBeLessThanOrEqual(maxQueue);
    // A permit that is free while somebody waits is a permit that was lost.
    if (limit.queued > 0) expect(limit.inUse).toBe(maxConcurrent);
    for (const { startedAt, waitsSince, seen } of calls)
      if (startedAt < 0 && seen.state === "pending")
        expect(clock.now() - waitsSince).toBeLessThanOrEqual(maxWaitMs + late);
  };
  for (const each of commands) await perform(each);
  await clock.advance(maxWaitMs);
  for (const call of calls) if (call.startedAt >= 0) call.end();
  await clock.settle();
  expect(calls.filter(({ seen }) => seen.state === "pending")).toEqual([]);
  const refused = limit.rejectedFull + limit.rejectedWait;
  expect(calls.filter(({ seen }) => (seen.error as { code?: string })?.code === "ERR_CONCURRENCY_LIMIT")).toHaveLength(
    refused,
  );
  expect([limit.inUse, limit.queued, limit.abandoned, await heldTimers(clock)]).toEqual([0, 0, 0, 0]);
}

describe("concurrencyLimit with adaptive-lifo", () => {
  it("keeps its bounds and loses nobody", { timeout: propertyTimeoutMs }, async () => {
    const commands = fc.array(command, { maxLength: 120, size: "max" });
    await fc.assert(fc.asyncProperty(commands, play), propertyRuns(0.2));
  });
});
