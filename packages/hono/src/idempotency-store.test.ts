import { TestClock } from "@headgate/core/testing";
import { describe, expect, it } from "vitest";
import { memoryIdempotencyStore, type StoredResponse } from "./idempotency-store.ts";

const responseOf = (bytes: number): StoredResponse => ({ status: 200, headers: [], body: new Uint8Array(bytes) });

describe("memoryIdempotencyStore", () => {
  it("gives a key to one request at a time", async () => {
    const store = memoryIdempotencyStore({ clock: new TestClock() });
    expect(await store.begin("key", "one", "print", 1000)).toBeUndefined();
    expect(await store.begin("key", "two", "print", 1000)).toMatchObject({ fingerprint: "print" });
    await store.release("key", "two");
    expect(await store.begin("key", "three", "print", 1000)).toBeDefined();
    await store.release("key", "one");
    expect(await store.begin("key", "four", "print", 1000)).toBeUndefined();
  });

  it("does not listen to a request that has lost its key", async () => {
    const clock = new TestClock();
    const store = memoryIdempotencyStore({ clock });
    await store.begin("key", "one", "print", 1000);
    clock.jump(1000);
    expect(await store.begin("key", "two", "print", 1000)).toBeUndefined();
    await store.complete("key", "one", responseOf(1), 1000);
    expect((await store.begin("key", "three", "print", 1000))?.response).toBeUndefined();
    await store.complete("key", "two", responseOf(2), 1000);
    expect((await store.begin("key", "three", "print", 1000))?.response?.body?.byteLength).toBe(2);
  });

  it("makes room by forgetting the oldest outcome, never a request in progress", async () => {
    const store = memoryIdempotencyStore({ maxEntries: 2, clock: new TestClock() });
    await store.begin("running", "a", "print", 1000);
    await store.begin("old", "b", "print", 1000);
    await store.complete("old", "b", responseOf(1), 1000);
    await store.begin("new", "c", "print", 1000);
    expect(store.size).toBe(2);
    expect(() => store.begin("more", "d", "print", 1000)).toThrow("All 2 keys are of requests in progress");
    expect(await store.begin("running", "e", "print", 1000)).toBeDefined();
  });

  it("takes the place of a request whose time is over", async () => {
    const clock = new TestClock();
    const store = memoryIdempotencyStore({ maxEntries: 1, clock });
    await store.begin("killed", "a", "print", 1000);
    clock.jump(1000);
    expect(await store.begin("other", "b", "print", 1000)).toBeUndefined();
    expect(store.size).toBe(1);
  });

  it("keeps no more bytes than it may", async () => {
    const store = memoryIdempotencyStore({ maxBytes: 100, clock: new TestClock() });
    for (const key of ["a", "b", "c"]) {
      await store.begin(key, key, "print", 1000);
      await store.complete(key, key, responseOf(40), 1000);
    }
    expect(store.bytes).toBe(80);
    expect(await store.begin("a", "again", "print", 1000)).toBeUndefined();
    expect((await store.begin("c", "again", "print", 1000))?.response?.body?.byteLength).toBe(40);
  });

  it("names an option that is out of bounds", () => {
    expect(() => memoryIdempotencyStore({ maxEntries: 0 })).toThrow("`memoryIdempotencyStore.maxEntries`");
    expect(() => memoryIdempotencyStore({ maxBytes: -1 })).toThrow("`memoryIdempotencyStore.maxBytes`");
  });
});
