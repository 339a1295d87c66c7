import { mapConcurrent, type MapContext } from "@headgate/core/streams";
import { TestClock } from "@headgate/core/testing";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { listenersOn } from "../../test/support/listeners.ts";
import { propertyRuns, propertyTimeoutMs } from "../../test/support/property-runs.ts";
import { anyKind, anyStop, consume, CountedClock, ScheduledSource } from "../../test/support/schedules.ts";

const schedule = fc.record({
  kind: anyKind,
  stop: anyStop,
  ordered: fc.boolean(),
  maxConcurrent: fc.integer({ min: 1, max: 4 }),
  /** For each item: how long the source takes for it, and the mapper. */
  items: fc.array(fc.tuple(fc.nat(4), fc.nat(9)), { maxLength: 10, size: "max" }),
  busyMs: fc.array(fc.nat(6), { minLength: 1, maxLength: 3 }),
  /** Whether a mapper stops when its signal aborts. */
  obedient: fc.boolean(),
  mapperFailsAt: fc.option(fc.nat(9)),
  sourceFails: fc.boolean(),
});
type Schedule = typeof schedule extends fc.Arbitrary<infer T> ? T : never;

const reason = { why: "the caller left" };

/** A mapper that takes its time, and how many items it has at once. */
class Mapper {
  readonly #world: TestClock;
  readonly #schedule: Schedule;
  readonly error = new Error("mapper");
  readonly running = new Set<MapContext>();
  failed = false;
  mapped = 0;
  most = 0;

  constructor(world: TestClock, each: Schedule) {
    this.#world = world;
    this.#schedule = each;
  }

  async map(item: number, context: MapContext): Promise<number> {
    const { items, obedient, mapperFailsAt } = this.#schedule;
    this.running.add(context);
    this.most = Math.max(this.most, this.running.size);
    const ms = items[item]?.[1] ?? 0;
    try {
      if (ms > 0) await (obedient ? this.#world.sleep(ms, context.signal) : this.#world.sleep(ms));
      if (item !== context.index) throw new Error("wrong index");
      if (item === mapperFailsAt) {
        this.failed = true;
        throw this.error;
      }
      this.mapped++;
      return item;
    } finally {
      this.running.delete(context);
    }
  }
}

async function play(each: Schedule): Promise<void> {
  const { kind, stop, ordered, maxConcurrent, items, busyMs, sourceFails } = each;
  const world = new TestClock();
  const clock = new CountedClock(world);
  const controller = new AbortController();
  const { signal, count } = listenersOn(controller);
  const sourceError = new Error("source");
  const gapsMs = [...items.map(([gapMs]) => gapMs), 1];
  const all = items.map((_, index) => index);
  const source = new ScheduledSource(world, all, gapsMs, sourceFails ? sourceError : undefined);
  const mapper = new Mapper(world, each);
  const mapped = mapConcurrent(source.as(kind), (item, context) => mapper.map(item, context), {
    maxConcurrent,
    ordered,
    signal,
    clock,
  });
  let unmarked: MapContext[] = [];
  const consumed = await consume(world, mapped, {
    busyMs,
    stop,
    abort: () => controller.abort(reason),
    observe: ({ taken, state }) => {
      if (state === "running" && !signal.aborted && !mapper.failed) {
        expect(mapper.running.size + mapper.mapped - taken.length).toBeLessThanOrEqual(maxConcurrent);
        expect(source.reads).toBeLessThanOrEqual(taken.length + maxConcurrent);
      }
      if (state !== "running") unmarked = [...mapper.running].filter((context) => !context.signal.aborted);
    },
  });
  const numbers = consumed.taken.map(({ item }) => item);
  const causes = [signal.aborted && reason, mapper.failed && mapper.error, source.ended && sourceFails && sourceError];

  expect(mapper.most).toBeLessThanOrEqual(maxConcurrent);
  expect(new Set(numbers).size).toBe(numbers.length);
  if (ordered) expect(numbers).toEqual(all.slice(0, numbers.length));
  else expect(all).toEqual(expect.arrayContaining(numbers));
  if (consumed.state === "rejected") expect(causes).toContain(consumed.error);
  else if (stop.kind !== "break" || numbers.length < stop.after) expect(numbers).toHaveLength(all.length);
  expect([consumed.state === "running", source.verdict(), clock.held, count(), unmarked]).toEqual([
    false,
    [],
    0,
    0,
    [],
  ]);
  // What was left behind ends in its own time and disturbs nobody.
  const { length } = consumed.taken;
  await world.advance(100);
  expect([source.verdict(), clock.held, mapper.running.size, consumed.taken.length]).toEqual([[], 0, 0, length]);
}

describe("mapConcurrent", () => {
  it("keeps order, bounds and its promises about release on any schedule", { timeout: propertyTimeoutMs }, async () => {
    await fc.assert(fc.asyncProperty(schedule, play), propertyRuns(0.06));
  });
});
