import { memoryCacheStore } from "@headgate/core";
import { TestClock } from "@headgate/core/testing";
import { describe, expect, it } from "vitest";
import { itRefuses } from "../test/support/options.ts";

describe("memoryCacheStore", () => {
  it("tells how old what it has is, and forgets it when it was to be kept no longer", () => {
    const clock = new TestClock(500);
    const store = memoryCacheStore({ clock });
    store.set("a", "value", 100);
    clock.jump(99);
    expect(store.get("a")).toEqual({ value: "value", ageMs: 99 });
    clock.jump(1);
    expect(store.get("a")).toBe(undefined);
    expect(store.size).toBe(0);
  });

  it("replaces and deletes", () => {
    const clock = new TestClock();
    const store = memoryCacheStore({ clock });
    store.set("a", 1, 100);
    clock.jump(50);
    store.set("a", undefined, 100);
    expect(store.get("a")).toEqual({ value: undefined, ageMs: 0 });
    store.delete("a");
    store.delete("b");
    expect([store.get("a"), store.size]).toEqual([undefined, 0]);
  });

  it("lets go of the entry that was not asked for the longest", () => {
    const store = memoryCacheStore({ maxEntries: 2, clock: new TestClock() });
    store.set("a", 1, 100);
    store.set("b", 2, 100);
    store.get("a");
    store.set("c", 3, 100);
    expect(["a", "b", "c"].map((key) => store.get(key)?.value)).toEqual([1, undefined, 3]);
    store.set("a", 4, 100);
    store.set("d", 5, 100);
    expect(["a", "c", "d"].map((key) => store.get(key)?.value)).toEqual([4, undefined, 5]);
    expect(store.size).toBe(2);
  });

  itRefuses([
    () => memoryCacheStore({ maxEntries: 0 }),
    "`memoryCacheStore.maxEntries` must be an integer of at least 1, got 0",
  ]);
});
