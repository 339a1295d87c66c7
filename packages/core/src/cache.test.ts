import {
  type CacheOptions,
  type CacheStore,
  cache,
  circuitBreaker,
  concurrencyLimit,
  consecutiveFailures,
  memoryCacheStore,
  pipeline,
  type Policy,
  timeout,
} from "@headgate/core";
import { EventRecorder, TestClock } from "@headgate/core/testing";
import { describe, expect, it } from "vitest";
import { heldTimers } from "../test/support/leftovers.ts";
import { manualOperation, rejectionOf, watch } from "../test/support/operations.ts";
import { itRefuses } from "../test/support/options.ts";

const failure = new Error("down");

/** Notes what reaches the policies inside the cache, and how it came up. */
function probe(): Policy & { readonly seen: string[] } {
  const seen: string[] = [];
  return { kind: "probe", seen, enter: () => "pass", leave: (call) => (seen.push(call.outcome), "pass") };
}

/** A cache that is fresh for 100 ms around an operation that returns "value 1", "value 2", … or fails when told so. */
function setUp(options: Partial<CacheOptions> = {}) {
  const clock = new TestClock();
  const events = new EventRecorder();
  const policy = cache({ freshMs: 100, clock, ...options });
  const inner = probe();
  const guarded = pipeline({ name: "cached", clock, observer: events.observer }, policy, inner);
  const state = { runs: 0, failing: false };
  const operation = async () => {
    state.runs++;
    if (state.failing) throw failure;
    return `value ${state.runs}`;
  };
  const get = (key = "a") => guarded.execute<unknown>(operation, { key });
  return { clock, events, policy, inner, guarded, operation, state, get };
}

/** A store whose answers the test gives, by hand. */
function manualStore() {
  const gets: { resolve(entry: unknown): void; reject(error: unknown): void }[] = [];
  const sets: unknown[][] = [];
  const store: CacheStore = {
    get: () => new Promise<never>((resolve, reject) => gets.push({ resolve, reject })),
    set: (...args: unknown[]) => void sets.push(args),
    delete: () => {},
  };
  return { store, gets, sets };
}

describe("cache", () => {
  it("answers with the earlier value while that is fresh, and asks again when it is not", async () => {
    const { clock, policy, events, get } = setUp();
    expect(await get()).toBe("value 1");
    clock.jump(99);
    expect(await get()).toBe("value 1");
    clock.jump(1);
    expect(await get()).toBe("value 2");
    expect([policy.hits, policy.misses, policy.staleHits]).toEqual([1, 2, 0]);
    const about = { pipeline: "cached", name: "default", key: "a" };
    expect(events.events.filter(({ type }) => type !== "pipeline.settled")).toEqual([
      { type: "cache.missed", ...about },
      { type: "cache.hit", ...about, ageMs: 99 },
      { type: "cache.missed", ...about },
    ]);
  });

  it("answers without an observer too, and counts as a success", async () => {
    const { policy, clock, operation } = setUp({ staleWhileRevalidateMs: 50 });
    const guarded = pipeline({ name: "unwatched", clock }, policy);
    const get = () => guarded.attempt<unknown>(operation, { key: "a" });
    const answered = { ok: true, value: "value 1", outcome: "success" };
    expect([await get(), await get()]).toEqual([answered, answered]);
    clock.jump(120);
    expect(await get()).toMatchObject({ value: "value 1" });
    await clock.settle();
    expect(await get()).toMatchObject({ value: "value 2" });
    const response = new Response("once");
    expect(await guarded.execute(async () => response, { key: "b" })).toBe(response);
  });

  it.each([
    [99, "kept"],
    [100, "kept"],
    [129, "kept"],
    [130, "value 1"],
    [159, "value 1"],
    [160, "value 1"],
  ])("after %d ms, fresh for 100 and stale for 30 more, answers %s", async (ageMs, value) => {
    const store: CacheStore = { get: () => ({ value: "kept", ageMs }), set: () => {}, delete: () => {} };
    const { get, policy } = setUp({ store, staleWhileRevalidateMs: 30, staleIfErrorMs: 60 });
    expect(await get()).toBe(value);
    expect([policy.hits, policy.staleHits]).toEqual([ageMs < 100 ? 1 : 0, ageMs >= 100 && ageMs < 130 ? 1 : 0]);
  });

  it.each([
    [159, true],
    [160, false],
    [10_000, false],
  ])("after %d ms answers a failure, with 60 ms for that from the end of freshness: %s", async (ageMs, answers) => {
    const store: CacheStore = { get: () => ({ value: "kept", ageMs }), set: () => {}, delete: () => {} };
    const { get, state } = setUp({ store, staleIfErrorMs: 60 });
    state.failing = true;
    if (answers) expect(await get()).toBe("kept");
    else expect(await rejectionOf(get())).toBe(failure);
  });

  it("does not let an answered call reach the policies inside: their counts are not diluted, an open circuit does not matter", async () => {
    const { clock, policy, get } = setUp();
    await get();
    const trip = consecutiveFailures({ maxFailures: 1 });
    const breaker = circuitBreaker({ trip, clock });
    const limit = concurrencyLimit({ maxConcurrent: 1, clock });
    const inner = probe();
    const guarded = pipeline({ name: "inside", clock }, policy, inner, breaker, limit);
    await rejectionOf(guarded.execute(() => Promise.reject(failure), { key: "b" }));
    expect(breaker.state).toBe("open");
    for (let i = 0; i < 20; i++)
      expect(await guarded.execute(() => expect.unreachable(), { key: "a" })).toBe("value 1");
    expect(inner.seen).toEqual(["failure"]);
  });

  it("keeps what has another key apart, and does not keep what has none", async () => {
    const { state, get, guarded, operation } = setUp();
    expect([await get("a"), await get("b"), await get("a")]).toEqual(["value 1", "value 2", "value 1"]);
    expect([await guarded.execute(operation), await guarded.execute(operation)]).toEqual(["value 3", "value 4"]);
    expect(state.runs).toBe(4);
    const { get: byKey, state: counted } = setUp({ key: ({ options }) => options.key?.toLowerCase() });
    await byKey("A");
    await byKey("a");
    expect(counted.runs).toBe(1);
  });

  it("does not keep failures: what was thrown, and values that `isFailure` or `isOverload` recognises", async () => {
    const { guarded, state, get } = setUp();
    state.failing = true;
    expect(await rejectionOf(get())).toBe(failure);
    state.failing = false;
    const bad = { key: "a", isFailure: () => true };
    expect(await guarded.execute(() => 500, bad)).toBe(500);
    expect(await guarded.execute(() => 429, { key: "a", isOverload: () => true })).toBe(429);
    expect(await get()).toBe("value 2");
  });

  it.each([undefined, null])(
    "does not keep %s unless `shouldCache` says so, and then gives it as it is",
    async (nothing) => {
      for (const [shouldCache, runs] of [
        [undefined, 2],
        [() => true, 1],
      ] as const) {
        const { guarded } = setUp(shouldCache && { shouldCache });
        let ran = 0;
        const operation = () => (ran++, nothing);
        expect([
          await guarded.execute(operation, { key: "a" }),
          await guarded.execute(operation, { key: "a" }),
        ]).toEqual([nothing, nothing]);
        expect(ran).toBe(runs);
      }
    },
  );

  it("keeps only what `shouldCache` wants, and rejects with what it throws", async () => {
    const { state, get } = setUp({ shouldCache: (value) => value !== "value 1" });
    expect([await get(), await get(), await get()]).toEqual(["value 1", "value 2", "value 2"]);
    expect(state.runs).toBe(2);
    const broken = setUp({
      shouldCache: () => {
        throw failure;
      },
    });
    expect(await rejectionOf(broken.get())).toBe(failure);
  });

  describe("staleWhileRevalidateMs", () => {
    const options = { staleWhileRevalidateMs: 50 };

    it("answers at once with the stale value, and fetches a new one once in the background", async () => {
      const { clock, policy, events, inner, state, get } = setUp(options);
      await get();
      clock.jump(120);
      const answers = await Promise.all([get(), get(), get()]);
      expect(answers).toEqual(["value 1", "value 1", "value 1"]);
      await clock.settle();
      expect([state.runs, policy.refreshing, policy.staleHits]).toEqual([2, 0, 3]);
      expect(inner.seen).toEqual(["success", "success"]);
      expect(await get()).toBe("value 2");
      expect(events.of("cache.refreshed")).toMatchObject([{ key: "a", outcome: "success" }]);
      expect(events.of("cache.served-stale")[0]).toMatchObject({ because: "revalidating", ageMs: 120 });
      expect(events.of("pipeline.settled")).toHaveLength(5);
      expect(await heldTimers(clock)).toBe(0);
    });

    it("does not answer with a value that is too old", async () => {
      const { clock, get } = setUp(options);
      await get();
      clock.jump(150);
      expect(await get()).toBe("value 2");
    });

    it("goes on with the stale value when fetching fails, and tries again with the next call", async () => {
      const { clock, events, state, get } = setUp(options);
      await get();
      clock.jump(120);
      state.failing = true;
      expect(await get()).toBe("value 1");
      await clock.settle();
      state.failing = false;
      expect(await get()).toBe("value 1");
      await clock.settle();
      expect(await get()).toBe("value 3");
      expect(events.of("cache.refreshed").map(({ outcome }) => outcome)).toEqual(["failure", "success"]);
    });

    it("goes on fetching when the caller leaves, without the caller's signal and deadline", async () => {
      const { clock, guarded, get } = setUp(options);
      await get();
      clock.jump(120);
      const { operation, runs, run } = manualOperation<unknown>();
      const controller = new AbortController();
      const { signal } = controller;
      expect(await guarded.execute(operation, { key: "a", signal, deadline: 125 })).toBe("value 1");
      controller.abort();
      await clock.advance(10);
      expect(runs[0]?.context.signal.aborted).toBe(false);
      run(0).resolve("fetched");
      await clock.settle();
      expect(await get()).toBe("fetched");
      expect(await heldTimers(clock)).toBe(0);
    });

    it("gives up fetching after `refreshTimeoutMs`, as overload, and discards what comes later", async () => {
      const { clock, policy, events, inner, guarded, get } = setUp({
        staleWhileRevalidateMs: 10_000,
        refreshTimeoutMs: 30,
      });
      await get();
      clock.jump(120);
      const { operation, runs, run } = manualOperation<unknown>();
      const discarded: unknown[] = [];
      await guarded.execute(operation, { key: "a", discard: (value) => discarded.push(value) });
      await clock.advance(30);
      expect(runs[0]?.context.signal.reason).toMatchObject({ code: "ERR_TIMEOUT", timeoutMs: 30 });
      expect([policy.refreshing, inner.seen]).toEqual([0, ["success", "dropped"]]);
      expect(events.of("cache.refreshed")).toMatchObject([{ outcome: "dropped" }]);
      run(0).resolve("late");
      await clock.settle();
      expect(discarded).toEqual(["late"]);
      expect(await heldTimers(clock)).toBe(0);
    });

    it("fetches again when a request that was to fetch was killed", async () => {
      const { clock, guarded, policy, get } = setUp({ staleWhileRevalidateMs: 10_000, refreshTimeoutMs: 30 });
      await get();
      clock.jump(120);
      const { operation, runs } = manualOperation<unknown>();
      await guarded.execute(operation, { key: "a" });
      clock.dropTimers();
      await guarded.execute(operation, { key: "a" });
      clock.jump(30);
      expect([runs.length, policy.refreshing]).toEqual([1, 1]);
      await guarded.execute(operation, { key: "a" });
      expect([runs.length, policy.refreshing]).toEqual([2, 1]);
    });

    it("fetches at most `maxRefreshes` values at once, not counting those whose request was killed", async () => {
      const { clock, guarded, policy, get } = setUp({
        staleWhileRevalidateMs: 10_000,
        refreshTimeoutMs: 30,
        maxRefreshes: 2,
      });
      for (const key of ["a", "b", "c"]) await get(key);
      clock.jump(120);
      const { operation, runs } = manualOperation<unknown>();
      for (const key of ["a", "b", "c"]) expect(await guarded.execute(operation, { key })).toMatch("value");
      expect([runs.length, policy.refreshing]).toEqual([2, 2]);
      clock.dropTimers();
      clock.jump(30);
      await guarded.execute(operation, { key: "c" });
      expect([runs.length, policy.refreshing]).toEqual([3, 1]);
    });

    it("hands what goes on after the call to `defer`, until it is stored", async () => {
      const work: Promise<unknown>[] = [];
      const { clock, state, get } = setUp({ ...options, defer: (promise) => void work.push(promise) });
      await get();
      expect(work).toHaveLength(0);
      clock.jump(120);
      await get();
      expect(work).toHaveLength(1);
      await work[0];
      expect(state.runs).toBe(2);
      expect(await get()).toBe("value 2");
    });

    it("does not fail when `defer` throws", async () => {
      const defer = () => {
        throw failure;
      };
      const { clock, events, get } = setUp({ ...options, defer });
      await get();
      clock.jump(120);
      expect(await get()).toBe("value 1");
      await clock.settle();
      expect(events.of("cache.store-failed")).toMatchObject([{ operation: "defer", error: failure }]);
      expect(await get()).toBe("value 2");
    });

    it("keeps only what it may: copies with `clone`, nothing that failed or can be read once without", async () => {
      const values: unknown[] = [{ n: 1 }, { n: 2 }, { n: -3 }, new Response("once")];
      const discarded: unknown[] = [];
      for (const [clone, kept] of [
        [structuredClone, { n: 2 }],
        [undefined, { n: 2 }],
      ] as const) {
        const { clock, guarded, policy } = setUp({ ...options, freshMs: 100, clone });
        let runs = 0;
        // At once, so that the refresh is over before its caller is answered.
        const get = () =>
          guarded.execute<unknown>(() => values[runs++], {
            key: "a",
            isFailure: (value) => (value as { n?: number }).n === -3,
            discard: (value) => discarded.push(value),
          });
        await get();
        clock.jump(120);
        expect(await get()).toEqual({ n: 1 });
        expect(policy.refreshing).toBe(0);
        expect(await heldTimers(clock)).toBe(0);
        expect(discarded.splice(0)).toEqual([]);
        expect(await get()).toEqual(kept);
        for (const gone of [values[2], values[3]].slice(0, clone === undefined ? 2 : 1)) {
          clock.jump(120);
          expect(await get()).toEqual(kept);
          expect(discarded.splice(0)).toEqual([gone]);
          clock.jump(-120);
        }
      }
    });

    it("discards a fetched value that is not kept, and does not fail when `shouldCache` throws about it", async () => {
      const discarded: unknown[] = [];
      const answers: (() => boolean)[] = [
        () => true,
        () => false,
        () => {
          throw failure;
        },
      ];
      const shouldCache = () => answers.shift()?.() ?? false;
      const { clock, events, guarded, operation } = setUp({ ...options, shouldCache });
      const get = () => guarded.execute<unknown>(operation, { key: "a", discard: (value) => discarded.push(value) });
      await get();
      clock.jump(120);
      for (const runs of [2, 3]) {
        expect(await get()).toBe("value 1");
        await clock.settle();
        expect(discarded.at(-1)).toBe(`value ${runs}`);
      }
      expect(events.of("cache.store-failed")).toMatchObject([{ operation: "set", error: failure }]);
    });
  });

  describe("staleIfErrorMs", () => {
    const options = { staleIfErrorMs: 50 };

    it("answers a call that did not succeed with the stale value", async () => {
      const { clock, policy, events, inner, state, get } = setUp(options);
      await get();
      clock.jump(149);
      state.failing = true;
      expect(await get()).toBe("value 1");
      expect([inner.seen, policy.staleHits]).toEqual([["success", "failure"], 1]);
      expect(events.of("cache.served-stale")).toMatchObject([{ because: "failed", ageMs: 149 }]);
      clock.jump(1);
      expect(await rejectionOf(get())).toBe(failure);
    });

    it("does not stand in for what says nothing about the dependency, and discards nothing that was thrown", async () => {
      const { guarded, clock, get, state, operation } = setUp(options);
      await get();
      clock.jump(120);
      state.failing = true;
      const ignored = guarded.execute<unknown>(operation, { key: "a", isIgnored: () => true });
      expect(await rejectionOf(ignored)).toBe(failure);
      const discarded: unknown[] = [];
      const discard = (value: unknown) => discarded.push(value);
      expect(await guarded.execute<unknown>(operation, { key: "a", discard })).toBe("value 1");
      expect(discarded).toEqual([]);
    });

    it("prefers the new value when there is one", async () => {
      const { clock, get } = setUp(options);
      await get();
      clock.jump(120);
      expect(await get()).toBe("value 2");
    });

    it("answers for refusals of our own policies, timeouts inside and failed values, which it discards", async () => {
      const { clock, policy, get } = setUp({ staleIfErrorMs: 1000 });
      await get();
      clock.jump(120);
      const limit = concurrencyLimit({ maxConcurrent: 1, clock });
      const guarded = pipeline({ name: "inside", clock }, policy, timeout({ timeoutMs: 10, clock }), limit);
      const { operation } = manualOperation<unknown>();
      const slow = watch(guarded.execute(operation, { key: "a" }));
      expect(await guarded.execute(operation, { key: "a" })).toBe("value 1");
      await clock.advance(10);
      expect(slow.value).toBe("value 1");
      const discarded: unknown[] = [];
      const judged = {
        key: "a",
        isFailure: (value: unknown) => value === 500,
        discard: (v: unknown) => discarded.push(v),
      };
      expect(await pipeline("b", policy).execute<unknown>(() => 500, judged)).toBe("value 1");
      expect(discarded).toEqual([500]);
      expect(await heldTimers(clock)).toBe(0);
    });

    it("does not answer a caller that has left", async () => {
      const { clock, guarded, get } = setUp(options);
      await get();
      clock.jump(120);
      const controller = new AbortController();
      const { operation } = manualOperation<unknown>();
      const call = watch(guarded.execute(operation, { key: "a", signal: controller.signal }));
      await clock.settle();
      controller.abort(failure);
      await clock.settle();
      expect(call.error).toBe(failure);
      const own = new AbortController();
      const leaving = (): never => {
        own.abort(failure);
        throw new Error("thrown");
      };
      await rejectionOf(guarded.execute(leaving, { key: "a", signal: own.signal }));
    });

    it("has no say when a timeout further out ends the call", async () => {
      const { clock, policy, get } = setUp(options);
      await get();
      clock.jump(120);
      const guarded = pipeline({ name: "outside", clock }, timeout({ timeoutMs: 10, clock }), policy);
      const call = watch(guarded.execute(manualOperation<unknown>().operation, { key: "a" }));
      await clock.advance(10);
      expect(call.error).toMatchObject({ code: "ERR_TIMEOUT" });
      expect(policy.staleHits).toBe(0);
    });

    it("counts its time from the end of freshness beside that of revalidation", async () => {
      const { clock, state, get } = setUp({ staleWhileRevalidateMs: 20, staleIfErrorMs: 50 });
      await get();
      state.failing = true;
      clock.jump(119);
      expect(await get()).toBe("value 1");
      clock.jump(30);
      expect(await get()).toBe("value 1");
      clock.jump(1);
      expect(await rejectionOf(get())).toBe(failure);
    });
  });

  describe("values that can be read once only", () => {
    it("are not kept, and the call is given its own", async () => {
      const { events, guarded, clock } = setUp();
      const first = new Response("first");
      expect(await guarded.execute(() => first, { key: "a" })).toBe(first);
      expect(await (await guarded.execute(async () => new Response("second"), { key: "a" })).text()).toBe("second");
      expect(events.of("cache.skipped")).toEqual([
        { type: "cache.skipped", pipeline: "cached", name: "default", key: "a" },
        { type: "cache.skipped", pipeline: "cached", name: "default", key: "a" },
      ]);
      expect(await heldTimers(clock)).toBe(0);
    });

    it("are kept with `clone`, which makes a copy for the store and for each call", async () => {
      const { guarded } = setUp({ clone: (value) => (value as Response).clone() });
      let runs = 0;
      const get = () => guarded.execute(async () => new Response(`text ${++runs}`), { key: "a" });
      for (let i = 0; i < 3; i++) expect(await (await get()).text()).toBe("text 1");
    });
  });

  it("keeps what a caller does to its value away from the others, with `clone`", async () => {
    const { guarded, state } = setUp({ clone: structuredClone });
    const get = () => guarded.execute(() => ({ rows: [++state.runs] }), { key: "a" });
    for (let i = 0; i < 3; i++) (await get()).rows.push(9);
    expect(await get()).toEqual({ rows: [1] });
  });

  it("takes a `clone` that throws for a miss", async () => {
    const { events, get } = setUp({
      clone: () => {
        throw failure;
      },
    });
    expect(await get()).toBe("value 1");
    const store = memoryCacheStore({ clock: new TestClock() });
    store.set("a", "kept", 100);
    const second = setUp({
      store,
      clone: () => {
        throw failure;
      },
    });
    expect(await second.get()).toBe("value 1");
    expect(events.of("cache.store-failed")).toMatchObject([{ operation: "set", error: failure }]);
    expect(second.events.of("cache.store-failed").map(({ operation }) => operation)).toEqual(["clone", "set"]);
  });

  describe("invalidate", () => {
    it("removes a value", async () => {
      const { policy, get } = setUp();
      await get();
      await policy.invalidate("a");
      expect(await get()).toBe("value 2");
    });

    it("keeps out what was on its way before, by a call or in the background, but nothing else", async () => {
      const { clock, policy, guarded, get } = setUp({ staleWhileRevalidateMs: 50 });
      const { operation, run } = manualOperation<unknown>();
      await get("stale");
      clock.jump(120);
      for (const key of ["a", "b", "stale"]) void guarded.execute(operation, { key });
      await Promise.all([policy.invalidate("a"), policy.invalidate("stale")]);
      for (const index of [0, 1, 2]) run(index).resolve("old");
      await clock.settle();
      expect([await get("a"), await get("b"), await get("stale")]).toEqual(["value 2", "old", "value 3"]);
      expect(await heldTimers(clock)).toBe(0);
    });

    it("lets a new value be fetched while an invalidated one is still on its way", async () => {
      const { clock, policy, guarded, get } = setUp({ staleWhileRevalidateMs: 50 });
      const { operation, runs, run } = manualOperation<unknown>();
      for (const expected of [1, 2]) {
        await get();
        clock.jump(120);
        void guarded.execute(operation, { key: "a" });
        expect([runs.length, policy.refreshing]).toEqual([expected, 1]);
        if (expected === 1) await policy.invalidate("a");
      }
      run(0).resolve("old");
      await clock.settle();
      expect(policy.refreshing).toBe(1);
      run(1).resolve("new");
      await clock.settle();
      expect([policy.refreshing, await get()]).toEqual([0, "new"]);
      expect(await heldTimers(clock)).toBe(0);
    });

    it("rejects with what the store throws", async () => {
      const store: CacheStore = { get: () => undefined, set: () => {}, delete: () => Promise.reject(failure) };
      expect(await rejectionOf(setUp({ store }).policy.invalidate("a"))).toBe(failure);
    });
  });

  describe("an asynchronous store", () => {
    it("is waited for; a miss runs the operation, and never resolves to nothing", async () => {
      const { store, gets, sets } = manualStore();
      const { clock, get } = setUp({ store, staleIfErrorMs: 50 });
      const [miss, none, hit] = [watch(get()), watch(get()), watch(get())];
      gets[0]?.resolve(undefined);
      gets[1]?.resolve(null);
      gets[2]?.resolve({ value: "kept", ageMs: 5 });
      await clock.settle();
      expect([miss.value, none.value, hit.value]).toEqual(["value 1", "value 2", "kept"]);
      expect(sets).toEqual([
        ["a", "value 1", 150],
        ["a", "value 2", 150],
      ]);
      expect(await heldTimers(clock)).toBe(0);
    });

    it("is waited for no longer than `storeTimeoutMs`, and what comes later changes nothing", async () => {
      const { store, gets } = manualStore();
      const { clock, events, get } = setUp({ store, storeTimeoutMs: 20 });
      const call = watch(get());
      await clock.advance(19);
      expect(call.state).toBe("pending");
      await clock.advance(1);
      expect(call.value).toBe("value 1");
      gets[0]?.resolve({ value: "late", ageMs: 0 });
      await clock.settle();
      expect(events.of("cache.store-failed")).toMatchObject([
        { operation: "get", error: { code: "ERR_TIMEOUT", scope: "attempt" } },
      ]);
      expect(events.of("cache.hit")).toHaveLength(0);
      expect(await heldTimers(clock)).toBe(0);
    });

    it("does not keep a caller that leaves meanwhile", async () => {
      const { store, gets } = manualStore();
      const { clock, events, state, guarded, operation } = setUp({ store });
      const controller = new AbortController();
      const call = watch(guarded.execute(operation, { key: "a", signal: controller.signal }));
      controller.abort(failure);
      await clock.settle();
      expect(call.error).toBe(failure);
      gets[0]?.reject(new Error("late"));
      await clock.settle();
      expect(state.runs).toBe(0);
      expect(events.types).toEqual(["pipeline.settled"]);
      expect(await heldTimers(clock)).toBe(0);
    });

    it("makes misses and not failures when it fails, and what it failed with is told", async () => {
      const errors = ["get", "set"].map((what) => new Error(what));
      const [getError, setError] = errors as [Error, Error];
      const throwing = (error: Error) => () => {
        throw error;
      };
      const rejecting = (error: Error) => () => Promise.reject(error);
      for (const fail of [throwing, rejecting]) {
        const store: CacheStore = { get: fail(getError), set: fail(setError), delete: () => {} };
        const { clock, events, get } = setUp({ store });
        const call = watch(get());
        await clock.settle();
        expect(call.value).toBe("value 1");
        expect(events.of("cache.store-failed")).toMatchObject([
          { operation: "get", error: getError },
          { operation: "set", error: setError },
        ]);
        expect(await heldTimers(clock)).toBe(0);
      }
    });

    it("is not waited for when it stores, which is handed to `defer`", async () => {
      const work: Promise<unknown>[] = [];
      let stored: (() => void) | undefined;
      const store: CacheStore = {
        get: () => undefined,
        set: () => new Promise<void>((resolve) => (stored = resolve)),
        delete: () => {},
      };
      const { get } = setUp({ store, defer: (promise) => void work.push(promise) });
      expect(await get()).toBe("value 1");
      expect(work).toHaveLength(1);
      const deferred = watch(Promise.all(work));
      expect(deferred.state).toBe("pending");
      stored?.();
      await new TestClock().settle();
      expect(deferred.state).toBe("fulfilled");
    });

    it("is given nothing that may not be kept, and `defer` no work then", async () => {
      const { store, sets } = manualStore();
      const deferred: unknown[] = [];
      const defer = (work: unknown) => void deferred.push(work);
      const { get } = setUp({ store: { ...store, get: () => undefined }, shouldCache: () => false, defer });
      expect(await get()).toBe("value 1");
      expect([sets, deferred]).toEqual([[], []]);
    });

    it("is taken for empty when it tells no age", async () => {
      const store: CacheStore = { get: () => ({ value: "kept" }) as never, set: () => {}, delete: () => {} };
      expect(await setUp({ store }).get()).toBe("value 1");
    });
  });

  it("says what it does", () => {
    expect(cache({ freshMs: 1 }).kind).toBe("cache");
    expect(cache({ freshMs: 1, staleIfErrorMs: 5 }).describe?.()).toBe(
      "fresh 1 ms, stale while revalidating 0 ms, on errors 5 ms",
    );
  });

  const above0 = "must be a number above 0 and at most 2147483647";
  itRefuses(
    [() => cache({ freshMs: 1, name: "" }), '`cache.name` must be a string that is not empty, got ""'],
    [() => cache({ freshMs: 1, key: "a" as never }), '`cache.key` must be a function, got "a"'],
    [
      () => cache({ freshMs: -1 }),
      `\`cache.freshMs\` must be a number of at least 0 and at most ${Number.MAX_VALUE}, got -1`,
    ],
    [() => cache({ freshMs: 1, shouldCache: 1 as never }), "`cache.shouldCache` must be a function, got 1"],
    [() => cache({ freshMs: 1, clone: true as never }), "`cache.clone` must be a function, got true"],
    [() => cache({ freshMs: 1, defer: {} as never }), "`cache.defer` must be a function, got an object"],
    [
      () => cache({ freshMs: 1, staleWhileRevalidateMs: -1 }),
      `\`cache.staleWhileRevalidateMs\` must be a number of at least 0 and at most ${Number.MAX_VALUE}, got -1`,
    ],
    [
      () => cache({ freshMs: 1, staleIfErrorMs: -1 }),
      `\`cache.staleIfErrorMs\` must be a number of at least 0 and at most ${Number.MAX_VALUE}, got -1`,
    ],
    ...[{}, { get: () => {}, set: () => {} }].map((store): readonly [() => unknown, string] => [
      () => cache({ freshMs: 1, store: store as never }),
      "`cache.store` must be a store with `get`, `set` and `delete`, got an object",
    ]),
    [
      () => cache({ freshMs: 1, store: null as never }),
      "`cache.store` must be a store with `get`, `set` and `delete`, got null",
    ],
    [() => cache({ freshMs: 1, storeTimeoutMs: 0 }), `\`cache.storeTimeoutMs\` ${above0}, got 0`],
    [() => cache({ freshMs: 1, refreshTimeoutMs: 0 }), `\`cache.refreshTimeoutMs\` ${above0}, got 0`],
    [() => cache({ freshMs: 1, maxRefreshes: 0 }), "`cache.maxRefreshes` must be an integer of at least 1, got 0"],
  );
});
