// The functions that watch the time a source takes, against plain sums.
import { minRate, MinRateError, StreamTimeoutError, withTimeouts } from "@headgate/core/streams";
import { TestClock } from "@headgate/core/testing";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { propertyRuns, propertyTimeoutMs } from "../../test/support/property-runs.ts";
import { anyKind, anyStop, consume, CountedClock, ScheduledSource, type Stop } from "../../test/support/schedules.ts";
import type { SourceKind } from "../../test/support/sources.ts";

const common = {
  kind: anyKind,
  stop: anyStop,
  gapsMs: fc.array(fc.nat(9), { minLength: 1, maxLength: 10, size: "max" }),
  busyMs: fc.array(fc.nat(20), { minLength: 1, maxLength: 3 }),
};

interface Schedule {
  readonly kind: SourceKind;
  readonly stop: Stop;
  readonly gapsMs: readonly number[];
  readonly busyMs: readonly number[];
}

const reason = { why: "the caller left" };

/**
 * Plays a schedule against what `limitMs` allows the source for the item of an index. Half milliseconds there: never at
 * the same time as an item.
 */
async function play(
  { kind, stop, gapsMs, busyMs }: Schedule,
  sizes: readonly number[],
  make: (source: AsyncIterable<Uint8Array> | ReadableStream<Uint8Array>, options: object) => AsyncIterable<Uint8Array>,
  limitMs: (index: number) => number,
  Failure: new (...args: never[]) => Error,
): Promise<void> {
  const world = new TestClock();
  const clock = new CountedClock(world);
  const controller = new AbortController();
  const chunks = gapsMs.slice(1).map((_, index) => new Uint8Array(sizes[index % sizes.length] ?? 0));
  const source = new ScheduledSource(world, chunks, gapsMs);
  const items = make(source.as(kind), { clock, signal: controller.signal });
  const consumed = await consume(world, items, { busyMs, stop, abort: () => controller.abort(reason) });

  let nowMs = 0;
  let failsMs: number | null = null;
  const expected: { item: Uint8Array; atMs: number }[] = [];
  for (const [index, gapMs] of gapsMs.entries()) {
    if (gapMs > limitMs(index)) {
      failsMs = nowMs + limitMs(index);
      break;
    }
    nowMs += gapMs;
    const item = chunks[index];
    if (item !== undefined) expected.push({ item, atMs: nowMs });
    nowMs += busyMs[index % busyMs.length] ?? 0;
  }
  expect(consumed.taken).toEqual(expected.slice(0, consumed.taken.length));
  if (consumed.error instanceof Failure)
    expect([consumed.endedMs, consumed.taken.length]).toEqual([failsMs, expected.length]);
  else if (consumed.state === "rejected") expect([signalled(controller), consumed.error]).toEqual([true, reason]);
  else if (stop.kind !== "break" || consumed.taken.length < stop.after) {
    expect([failsMs, consumed.taken.length]).toEqual([null, expected.length]);
  }
  expect([consumed.state === "running", source.verdict(), clock.held]).toEqual([false, [], 0]);
}

const signalled = ({ signal }: AbortController): boolean => signal.aborted;

describe("minRate", () => {
  it("allows the source the grace and the time that its bytes are worth", { timeout: propertyTimeoutMs }, async () => {
    const schedule = fc.record({ ...common, graceMs: fc.nat(12), sizes: fc.array(fc.nat(8), { minLength: 1 }) });
    await fc.assert(
      fc.asyncProperty(schedule, async (each) => {
        const graceMs = each.graceMs + 0.5;
        // At 1,000 bytes/s a byte is worth a millisecond.
        const limitMs = (index: number) => {
          let budgetMs = graceMs;
          for (let earlier = 0; earlier < index; earlier++) {
            budgetMs += (each.sizes[earlier % each.sizes.length] ?? 0) - (each.gapsMs[earlier] ?? 0);
          }
          return budgetMs;
        };
        const options = { bytesPerSecond: 1_000, graceMs };
        await play(each, each.sizes, (source, more) => minRate(source, { ...options, ...more }), limitMs, MinRateError);
      }),
      propertyRuns(0.04),
    );
  });
});

describe("withTimeouts", () => {
  it("allows the source its time for each item", { timeout: propertyTimeoutMs }, async () => {
    const schedule = fc.record({ ...common, firstMs: fc.nat(10), idleMs: fc.nat(10) });
    await fc.assert(
      fc.asyncProperty(schedule, async (each) => {
        const options = { firstItemTimeoutMs: each.firstMs + 0.5, idleTimeoutMs: each.idleMs + 0.5 };
        const limitMs = (index: number) => (index === 0 ? options.firstItemTimeoutMs : options.idleTimeoutMs);
        await play(
          each,
          [1],
          (source, more) => withTimeouts(source, { ...options, ...more }),
          limitMs,
          StreamTimeoutError,
        );
      }),
      propertyRuns(0.04),
    );
  });
});
