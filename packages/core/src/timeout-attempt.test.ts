import { concurrencyLimit, constantBackoff, pipeline, retry, timeout } from "@headgate/core";
import { TestClock } from "@headgate/core/testing";
import { describe, expect, it } from "vitest";
import { heldTimers } from "../test/support/leftovers.ts";
import { watch } from "../test/support/operations.ts";

const hang = () => new Promise<never>(() => {});

describe("timeout inside a retry", () => {
  it("begins anew with each attempt, also when the one before it took its time synchronously", async () => {
    const clock = new TestClock();
    const again = retry({ maxAttempts: 3, backoff: constantBackoff({ delayMs: 0 }), clock });
    const attempt = timeout({ timeoutMs: 10, clock });
    const guarded = pipeline({ name: "busy", clock }, timeout({ timeoutMs: 1000, clock }), again, attempt);
    const deadlines: number[] = [];
    const call = watch(
      guarded.execute(({ deadline }) => {
        deadlines.push(deadline - clock.now());
        clock.jump(7);
        throw new Error("down");
      }),
    );
    await clock.settle();
    expect(deadlines).toEqual([10, 10, 10]);
    expect(call.error).toMatchObject({ message: "down" });
    expect(await heldTimers(clock)).toBe(0);
  });

  it("begins when the call goes on from a queue, not when it came", async () => {
    const clock = new TestClock();
    const limit = concurrencyLimit({ maxConcurrent: 1, maxQueue: 1, maxWaitMs: 100, clock });
    const guarded = pipeline(
      { name: "queued", clock },
      timeout({ timeoutMs: 1000, clock }),
      retry({ maxAttempts: 1, clock }),
      limit,
      timeout({ timeoutMs: 10, clock }),
    );
    const permit = await limit.acquire();
    const deadlines: number[] = [];
    const call = watch(guarded.execute(({ deadline }) => (deadlines.push(deadline), hang())));
    await clock.advance(50);
    permit.release();
    await clock.advance(9);
    expect(deadlines).toEqual([60]);
    expect(call.state).toBe("pending");
    await clock.advance(1);
    expect(call.error).toMatchObject({ scope: "attempt", timeoutMs: 10 });
  });

  it("keeps to its own clock where the pipeline has another", async () => {
    const clock = new TestClock();
    const another = new TestClock(5000);
    const guarded = pipeline(
      { name: "clocks", clock },
      timeout({ timeoutMs: 1000, clock }),
      retry({ maxAttempts: 1, clock }),
      timeout({ timeoutMs: 10, clock: another }),
    );
    const call = watch(guarded.execute(hang));
    await another.advance(10);
    expect(call.error).toMatchObject({ scope: "attempt" });
    expect([await heldTimers(clock), await heldTimers(another)]).toEqual([0, 0]);
  });

  it("ends one attempt and no other: calls in flight beside it go on", async () => {
    const clock = new TestClock();
    const attempt = timeout({ timeoutMs: 10, clock });
    const guarded = pipeline({ name: "beside", clock }, retry({ maxAttempts: 1, clock }), attempt);
    const signals: AbortSignal[] = [];
    const start = () => watch(guarded.execute(({ signal }) => (signals.push(signal), hang())));
    const early = start();
    await clock.advance(5);
    const late = start();
    await clock.advance(5);
    expect([early.state, late.state]).toEqual(["rejected", "pending"]);
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, false]);
    await clock.advance(5);
    expect(late.state).toBe("rejected");
  });
});
