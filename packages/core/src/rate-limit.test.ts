import {
  gcra,
  pipeline,
  type RateAlgorithm,
  type RateLimitAnswer,
  type RateLimitBackend,
  RateLimitError,
  type RateLimitOptions,
  rateLimit,
  timeout,
  tokenBucket,
} from "@headgate/core";
import { EventRecorder, TestClock } from "@headgate/core/testing";
import { describe, expect, it } from "vitest";
import { heldTimers } from "../test/support/leftovers.ts";
import { manualOperation, rejectionOf, watch } from "../test/support/operations.ts";
import { itRefuses } from "../test/support/options.ts";

/** One call per 10 ms, two at once, unless told otherwise. */
function setUp(options: Partial<RateLimitOptions> = {}) {
  const clock = new TestClock();
  const events = new EventRecorder();
  const limit = rateLimit({ name: "api", limit: 100, burst: 2, clock, ...options });
  const guarded = pipeline({ name: "calls", clock, observer: events.observer }, limit);
  const started: string[] = [];
  /** A call that notes its name and the time when it runs. */
  const start = (name: string, more: { key?: string; weight?: number; signal?: AbortSignal; deadline?: number } = {}) =>
    watch(guarded.execute(() => started.push(`${name}@${clock.now()}`), more));
  return { clock, events, limit, guarded, started, start };
}

const quota = { limit: 100, windowMs: 1000, burst: 2 };

describe.each([
  ["gcra", gcra as RateAlgorithm<unknown>],
  ["tokenBucket", tokenBucket as RateAlgorithm<unknown>],
])("%s", (_name, { take, waitMs }) => {
  it("takes the burst at once, then one whenever its time has come", () => {
    const first = take(undefined, 0, 1, quota);
    expect(first).toMatchObject({ allowed: true, remaining: 1, retryAfterMs: 0, resetMs: 10 });
    const second = take(first.state, 0, 1, quota);
    expect(second).toMatchObject({ allowed: true, remaining: 0, retryAfterMs: 0, resetMs: 20 });
    expect(take(second.state, 4, 1, quota)).toMatchObject({
      allowed: false,
      remaining: 0,
      retryAfterMs: 6,
      resetMs: 16,
    });
    expect(take(second.state, 10, 1, quota)).toMatchObject({ allowed: true, resetMs: 20 });
  });

  it("leaves what it was given as it was", () => {
    const { state } = take(undefined, 0, 2, quota);
    const before = JSON.stringify(state);
    take(state, 10, 1, quota);
    take(state, 5, 1, quota);
    expect(JSON.stringify(state)).toBe(before);
  });

  it("keeps a state that survives JSON", () => {
    const { state } = take(undefined, 3, 2, quota);
    expect(take(JSON.parse(JSON.stringify(state)), 5, 1, quota)).toMatchObject({ allowed: false, retryAfterMs: 8 });
  });

  it("takes weights, fractions too", () => {
    const { state } = take(undefined, 0, 1.5, quota);
    expect(take(state, 0, 1, quota)).toMatchObject({ allowed: false, retryAfterMs: 5 });
    expect(take(state, 0, 0.5, quota)).toMatchObject({ allowed: true });
  });

  it("tells for a cost above the burst when it would be through in parts", () => {
    expect(waitMs(undefined, 0, 5, quota)).toBe(30);
    expect(take(undefined, 0, 5, quota)).toMatchObject({ allowed: false, remaining: 2, resetMs: 0 });
  });

  it("loses no more than its burst to a clock that is set back", () => {
    const late = take(undefined, 1_000_000, 2, quota);
    const back = take(late.state, 0, 1, quota);
    expect(back.retryAfterMs).toBeLessThanOrEqual(20);
    expect(take(back.state, back.retryAfterMs, 1, quota).allowed).toBe(true);
  });

  it("holds for a smaller quota what a larger one has let through, up to the smaller burst", () => {
    const { state } = take(undefined, 0, 50, { ...quota, burst: 50 });
    expect(waitMs(state, 0, 1, quota)).toBeLessThanOrEqual(20);
    expect(waitMs(state, 0, 1, quota)).toBeGreaterThan(0);
  });
});

describe("rateLimit", () => {
  it.each(["gcra", "token-bucket"] as const)("lets a burst through, then refuses (%s)", async (algorithm) => {
    const { clock, events, limit, guarded } = setUp({ algorithm });
    await guarded.execute(() => 1);
    await guarded.execute(() => 1);
    await clock.advance(4);
    const error = await rejectionOf(guarded.execute(() => expect.unreachable()));
    expect(error).toBeInstanceOf(RateLimitError);
    expect(error).toMatchObject({
      code: "ERR_RATE_LIMIT",
      policy: "rate-limit",
      pipeline: "calls",
      rateLimit: "api",
      reason: "limit",
      retryAfterMs: 6,
      refusal: true,
      message: 'The rate limit "api" is used up; the next such call goes through in 6 ms',
    });
    expect(events.of("rate-limit.rejected")).toEqual([
      { type: "rate-limit.rejected", pipeline: "calls", name: "api", reason: "limit", retryAfterMs: 6 },
    ]);
    await clock.advance(6);
    expect(await guarded.execute(() => "again")).toBe("again");
    expect(limit).toMatchObject({ admitted: 3, rejected: 1, queued: 0, limit: 100, windowMs: 1000, burst: 2 });
    expect(limit.describe?.()).toBe("100 per 1000 ms, burst 2");
    expect(clock.pending).toBe(0);
  });

  it("has a burst of its whole limit by default, within a second", async () => {
    const limit = rateLimit({ limit: 3 });
    const guarded = pipeline("calls", limit);
    for (let i = 0; i < 3; i++) await guarded.execute(() => i);
    expect(await rejectionOf(guarded.execute(() => 1))).toMatchObject({ reason: "limit", rateLimit: "default" });
    expect(limit).toMatchObject({ windowMs: 1000, burst: 3 });
  });

  it("counts as ignored: a breaker outside learns nothing from it", async () => {
    const { guarded } = setUp({ burst: 1 });
    await guarded.execute(() => 1);
    expect(await guarded.attempt(() => 1)).toMatchObject({ ok: false, outcome: "ignored" });
  });

  it("limits each key by itself: that of the call, or what `key` makes of the call", async () => {
    const { start, started } = setUp({ burst: 1 });
    start("a", { key: "a" });
    start("a again", { key: "a" });
    start("b", { key: "b" });
    start("none");
    const hosts = setUp({ burst: 1, key: (call) => (call.options.key ?? "").slice(0, 1) });
    hosts.start("first", { key: "x1" });
    hosts.start("second", { key: "x2" });
    expect(started).toEqual(["a@0", "b@0", "none@0"]);
    expect(hosts.started).toEqual(["first@0"]);
    expect(hosts.limit.keys).toBe(1);
  });

  it("takes the weight of a call", async () => {
    const { clock, start, started, guarded } = setUp({ burst: 5 });
    start("heavy", { weight: 4 });
    expect(await rejectionOf(guarded.execute(() => 1, { weight: 3 }))).toMatchObject({ retryAfterMs: 20, weight: 3 });
    start("light", { weight: 1 });
    await clock.advance(20);
    start("later", { weight: 2 });
    await clock.settle();
    expect(started).toEqual(["heavy@0", "light@0", "later@20"]);
  });

  it.each([6, 0, -1, Number.NaN])(
    "refuses a weight of %s, which can never go through, whatever it may wait",
    async (weight) => {
      const { guarded, limit } = setUp({ burst: 5, maxWaitMs: 1000 });
      expect(await rejectionOf(guarded.execute(() => expect.unreachable(), { weight }))).toMatchObject({
        reason: "weight",
        retryAfterMs: undefined,
        message: `The rate limit "api" never lets a weight of ${weight} through; it must be above 0 and at most the burst`,
      });
      expect(limit.queued).toBe(0);
    },
  );

  describe("with time to wait", () => {
    it("lets calls through in the order in which they came, each when its time has come", async () => {
      const { clock, limit, start, started } = setUp({ maxWaitMs: 100 });
      for (const name of ["a", "b", "c", "d", "e"]) start(name);
      expect(started).toEqual(["a@0", "b@0"]);
      expect(limit.queued).toBe(3);
      await clock.advance(100);
      expect(started).toEqual(["a@0", "b@0", "c@10", "d@20", "e@30"]);
      expect(limit).toMatchObject({ queued: 0, admitted: 5 });
      expect(await heldTimers(clock)).toBe(0);
    });

    it("does not let a light call overtake a heavy one", async () => {
      const { clock, start, started } = setUp({ burst: 3, maxWaitMs: 100 });
      start("all", { weight: 3 });
      start("heavy", { weight: 3 });
      await clock.advance(15);
      start("light", { weight: 1 });
      await clock.advance(50);
      expect(started).toEqual(["all@0", "heavy@30", "light@40"]);
    });

    it("refuses at once what would have to wait longer, and says exactly when it need not", async () => {
      const { clock, guarded, start, started } = setUp({ burst: 1, maxWaitMs: 25 });
      for (const name of ["a", "b", "c"]) start(name);
      const error = (await rejectionOf(guarded.execute(() => 1))) as RateLimitError;
      expect(error).toMatchObject({ reason: "limit", retryAfterMs: 30 });
      await clock.advance(30);
      start("d");
      expect(started).toEqual(["a@0", "b@10", "c@20", "d@30"]);
    });

    it("refuses at once what would have to wait beyond its deadline", async () => {
      const { clock, limit, guarded, start } = setUp({ burst: 1, maxWaitMs: 100 });
      start("a");
      expect(await rejectionOf(guarded.execute(() => 1, { deadline: 10 }))).toMatchObject({ reason: "limit" });
      const timed = pipeline({ name: "timed", clock }, timeout({ timeoutMs: 5, clock }), limit);
      expect(await rejectionOf(timed.execute(() => 1))).toMatchObject({ reason: "limit", retryAfterMs: 10 });
      expect(limit.queued).toBe(0);
    });

    it("refuses at once when the queue of the key is full, and leaves other keys theirs", async () => {
      const { clock, guarded, start, limit } = setUp({ burst: 1, maxWaitMs: 100, maxQueue: 1 });
      start("a");
      start("b");
      expect(await rejectionOf(guarded.execute(() => 1))).toMatchObject({
        reason: "queue",
        retryAfterMs: 20,
        message: 'The rate limit "api" has no place to wait; the next such call goes through in 20 ms',
      });
      start("other", { key: "k" });
      start("waits", { key: "k" });
      expect(limit.queued).toBe(2);
      await clock.advance(10);
    });

    it("ends a wait as soon as the signal aborts, and moves those behind up", async () => {
      const { clock, limit, start, started } = setUp({ burst: 1, maxWaitMs: 100 });
      const controller = new AbortController();
      start("a");
      const leaver = start("b", { signal: controller.signal });
      start("c");
      start("d");
      await clock.advance(5);
      const reason = new Error("left");
      controller.abort(reason);
      await clock.settle();
      expect(leaver.error).toBe(reason);
      expect(limit.queued).toBe(2);
      await clock.advance(50);
      expect(started).toEqual(["a@0", "c@10", "d@20"]);
      expect(await heldTimers(clock)).toBe(0);
    });

    it("moves up those behind one who leaves from the middle, and a newcomer behind them", async () => {
      const { clock, start, started } = setUp({ burst: 1, maxWaitMs: 100 });
      const controller = new AbortController();
      start("a");
      start("b");
      start("c", { signal: controller.signal });
      start("d");
      controller.abort();
      start("e");
      await clock.advance(60);
      expect(started).toEqual(["a@0", "b@10", "d@20", "e@30"]);
    });

    it("lets those through at once who waited behind a heavy one that has left", async () => {
      const { clock, start, started } = setUp({ burst: 3, maxWaitMs: 100 });
      const controller = new AbortController();
      start("a", { weight: 2 });
      start("heavy", { weight: 3, signal: controller.signal });
      start("light");
      await clock.advance(1);
      controller.abort();
      await clock.settle();
      expect(started).toEqual(["a@0", "light@1"]);
      expect(await heldTimers(clock)).toBe(0);
    });

    it("lets a wait end with the timeout around it", async () => {
      const { clock, limit, events } = setUp({ burst: 1, maxWaitMs: 100 });
      const slow = rateLimit({ limit: 10, burst: 1, maxWaitMs: 1000, clock });
      const timed = pipeline(
        { name: "timed", clock, observer: events.observer },
        slow,
        timeout({ timeoutMs: 5, clock }),
      );
      await timed.execute(() => 1);
      const controller = new AbortController();
      const waiting = watch(timed.execute(() => 1, { signal: controller.signal }));
      controller.abort("left");
      await clock.settle();
      expect(waiting.error).toBe("left");
      expect([slow.queued, limit.queued, await heldTimers(clock)]).toEqual([0, 0, 0]);
    });

    it("takes no more for a late timer than the quota allows", async () => {
      const { clock, start, started } = setUp({ burst: 1, maxWaitMs: 100 });
      for (const name of ["a", "b", "c", "d"]) start(name);
      clock.jump(25);
      await clock.advance(100);
      expect(started).toEqual(["a@0", "b@25", "c@35", "d@45"]);
    });

    it("keeps the order of those whose turns fall in one moment because a turn has slipped", async () => {
      const { clock, start, started } = setUp({ burst: 1, maxWaitMs: 100 });
      for (const name of ["a", "b", "c", "d", "e"]) start(name);
      clock.jump(20);
      await clock.advance(50);
      expect(started).toEqual(["a@0", "b@20", "c@30", "d@40", "e@50"]);
    });

    it("lets no light call overtake a heavy one whose turn has slipped", async () => {
      const { clock, start, started } = setUp({ burst: 3, maxWaitMs: 100 });
      start("all", { weight: 3 });
      start("b");
      start("heavy", { weight: 3 });
      start("light");
      clock.jump(55);
      await clock.advance(50);
      expect(started).toEqual(["all@0", "b@55", "heavy@65", "light@75"]);
    });

    it("takes nothing for one who leaves just after it has moved up", async () => {
      const { clock, limit, start, started } = setUp({ burst: 1, maxWaitMs: 100 });
      const [first, second] = [new AbortController(), new AbortController()];
      start("a");
      start("b", { signal: first.signal });
      start("c", { signal: second.signal });
      await clock.advance(5);
      first.abort();
      second.abort();
      await clock.advance(5);
      start("d");
      expect(started).toEqual(["a@0", "d@10"]);
      expect([limit.queued, await heldTimers(clock)]).toEqual([0, 0]);
    });

    it("refuses a waiter whose turn has slipped beyond its time, and says when", async () => {
      const { clock, events, start, started } = setUp({ burst: 1, maxWaitMs: 20 });
      start("a");
      start("b");
      const late = start("c");
      clock.jump(19);
      await clock.advance(50);
      expect(started).toEqual(["a@0", "b@19"]);
      expect(late.error).toMatchObject({ reason: "wait", retryAfterMs: 9 });
      expect(events.of("rate-limit.rejected")).toMatchObject([{ reason: "wait" }]);
      expect(await heldTimers(clock)).toBe(0);
    });

    it("holds nobody up behind a request that was killed while it waited", async () => {
      const { clock, limit, start, started } = setUp({ burst: 1, maxWaitMs: 100 });
      start("a");
      start("killed");
      start("killed too");
      clock.dropTimers();
      start("behind");
      await clock.advance(30);
      expect(started).toEqual(["a@0", "behind@30"]);
      await clock.advance(1100);
      start("much later");
      await clock.settle();
      expect(started.at(-1)).toBe("much later@1130");
      expect(limit.queued).toBe(0);
    });

    it("does not let an acquisition without a pipeline overtake", async () => {
      const { clock, limit, start, started } = setUp({ burst: 1, maxWaitMs: 100 });
      start("a");
      start("b");
      await clock.advance(10);
      start("c");
      expect(limit.tryAcquire()).toMatchObject({ allowed: false, retryAfterMs: 20 });
      await clock.advance(10);
      expect(started).toEqual(["a@0", "b@10", "c@20"]);
    });
  });

  describe("tryAcquire", () => {
    it("takes without a pipeline, and tells what header fields need", () => {
      const { clock, limit } = setUp({ burst: 3 });
      expect(limit.tryAcquire("k", 2)).toEqual({
        allowed: true,
        degraded: false,
        limit: 100,
        remaining: 1,
        retryAfterMs: 0,
        resetMs: 20,
      });
      clock.jump(5);
      expect(limit.tryAcquire("k", 3)).toEqual({
        allowed: false,
        degraded: false,
        limit: 100,
        remaining: 1,
        retryAfterMs: 15,
        resetMs: 15,
      });
      clock.jump(15);
      expect(limit.tryAcquire("k", 3)).toMatchObject({ allowed: true, remaining: 0, resetMs: 30 });
      expect(limit).toMatchObject({ admitted: 2, rejected: 1 });
    });

    it("shares its state with the calls of pipelines", async () => {
      const { limit, guarded } = setUp({ burst: 1 });
      await guarded.execute(() => 1);
      expect(limit.tryAcquire()).toMatchObject({ allowed: false, retryAfterMs: 10 });
    });

    itRefuses(
      [
        () => setUp({ burst: 5 }).limit.tryAcquire("", 6),
        "`rateLimit.tryAcquire cost` must be a number above 0 and at most 5, got 6",
      ],
      [
        () => setUp({ burst: 5 }).limit.tryAcquire("", 0),
        "`rateLimit.tryAcquire cost` must be a number above 0 and at most 5, got 0",
      ],
    );
  });

  describe("with many keys", () => {
    it("forgets the least recently used, and says so when it had not its whole burst again", async () => {
      const { clock, events, limit, guarded } = setUp({ burst: 1, maxKeys: 2 });
      for (const key of ["a", "b", "a", "c"]) await guarded.attempt(() => 1, { key });
      expect(limit).toMatchObject({ keys: 2, forgotten: 1 });
      expect(events.of("rate-limit.forgotten")).toEqual([
        { type: "rate-limit.forgotten", pipeline: "calls", name: "api", key: "b", resetMs: 10 },
      ]);
      expect(await guarded.attempt(() => 1, { key: "a" })).toMatchObject({ ok: false });
      await clock.advance(10);
      await guarded.execute(() => 1, { key: "d" });
      expect(limit).toMatchObject({ keys: 2, forgotten: 1 });
    });

    it("never forgets a key for which somebody waits; without room a newcomer is refused", async () => {
      const { clock, start, started, limit } = setUp({ burst: 1, maxWaitMs: 100, maxKeys: 1 });
      start("a", { key: "a" });
      start("waits", { key: "a" });
      expect(start("b", { key: "b" })).toMatchObject({});
      expect(limit.tryAcquire("b")).toMatchObject({ allowed: false, retryAfterMs: undefined, resetMs: undefined });
      await clock.advance(10);
      expect(started).toEqual(["a@0", "waits@10"]);
      start("b again", { key: "b" });
      expect(started.at(-1)).toBe("b again@10");
      expect(limit).toMatchObject({ keys: 1, rejected: 2, forgotten: 1 });
    });
  });

  it("is busy while it is not what a new one would be", async () => {
    const { clock, limit, start } = setUp({ burst: 1, maxWaitMs: 100 });
    expect(limit.busy).toBe(false);
    start("a");
    start("b");
    expect(limit.busy).toBe(true);
    await clock.advance(19);
    expect(limit.busy).toBe(true);
    await clock.advance(1);
    expect(limit.busy).toBe(false);
  });

  it("is busy until the last of its keys has its whole burst again", async () => {
    const { clock, limit, start } = setUp({ burst: 5 });
    start("most", { key: "a", weight: 5 });
    start("least", { key: "b", weight: 1 });
    await clock.advance(49);
    expect(limit.busy).toBe(true);
    await clock.advance(1);
    expect(limit.busy).toBe(false);
  });

  describe("with a backend", () => {
    /** A backend that answers when told, and a limit in front of it. */
    function setUpBackend(options: Partial<RateLimitOptions> = {}) {
      const asked: string[] = [];
      const pending = manualOperation<RateLimitAnswer>();
      const backend: RateLimitBackend = {
        take: (key, cost, { limit, windowMs, burst }) => {
          asked.push(`${cost} of ${key}: ${limit}/${windowMs}/${burst}`);
          return pending.operation({} as never);
        },
      };
      return { asked, answer: (i: number) => pending.run(i), ...setUp({ backend, ...options }) };
    }

    it("asks it for each call, and runs the operation when it says so", async () => {
      const { asked, answer, clock, limit, start, started } = setUpBackend();
      start("a", { key: "k", weight: 2 });
      expect([asked, started]).toEqual([["2 of k: 100/1000/2"], []]);
      answer(0).resolve({ allowed: true });
      await clock.settle();
      expect(started).toEqual(["a@0"]);
      expect(limit).toMatchObject({ admitted: 1, rejected: 0, backendFailures: 0 });
      expect(clock.pending).toBe(0);
    });

    it("refuses with what it says about the time", async () => {
      const { answer, clock, limit, start } = setUpBackend();
      const [first, second] = [start("a"), start("b")];
      answer(0).resolve({ allowed: false, retryAfterMs: 70 });
      answer(1).resolve({ allowed: false });
      await clock.settle();
      expect(first.error).toMatchObject({ reason: "limit", retryAfterMs: 70, pipeline: "calls" });
      expect(second.error).toMatchObject({
        reason: "limit",
        retryAfterMs: undefined,
        message: 'The rate limit "api" is used up',
      });
      expect(limit).toMatchObject({ admitted: 0, rejected: 2 });
    });

    it("takes an answer that is there at once without waiting", async () => {
      const answers = [{ allowed: true }, { allowed: false, retryAfterMs: 5 }];
      const { start, started, guarded } = setUp({ backend: { take: () => answers.shift() as RateLimitAnswer } });
      start("a");
      expect(started).toEqual(["a@0"]);
      expect(await rejectionOf(guarded.execute(() => 1))).toMatchObject({ reason: "limit", retryAfterMs: 5 });
    });

    const down = new Error("down");
    const failures: [string, () => RateLimitAnswer | Promise<RateLimitAnswer>, unknown][] = [
      [
        "throws",
        () => {
          throw down;
        },
        down,
      ],
      ["rejects", () => Promise.reject(down), down],
      [
        "does not answer in time",
        () => new Promise(() => {}),
        expect.objectContaining({ message: "The backend did not answer within 50 ms" }),
      ],
      ["answers nonsense", () => ({}) as RateLimitAnswer, expect.any(TypeError)],
    ];

    it.each(failures)("lets calls through when it %s, and tells", async (_how, take, error) => {
      const { clock, events, limit, start } = setUp({ backend: { take } });
      const call = start("a");
      await clock.advance(50);
      expect(call.state).toBe("fulfilled");
      expect(events.of("rate-limit.degraded")).toEqual([
        { type: "rate-limit.degraded", pipeline: "calls", name: "api", error, admitted: true },
      ]);
      expect(limit).toMatchObject({ admitted: 1, rejected: 0, backendFailures: 1, degraded: 1 });
      expect(clock.pending).toBe(0);
    });

    it.each(failures)("refuses calls when it %s and failures close it", async (_how, take, cause) => {
      const { clock, events, limit, start } = setUp({ backend: { take }, onBackendFailure: "closed" });
      const call = start("a");
      await clock.advance(50);
      expect(call.error).toMatchObject({
        reason: "backend",
        retryAfterMs: undefined,
        message: 'The backend of the rate limit "api" failed',
      });
      expect((call.error as RateLimitError).cause).toEqual(cause);
      expect(events.of("rate-limit.degraded")).toMatchObject([{ admitted: false }]);
      expect(limit).toMatchObject({ admitted: 0, rejected: 1, backendFailures: 1, degraded: 0 });
    });

    it("forgets the question when the caller leaves, and swallows a late answer", async () => {
      const { answer, clock, limit, start, started } = setUpBackend();
      const controller = new AbortController();
      const calls = [start("a", { signal: controller.signal }), start("b")];
      controller.abort("left");
      await clock.advance(50);
      expect(calls.map(({ state }) => state)).toEqual(["rejected", "fulfilled"]);
      answer(0).resolve({ allowed: true });
      answer(1).reject(new Error("late"));
      await clock.settle();
      expect(started).toEqual(["b@50"]);
      expect(limit).toMatchObject({ admitted: 1, rejected: 0 });
      expect(clock.pending).toBe(0);
    });

    it("is asked by tryAcquire too, which never rejects", async () => {
      const { answer, clock, limit } = setUpBackend();
      const first = limit.tryAcquire("k");
      answer(0).resolve({ allowed: true, remaining: 7, resetMs: 30 });
      expect(await first).toEqual({
        allowed: true,
        degraded: false,
        limit: 100,
        remaining: 7,
        retryAfterMs: 0,
        resetMs: 30,
      });
      const second = limit.tryAcquire("k");
      answer(1).reject(new Error("down"));
      expect(await second).toMatchObject({ allowed: true, degraded: true, remaining: undefined });
      expect(limit).toMatchObject({ admitted: 2, backendFailures: 1 });
      expect(clock.pending).toBe(0);
    });

    it("may keep the state of the same algorithm", async () => {
      const clock = new TestClock();
      const states = new Map<string, number>();
      const backend: RateLimitBackend = {
        take: async (key, cost, own) => {
          const { state, ...answer } = gcra.take(states.get(key), clock.now(), cost, own);
          states.set(key, state);
          return answer;
        },
      };
      const guarded = pipeline({ name: "calls", clock }, rateLimit({ limit: 100, burst: 1, backend, clock }));
      expect(await guarded.execute(() => 1)).toBe(1);
      expect(await rejectionOf(guarded.execute(() => 1))).toMatchObject({ retryAfterMs: 10 });
    });
  });

  itRefuses(
    [() => rateLimit({ limit: 0 }), "`rateLimit.limit` must be a number above 0 and at most 9007199254740991, got 0"],
    [
      () => rateLimit({} as RateLimitOptions),
      "`rateLimit.limit` must be a number above 0 and at most 9007199254740991, got undefined",
    ],
    [
      () => rateLimit({ limit: 1, windowMs: 0 }),
      "`rateLimit.windowMs` must be a number above 0 and at most 2147483647, got 0",
    ],
    [
      () => rateLimit({ limit: 1, burst: -1 }),
      "`rateLimit.burst` must be a number above 0 and at most 9007199254740991, got -1",
    ],
    [
      () => rateLimit({ limit: 1, maxWaitMs: Number.POSITIVE_INFINITY }),
      "`rateLimit.maxWaitMs` must be a number of at least 0 and at most 2147483647, got Infinity",
    ],
    [() => rateLimit({ limit: 1, maxQueue: 0.5 }), "`rateLimit.maxQueue` must be an integer of at least 0, got 0.5"],
    [() => rateLimit({ limit: 1, maxKeys: 0 }), "`rateLimit.maxKeys` must be an integer of at least 1, got 0"],
    [() => rateLimit({ limit: 1, key: "host" as never }), '`rateLimit.key` must be a function, got "host"'],
    [
      () => rateLimit({ limit: 1, algorithm: "window" as never }),
      '`rateLimit.algorithm` must be "gcra" or "token-bucket", got "window"',
    ],
    [
      () => rateLimit({ limit: 1, backend: {} as never }),
      "`rateLimit.backend` must be an object with a function `take`, got an object",
    ],
    [
      () => rateLimit({ limit: 1, maxWaitMs: 5, backend: { take: () => ({ allowed: true }) } }),
      "`rateLimit.maxWaitMs` must be 0 with a backend, which keeps no queue, got 5",
    ],
    [
      () => rateLimit({ limit: 1, backendTimeoutMs: 0 }),
      "`rateLimit.backendTimeoutMs` must be a number above 0 and at most 2147483647, got 0",
    ],
    [
      () => rateLimit({ limit: 1, onBackendFailure: "local" as never }),
      '`rateLimit.onBackendFailure` must be "open" or "closed", got "local"',
    ],
    [() => rateLimit({ limit: 1, name: "" }), '`rateLimit.name` must be a string that is not empty, got ""'],
  );
});
