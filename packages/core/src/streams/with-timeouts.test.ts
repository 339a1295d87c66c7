import { StreamTimeoutError, withTimeouts, type WithTimeoutsOptions } from "@headgate/core/streams";
import { TestClock } from "@headgate/core/testing";
import { describe, expect, it } from "vitest";
import { watch } from "../../test/support/operations.ts";
import { itRefuses } from "../../test/support/options.ts";
import { manualSource } from "../../test/support/sources.ts";

function setUp(options: WithTimeoutsOptions) {
  const clock = new TestClock();
  const manual = manualSource<number>("stream");
  return { clock, manual, items: withTimeouts(manual.source, { ...options, clock }) };
}

describe("withTimeouts", () => {
  it("fails when the first item takes too long, and stops the source with the error", async () => {
    const { clock, manual, items } = setUp({ firstItemTimeoutMs: 20, idleTimeoutMs: 5 });
    const first = watch(items.next());
    await clock.advance(19.9);
    expect(first.state).toBe("pending");
    await clock.advance(0.1);
    expect(first.error).toBeInstanceOf(StreamTimeoutError);
    expect(first.error).toMatchObject({
      name: "StreamTimeoutError",
      code: "ERR_STREAM_TIMEOUT",
      scope: "first-item",
      timeoutMs: 20,
      message: "The stream's first item took longer than 20 ms",
    });
    expect(manual.released).toEqual([first.error]);
    expect(clock.pending).toBe(0);
  });

  it("fails when a later item takes too long", async () => {
    const { clock, manual, items } = setUp({ firstItemTimeoutMs: 20, idleTimeoutMs: 5 });
    manual.push(1);
    await items.next();
    const second = watch(items.next());
    await clock.advance(5);
    expect(second.error).toMatchObject({
      scope: "idle",
      timeoutMs: 5,
      message: "The stream was idle for longer than 5 ms",
    });
  });

  it("does not count the consumer's own time", async () => {
    const { clock, manual, items } = setUp({ idleTimeoutMs: 5 });
    manual.push(1);
    await items.next();
    expect(clock.pending).toBe(0);
    await clock.advance(1_000);
    const second = watch(items.next());
    await clock.advance(4);
    manual.push(2);
    await clock.settle();
    expect(second.value).toEqual({ done: false, value: 2 });
  });

  it("applies the idle timeout to the first item when no other is given", async () => {
    const { clock, items } = setUp({ idleTimeoutMs: 5 });
    const first = watch(items.next());
    await clock.advance(5);
    expect(first.error).toMatchObject({ scope: "first-item", timeoutMs: 5 });
  });

  it("leaves later items all the time when only the first one's is given", async () => {
    const { clock, manual, items } = setUp({ firstItemTimeoutMs: 5 });
    manual.push(1);
    await items.next();
    const second = watch(items.next());
    await clock.advance(1_000_000);
    expect([second.state, clock.pending]).toEqual(["pending", 0]);
  });

  it("waits for the end of the source no longer than for an item", async () => {
    const { clock, manual, items } = setUp({ idleTimeoutMs: 5 });
    manual.push(1);
    await items.next();
    const end = watch(items.next());
    await clock.advance(4);
    manual.end();
    await clock.settle();
    expect([end.value?.done, clock.pending]).toEqual([true, 0]);
  });

  itRefuses(
    [
      () => withTimeouts([], {}),
      "`withTimeouts.firstItemTimeoutMs` must be given when `idleTimeoutMs` is not, got undefined",
    ],
    [
      () => withTimeouts([], { idleTimeoutMs: 1, firstItemTimeoutMs: 0 }),
      "`withTimeouts.firstItemTimeoutMs` must be a number above 0 and at most 2147483647, got 0",
    ],
    [
      () => withTimeouts([], { idleTimeoutMs: -1, firstItemTimeoutMs: 1 }),
      "`withTimeouts.idleTimeoutMs` must be a number above 0 and at most 2147483647, got -1",
    ],
  );
});
