import { batch } from "@headgate/core/streams";
import { TestClock } from "@headgate/core/testing";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { listenersOn } from "../../test/support/listeners.ts";
import { propertyRuns, propertyTimeoutMs } from "../../test/support/property-runs.ts";
import { anyKind, anyStop, consume, CountedClock, ScheduledSource } from "../../test/support/schedules.ts";

const schedule = fc.record({
  kind: anyKind,
  stop: anyStop,
  maxItems: fc.integer({ min: 1, max: 4 }),
  /** Half a millisecond more: never at the same time as an item. */
  waitMs: fc.nat(8),
  gapsMs: fc.array(fc.nat(6), { minLength: 1, maxLength: 12, size: "max" }),
  busyMs: fc.array(fc.nat(12), { minLength: 1, maxLength: 3 }),
  fails: fc.boolean(),
});
type Schedule = typeof schedule extends fc.Arbitrary<infer T> ? T : never;

interface Expected {
  readonly items: number[];
  readonly atMs: number;
}

/** What a consumer that is never cut off gets, and when, as plainly as can be. */
function expectedOf({ maxItems, waitMs, gapsMs, busyMs }: Schedule): Expected[] {
  const batches: Expected[] = [];
  let nowMs = 0;
  let index = 0;
  let arrivesMs: number | null = null;
  for (;;) {
    const items: number[] = [];
    let dueMs = Number.POSITIVE_INFINITY;
    while (items.length < maxItems) {
      arrivesMs ??= nowMs + (gapsMs[index] ?? 0);
      const limitMs = Math.max(nowMs, dueMs);
      if (arrivesMs > limitMs) {
        nowMs = limitMs;
        break;
      }
      nowMs = Math.max(nowMs, arrivesMs);
      if (index === gapsMs.length - 1) {
        if (items.length > 0) batches.push({ items, atMs: nowMs });
        return batches;
      }
      if (items.length === 0) dueMs = arrivesMs + waitMs + 0.5;
      items.push(index++);
      arrivesMs = null;
    }
    batches.push({ items, atMs: nowMs });
    nowMs += busyMs[(batches.length - 1) % busyMs.length] ?? 0;
  }
}

const reason = { why: "the caller left" };

async function play(each: Schedule): Promise<void> {
  const { kind, stop, maxItems, waitMs, gapsMs, busyMs, fails } = each;
  const world = new TestClock();
  const clock = new CountedClock(world);
  const controller = new AbortController();
  const { signal, count } = listenersOn(controller);
  const error = new Error("source");
  const numbers = gapsMs.slice(1).map((_, index) => index);
  const source = new ScheduledSource(world, numbers, gapsMs, fails ? error : undefined);
  const batches = batch(source.as(kind), { maxItems, maxWaitMs: waitMs + 0.5, signal, clock });
  const consumed = await consume(world, batches, { busyMs, stop, abort: () => controller.abort(reason) });

  const expected = expectedOf(each);
  const got = consumed.taken.map(({ item, atMs }) => ({ items: item, atMs }));
  expect(got).toEqual(expected.slice(0, got.length));
  if (consumed.state === "rejected") expect([signal.aborted && reason, fails && error]).toContain(consumed.error);
  else if (stop.kind === "break" && got.length === stop.after)
    expect(expected.length).toBeGreaterThanOrEqual(stop.after);
  else expect([got.length, fails]).toEqual([expected.length, false]);
  if (consumed.error === error) expect(got).toHaveLength(expected.length);
  expect([consumed.state === "running", source.verdict(), clock.held, count()]).toEqual([false, [], 0, 0]);
  await world.advance(50);
  expect([source.verdict(), clock.held]).toEqual([[], 0]);
}

describe("batch", () => {
  it("hands out what a plain model does, at the same time", { timeout: propertyTimeoutMs }, async () => {
    await fc.assert(fc.asyncProperty(schedule, play), propertyRuns(0.06));
  });
});
