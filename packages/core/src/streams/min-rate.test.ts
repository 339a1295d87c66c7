import { minRate, MinRateError, type MinRateOptions } from "@headgate/core/streams";
import { TestClock } from "@headgate/core/testing";
import { describe, expect, it } from "vitest";
import { watch, type Watched } from "../../test/support/operations.ts";
import { itRefuses } from "../../test/support/options.ts";
import { chunks, manualSource } from "../../test/support/sources.ts";

function setUp(options?: MinRateOptions) {
  const clock = new TestClock();
  const manual = manualSource<Uint8Array>("stream");
  return { clock, manual, items: minRate(manual.source, { ...options, clock }) };
}

/** How long each timer is asked for. */
function delaysOf(clock: TestClock): readonly number[] {
  const delays: number[] = [];
  const after = clock.after.bind(clock);
  clock.after = (delayMs, callback) => {
    delays.push(delayMs);
    return after(delayMs, callback);
  };
  return delays;
}

describe("minRate", () => {
  it("forgives a source five seconds by default", async () => {
    const { clock, manual, items } = setUp();
    const first = watch(items.next());
    await clock.advance(4_999);
    expect(first.state).toBe("pending");
    await clock.advance(1);
    expect(first.error).toBeInstanceOf(MinRateError);
    expect(first.error).toMatchObject({
      name: "MinRateError",
      code: "ERR_MIN_RATE",
      bytesPerSecond: 240,
      graceMs: 5_000,
      bytes: 0,
      waitedMs: 5_000,
      message: "The stream gave 0 bytes in 5000 ms, slower than 240 bytes/s",
    });
    expect([manual.released, clock.pending]).toEqual([[first.error], 0]);
  });

  it("cuts off a source that drips below the rate, although it is never idle for long", async () => {
    const { clock, manual, items } = setUp({ bytesPerSecond: 20, graceMs: 1_000 });
    const drips: Watched<unknown>[] = [];
    do {
      drips.push(watch(items.next()));
      await clock.advance(100);
      manual.push(...chunks(1));
      await clock.settle();
    } while (drips.at(-1)?.state === "fulfilled" && drips.length < 100);
    // Each byte takes 100 ms and is worth 50: after 18 of them 100 ms are left of 1,000, and the next comes no earlier.
    expect([drips.at(-1)?.error instanceof MinRateError, drips.length, clock.now()]).toEqual([true, 19, 1_900]);
  });

  it("lets a source go on that keeps the rate", async () => {
    const { clock, manual, items } = setUp({ bytesPerSecond: 20, graceMs: 100 });
    for (let drops = 0; drops < 100; drops++) {
      const next = watch(items.next());
      await clock.advance(50);
      manual.push(...chunks(1));
      await clock.settle();
      expect(next.state).toBe("fulfilled");
    }
  });

  it("does not count the consumer's own time", async () => {
    const { clock, manual, items } = setUp({ graceMs: 10 });
    manual.push(...chunks(0));
    await items.next();
    expect(clock.pending).toBe(0);
    await clock.advance(60_000);
    const second = watch(items.next());
    await clock.advance(9);
    expect(second.state).toBe("pending");
    manual.end();
    await clock.settle();
    expect(second.value?.done).toBe(true);
  });

  it("lets bytes that are there through when the host's timers are late", async () => {
    const { clock, manual, items } = setUp({ graceMs: 10 });
    const delays = delaysOf(clock);
    const first = watch(items.next());
    await clock.settle();
    clock.jump(1_000);
    manual.push(...chunks(1), ...chunks(1));
    await clock.settle();
    expect(first.state).toBe("fulfilled");
    expect(await items.next()).toMatchObject({ done: false });
    const third = watch(items.next());
    await clock.advance(0);
    expect(third.error).toBeInstanceOf(MinRateError);
    expect(delays).toEqual([10, 0, 0]);
  });

  it("waits no longer than a timer can, whatever the source has saved up", async () => {
    const clock = new TestClock();
    const delays = delaysOf(clock);
    const items = minRate(chunks(10_000_000), { bytesPerSecond: 1, clock });
    await items.next();
    await items.next();
    expect(delays).toEqual([5_000, 2_147_483_647]);
  });

  it("refuses chunks that it cannot count", async () => {
    const items = minRate(["text"] as never);
    await expect(items.next()).rejects.toThrow("`minRate` takes chunks with a byteLength, got string");
  });

  itRefuses(
    [
      () => minRate([], { bytesPerSecond: 0 }),
      `\`minRate.bytesPerSecond\` must be a number above 0 and at most ${Number.MAX_VALUE}, got 0`,
    ],
    [
      () => minRate([], { graceMs: -1 }),
      "`minRate.graceMs` must be a number of at least 0 and at most 2147483647, got -1",
    ],
  );
});
