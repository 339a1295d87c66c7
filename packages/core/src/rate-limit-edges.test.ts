// Where a rate limit is asked without a call, without an observer, or by a backend that answers in its own way.
import { pipeline, type RateLimitAnswer, type RateLimitOptions, rateLimit } from "@headgate/core";
import { EventRecorder, TestClock } from "@headgate/core/testing";
import { describe, expect, it } from "vitest";
import { heldTimers } from "../test/support/leftovers.ts";
import { watch } from "../test/support/operations.ts";

function setUp(options: Partial<RateLimitOptions> = {}) {
  const clock = new TestClock();
  const events = new EventRecorder();
  const limit = rateLimit({ name: "api", limit: 100, burst: 1, clock, ...options });
  const observed = pipeline({ name: "observed", clock, observer: events.observer }, limit);
  const silent = pipeline({ name: "silent", clock }, limit);
  return { clock, events, limit, observed, silent };
}

describe("rateLimit without a call or an observer", () => {
  it("answers tryAcquire from a backend that answers at once", async () => {
    const answers: RateLimitAnswer[] = [{ allowed: true, remaining: 3, resetMs: 40 }, { allowed: false }];
    const { clock, limit } = setUp({ backend: { take: () => answers.shift() as RateLimitAnswer } });
    expect(await limit.tryAcquire("k")).toEqual({
      allowed: true,
      degraded: false,
      limit: 100,
      remaining: 3,
      retryAfterMs: 0,
      resetMs: 40,
    });
    expect(await limit.tryAcquire("k")).toMatchObject({ allowed: false, degraded: false, retryAfterMs: undefined });
    expect(limit).toMatchObject({ admitted: 1, rejected: 1, backendFailures: 0 });
    expect(await heldTimers(clock)).toBe(0);
  });

  it("takes nothing for an acquisition that it refuses", () => {
    const { limit } = setUp({ burst: 2 });
    expect(limit.tryAcquire("k")).toMatchObject({ allowed: true, remaining: 1 });
    expect(limit.tryAcquire("k", 2)).toMatchObject({ allowed: false, remaining: 1 });
    expect(limit.tryAcquire("k")).toMatchObject({ allowed: true, remaining: 0 });
  });

  it("takes nothing for an acquisition that a waiter stands in front of", async () => {
    const { clock, limit, silent } = setUp({ burst: 3, maxWaitMs: 100 });
    void limit.tryAcquire("", 2);
    const heavy = watch(silent.execute(() => clock.now(), { weight: 3 }));
    expect(limit.tryAcquire()).toMatchObject({ allowed: false, remaining: 1 });
    await clock.advance(50);
    expect(heavy.value).toBe(20);
  });

  it("forgets keys for those who have no observer as well, and says so only to those who have", async () => {
    const { events, limit, silent } = setUp({ maxKeys: 1 });
    await limit.tryAcquire("a");
    await limit.tryAcquire("b");
    await silent.attempt(() => 1, { key: "c" });
    expect(limit).toMatchObject({ keys: 1, forgotten: 2 });
    expect(events.events).toEqual([]);
  });

  it("says at any time of day how long a forgotten key would have been remembered", async () => {
    const { clock, events, observed } = setUp({ maxKeys: 1 });
    await clock.advance(5000);
    for (const key of ["a", "b"]) await observed.execute(() => 1, { key });
    expect(events.of("rate-limit.forgotten")).toMatchObject([{ key: "a", resetMs: 10 }]);
  });

  it("forgets the next key when somebody waits for the oldest", async () => {
    const { clock, limit, silent } = setUp({ maxKeys: 2, maxWaitMs: 100 });
    await limit.tryAcquire("waited for");
    const waits = watch(silent.execute(() => "went on", { key: "waited for" }));
    await limit.tryAcquire("free");
    expect(limit.tryAcquire("new")).toMatchObject({ allowed: true });
    expect(limit).toMatchObject({ keys: 2, forgotten: 1 });
    await clock.advance(10);
    expect(waits.value).toBe("went on");
  });

  it("keeps a waiter that says nothing for a second after its turn, and then takes its place as free", async () => {
    const { clock, limit, silent } = setUp({ maxWaitMs: 100 });
    await clock.advance(5000);
    await limit.tryAcquire();
    watch(silent.execute(() => "never"));
    const behind = watch(silent.execute(() => clock.now()));
    await clock.advance(10);
    expect(limit.queued).toBe(1);
    await clock.advance(10);
    expect([behind.value, limit.queued]).toEqual([5020, 0]);

    watch(silent.execute(() => "killed with its request"));
    clock.dropTimers();
    await clock.advance(1010);
    void limit.tryAcquire();
    expect(limit.queued).toBe(1);
    await clock.advance(1);
    expect(limit.tryAcquire()).toMatchObject({ allowed: true });
    expect(limit.queued).toBe(0);
  });

  it("says why a newcomer finds no room among keys that are waited for", async () => {
    const { clock, events, limit, observed } = setUp({ maxKeys: 1, maxWaitMs: 100 });
    await observed.execute(() => 1, { key: "a" });
    const waits = observed.attempt(() => 1, { key: "a" });
    expect(await observed.attempt(() => 1, { key: "b" })).toMatchObject({
      error: { code: "ERR_RATE_LIMIT", reason: "queue", retryAfterMs: undefined },
    });
    expect(limit.tryAcquire("b")).toMatchObject({ allowed: false, degraded: false });
    expect(events.of("rate-limit.rejected").map(({ reason }) => reason)).toEqual(["queue"]);
    await clock.advance(10);
    await waits;
  });
});

describe("rateLimit with a backend of its own mind", () => {
  it("tells of a degraded decision and of no other", async () => {
    const down = new Error("down");
    const answers: (() => RateLimitAnswer)[] = [
      () => ({ allowed: true }),
      () => ({ allowed: false }),
      () => {
        throw down;
      },
    ];
    const take = () => (answers.shift() as () => RateLimitAnswer)();
    const { events, observed } = setUp({ backend: { take } });
    for (let i = 0; i < 3; i++) await observed.attempt(() => 1);
    expect(events.of("rate-limit.degraded")).toEqual([
      { type: "rate-limit.degraded", pipeline: "observed", name: "api", error: down, admitted: true },
    ]);
  });

  it("decides for a pipeline without an observer as for one that has one", async () => {
    const { limit, silent } = setUp({ backend: { take: () => Promise.reject(new Error("down")) } });
    expect(await silent.execute(() => "through")).toBe("through");
    expect(limit).toMatchObject({ admitted: 1, degraded: 1, backendFailures: 1 });
  });

  it.each([undefined, null, {}, { allowed: "yes" }, true])("calls %j no answer", async (answer) => {
    const { clock, limit, observed } = setUp({
      backend: { take: () => answer as unknown as RateLimitAnswer },
      onBackendFailure: "closed",
    });
    expect(await observed.attempt(() => 1)).toMatchObject({
      error: { reason: "backend", cause: { name: "TypeError", message: "The backend's answer has no `allowed`" } },
    });
    expect(await limit.tryAcquire("k")).toMatchObject({
      allowed: false,
      degraded: true,
      remaining: undefined,
      retryAfterMs: undefined,
      resetMs: undefined,
    });
    expect(await heldTimers(clock)).toBe(0);
  });

  it.each([
    ["rejects", () => Promise.reject(new Error("down"))],
    ["answers nonsense later", () => Promise.resolve({} as RateLimitAnswer)],
    ["answers later", () => Promise.resolve({ allowed: true })],
  ])("leaves no timer behind when it %s", async (_how, take) => {
    const { clock, limit, observed } = setUp({ backend: { take } });
    await observed.execute(() => 1);
    await limit.tryAcquire();
    expect(await heldTimers(clock)).toBe(0);
  });
});
