// What an operation is given may be taken apart.
import { cache, concurrencyLimit, constantBackoff, pipeline, retry, timeout } from "@headgate/core";
import { TestClock } from "@headgate/core/testing";
import { describe, expect, it } from "vitest";
import { rejectionOf } from "./support/operations.ts";

describe("OperationContext", () => {
  it("can be destructured, `hold` included", async () => {
    const limit = concurrencyLimit({ maxConcurrent: 1 });
    let release = (): void => {};
    const seen = await pipeline("apart", limit).execute(({ signal, attempt, remainingMs, deadline, hold }) => {
      release = hold();
      return [signal.aborted, attempt, remainingMs, deadline];
    });
    expect(seen).toEqual([false, 1, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY]);
    expect(limit.inUse).toBe(1);
    release();
    release();
    expect(limit.inUse).toBe(0);
  });
});

describe("a timeout in a part of a pipeline that runs by itself", () => {
  it("is still that of an attempt when a retry stands further out", async () => {
    const clock = new TestClock();
    const guarded = pipeline(
      { name: "part", clock },
      retry({ maxAttempts: 1, backoff: constantBackoff({ delayMs: 0 }), clock }),
      cache({ freshMs: 1, staleWhileRevalidateMs: 1000, clock }),
      timeout({ timeoutMs: 10, clock }),
    );
    const scopes: unknown[] = [];
    const observed = pipeline(
      { name: "observed", clock, observer: (event) => event.type === "timeout.fired" && scopes.push(event.scope) },
      guarded,
    );
    await observed.execute(() => 1, { key: "a" });
    await clock.advance(5);
    // Stale: answered at once, while the part behind the cache runs by itself and runs out of time.
    expect(await observed.execute(() => new Promise<number>(() => {}), { key: "a" })).toBe(1);
    await clock.advance(10);
    expect(scopes).toEqual(["attempt"]);
    const error = rejectionOf(observed.execute(() => new Promise<number>(() => {}), { key: "b" }));
    await clock.advance(10);
    expect(await error).toMatchObject({ scope: "attempt" });
  });
});
