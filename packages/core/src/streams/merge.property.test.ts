import { merge } from "@headgate/core/streams";
import { TestClock } from "@headgate/core/testing";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { listenersOn } from "../../test/support/listeners.ts";
import { propertyRuns, propertyTimeoutMs } from "../../test/support/property-runs.ts";
import { anyKind, anyStop, consume, CountedClock, ScheduledSource } from "../../test/support/schedules.ts";

const schedule = fc.record({
  stop: anyStop,
  maxConcurrent: fc.integer({ min: 1, max: 4 }),
  sources: fc.array(fc.record({ kind: anyKind, gapsMs: fc.array(fc.nat(6), { minLength: 1, maxLength: 6 }) }), {
    maxLength: 4,
  }),
  busyMs: fc.array(fc.nat(5), { minLength: 1, maxLength: 3 }),
  failing: fc.option(fc.nat(3)),
});
type Schedule = typeof schedule extends fc.Arbitrary<infer T> ? T : never;

interface Item {
  readonly source: number;
  readonly index: number;
}

const reason = { why: "the caller left" };
const sourceError = new Error("source");

async function play({ stop, maxConcurrent, sources, busyMs, failing }: Schedule): Promise<void> {
  const world = new TestClock();
  const clock = new CountedClock(world);
  const controller = new AbortController();
  const { signal, count } = listenersOn(controller);
  const scheduled = sources.map(({ gapsMs }, source) => {
    const items = gapsMs.slice(1).map((_, index): Item => ({ source, index }));
    return new ScheduledSource<Item>(world, items, gapsMs, failing === source ? sourceError : undefined);
  });
  const merged = merge(
    scheduled.map((source, index) => source.as(sources[index]?.kind ?? "iterator")),
    { maxConcurrent, signal, clock },
  );
  const takenOf = (source: number, taken: readonly { readonly item: Item }[]) =>
    taken.filter(({ item }) => item.source === source).map(({ item }) => item.index);

  const consumed = await consume(world, merged, {
    busyMs,
    stop,
    abort: () => controller.abort(reason),
    observe: ({ taken, state }) => {
      if (state !== "running") return;
      const ahead = scheduled.map(({ reads }, source) => reads - takenOf(source, taken).length);
      expect(Math.max(0, ...ahead)).toBeLessThanOrEqual(1);
      const open = scheduled.filter(({ reads, ended }) => reads > 0 && !ended);
      expect(open.length).toBeLessThanOrEqual(maxConcurrent);
    },
  });

  const arrivals = consumed.taken.map(({ item }) => scheduled[item.source]?.arrivedMs[item.index] ?? Number.NaN);
  expect(arrivals).toEqual(arrivals.toSorted((a, b) => a - b));
  const indexes = scheduled.map((_, source) => takenOf(source, consumed.taken));
  for (const each of indexes) expect(each).toEqual(each.map((_, place) => place));
  const failed = scheduled.some(({ ended }, source) => ended && source === failing);
  if (consumed.state === "rejected") {
    expect([signal.aborted && reason, failed && sourceError]).toContain(consumed.error);
  } else if (stop.kind !== "break" || consumed.taken.length < stop.after) {
    expect(indexes.map(({ length }) => length)).toEqual(sources.map(({ gapsMs }) => gapsMs.length - 1));
  }
  const verdicts = () => scheduled.flatMap((source) => source.verdict());
  expect([consumed.state === "running", verdicts(), clock.held, count()]).toEqual([false, [], 0, 0]);
  await world.advance(50);
  expect([verdicts(), clock.held]).toEqual([[], 0]);
}

describe("merge", () => {
  it("keeps order, bounds and its promises about release on any schedule", { timeout: propertyTimeoutMs }, async () => {
    await fc.assert(fc.asyncProperty(schedule, play), propertyRuns(0.06));
  });
});
