// Both stores are held to the same contract; what each has of its own follows.
import { cache, type CacheStore, pipeline } from "@headgate/core";
import { EventRecorder, TestClock } from "@headgate/core/testing";
import { cacheApiStore, kvStore } from "@headgate/workers";
import { describe, expect, it } from "vitest";
import { FakeCache, FakeKv } from "../test/support/fakes.ts";
import { itRefuses, missing } from "../test/support/options.ts";
import type { ValueTextOptions } from "./value-text.ts";
import type { WallClock } from "./wall-clock.ts";

type Make = (options: ValueTextOptions & { clock: WallClock }) => CacheStore;

function contract(make: Make): void {
  it("tells the age of what it has, and nothing after its time", async () => {
    const clock = new TestClock(1_000_000);
    const store = make({ clock });
    await store.set("a", { n: [1, null, "x"] }, 5000);
    expect(await store.get("a")).toEqual({ value: { n: [1, null, "x"] }, ageMs: 0 });
    clock.jump(4999);
    expect(await store.get("a")).toEqual({ value: { n: [1, null, "x"] }, ageMs: 4999 });
    clock.jump(1);
    expect(await store.get("a")).toBe(undefined);
  });

  it("replaces and deletes", async () => {
    const clock = new TestClock();
    const store = make({ clock });
    await store.set("a", 1, 5000);
    clock.jump(10);
    await store.set("a", 2, 5000);
    expect(await store.get("a")).toEqual({ value: 2, ageMs: 0 });
    await store.delete("a");
    await store.delete("never there");
    expect(await store.get("a")).toBe(undefined);
  });

  it("makes nothing younger than new when the clock of the reader is behind", async () => {
    const clock = new TestClock(1000);
    const store = make({ clock });
    await store.set("a", 1, 5000);
    clock.jump(-500);
    expect(await store.get("a")).toEqual({ value: 1, ageMs: 0 });
  });

  it("keeps keys apart that need escaping", async () => {
    const store = make({ clock: new TestClock() });
    const keys = ["a/b", "a%2Fb", "a?b#c", "ä €", "", ".."];
    for (const key of keys) await store.set(key, key, 5000);
    const read = await Promise.all(keys.map(async (key) => (await store.get(key))?.value));
    expect(read).toEqual(keys);
  });

  it("writes and reads as it is told", async () => {
    const store = make({
      clock: new TestClock(),
      serialize: (value) => (value as Date).toISOString(),
      deserialize: (text) => new Date(text),
    });
    await store.set("a", new Date(5), 5000);
    expect(await store.get("a")).toEqual({ value: new Date(5), ageMs: 0 });
  });

  it("stores nothing that cannot be written, and a pipeline goes on", async () => {
    const clock = new TestClock();
    const store = make({ clock });
    await expect(Promise.resolve(store.set("a", () => {}, 5000))).rejects.toThrow("JSON has no function");
    const recorder = new EventRecorder();
    const calls = pipeline({ name: "values", observer: recorder.observer }, cache({ freshMs: 1000, store }));
    const result = await calls.execute(() => 1n, { key: "a" });
    expect(result).toBe(1n);
    await clock.settle();
    expect(recorder.types).toContain("cache.store-failed");
    expect(await store.get("a")).toBe(undefined);
  });

  it("answers a pipeline with what it has", async () => {
    const clock = new TestClock(77);
    const values = cache({ freshMs: 1000, store: make({ clock }), clock });
    const calls = pipeline({ name: "values", clock }, values);
    let fetched = 0;
    const read = () => calls.execute(async () => ++fetched, { key: "a" });
    expect([await read(), await read()]).toEqual([1, 1]);
    clock.jump(1000);
    expect(await read()).toBe(2);
    expect([values.hits, values.misses]).toEqual([1, 2]);
  });
}

describe("cacheApiStore", () => {
  contract((options) => cacheApiStore(new FakeCache(), options));

  it("tells the platform whole seconds, and addresses that belong to nobody", async () => {
    const cache = new FakeCache();
    await cacheApiStore(cache, { name: "users", clock: new TestClock() }).set("a b", 1, 1001);
    const [[url, response] = []] = cache.entries;
    expect(url).toBe("https://headgate.invalid/users/a%20b");
    expect(response?.headers.get("cache-control")).toBe("max-age=2");
  });

  it("keeps stores of other names apart", async () => {
    const cache = new FakeCache();
    const clock = new TestClock();
    await cacheApiStore(cache, { name: "a", clock }).set("k", 1, 5000);
    expect(await cacheApiStore(cache, { name: "b", clock }).get("k")).toBe(undefined);
  });

  itRefuses(
    [
      () => cacheApiStore(missing),
      "`cacheApiStore.cache` must be a cache, with `match` and `put` and `delete`, got undefined",
    ],
    [
      () => cacheApiStore(new FakeCache(), { name: "" }),
      '`cacheApiStore.name` must be a string that is not empty, got ""',
    ],
    [
      () => cacheApiStore(new FakeCache(), { serialize: "json" as never }),
      '`cacheApiStore.serialize` must be a function, got "json"',
    ],
  );
});

describe("kvStore", () => {
  contract((options) => kvStore(new FakeKv(), options));

  it("never asks KV for less than the minute that it takes at least", async () => {
    const kv = new FakeKv();
    const store = kvStore(kv, { keyPrefix: "p:", clock: new TestClock() });
    await store.set("short", 1, 5);
    await store.set("long", 1, 90_001);
    expect([kv.entries.get("p:short")?.expirationTtl, kv.entries.get("p:long")?.expirationTtl]).toEqual([60, 91]);
  });

  it("takes what somebody else has written for nothing", async () => {
    const kv = new FakeKv();
    await kv.put("headgate:a", "1", { expirationTtl: 60, metadata: { storedMs: "then" } });
    await kv.put("headgate:b", "1", { expirationTtl: 60, metadata: null });
    const store = kvStore(kv, { clock: new TestClock() });
    expect([await store.get("a"), await store.get("b")]).toEqual([undefined, undefined]);
  });

  itRefuses(
    [
      () => kvStore(missing),
      "`kvStore.namespace` must be a KV namespace, with `getWithMetadata` and `put` and `delete`, got undefined",
    ],
    [() => kvStore(new FakeKv(), { keyPrefix: 1 as never }), "`kvStore.keyPrefix` must be a string, got 1"],
    [() => kvStore(new FakeKv(), { deserialize: 1 as never }), "`kvStore.deserialize` must be a function, got 1"],
  );
});
