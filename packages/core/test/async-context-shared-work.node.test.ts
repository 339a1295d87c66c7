/// <reference types="node" />
import {
  cache,
  type FailedCall,
  fallback,
  hedge,
  type OperationContext,
  pipeline,
  singleFlight,
  timeout,
} from "@headgate/core";
import { describe, expect, it } from "vitest";
import { manualOperation, watch } from "./support/operations.ts";
import { HostLikeClock, notes, request } from "./support/request-context.ts";

describe("the asynchronous context of a call", () => {
  it("is the caller's in a fallback's handlers and for the listeners of their signal, whichever timer has fired", async () => {
    const clock = new HostLikeClock();
    const { seen, note } = notes();
    const handler = async ({ signal }: FailedCall) => {
      note("handles");
      signal.addEventListener("abort", () => note("hears the abort"));
      await clock.sleep(1000);
    };
    const guarded = pipeline(
      { name: "context", clock },
      timeout({ timeoutMs: 50, clock }),
      fallback({ handlers: [handler] }),
      timeout({ timeoutMs: 10, clock }),
    );
    const { operation } = manualOperation<void>();
    for (const name of ["first", "second"]) request.run(name, () => watch(guarded.execute(operation)));
    await clock.advance(10);
    expect(seen).toEqual(["first handles", "second handles"]);
    await clock.advance(40);
    expect(seen.slice(2)).toEqual(["first hears the abort", "second hears the abort"]);
    await clock.advance(1000);
  });

  it("is that of the starter where an operation is shared, also when another caller is the last to leave", async () => {
    const clock = new HostLikeClock();
    const { seen, note } = notes();
    const guarded = pipeline({ name: "context", clock }, singleFlight({ clock }));
    const operation = ({ signal }: OperationContext) => {
      note("runs");
      signal.addEventListener("abort", () => note("hears the abort"));
      return new Promise<void>(() => {});
    };
    const start = (name: string) => {
      const controller = new AbortController();
      request.run(name, () => watch(guarded.execute(operation, { key: "a", signal: controller.signal })));
      return () => request.run(name, () => controller.abort());
    };
    for (const leave of [start("first"), start("second")]) {
      leave();
      await clock.settle();
    }
    expect(seen).toEqual(["first runs", "first hears the abort"]);
  });

  it("is the caller's own when it stops waiting for another's operation, and where it is answered", async () => {
    const clock = new HostLikeClock();
    const { seen, note } = notes();
    const guarded = pipeline({ name: "context", clock }, singleFlight({ maxWaitMs: 50, clock }));
    const { operation } = manualOperation<void>();
    request.run("first", () => watch(guarded.execute(operation, { key: "a" })));
    const follow = async (name: string) => {
      await guarded.execute(
        async () => {
          await clock.sleep(5);
          note("runs");
        },
        { key: "a" },
      );
      note(`${name} is answered`);
    };
    for (const name of ["second", "third"]) request.run(name, () => watch(follow(name)));
    await clock.advance(55);
    expect(seen).toEqual(["second runs", "second second is answered", "third third is answered"]);
  });

  it("is the caller's where a cache asks an asynchronous store, gives up on it, and fetches in the background", async () => {
    const clock = new HostLikeClock();
    const { seen, note } = notes();
    const entries: unknown[] = [{ value: "old", ageMs: 5 }];
    const store = {
      get: () => (
        note("asks"), entries.length > 0 ? Promise.resolve(entries.shift() as never) : new Promise<never>(() => {})
      ),
      set: () => note("stores"),
      delete: () => {},
    };
    const policy = cache({ freshMs: 1, staleWhileRevalidateMs: 10, store, storeTimeoutMs: 20, clock });
    const guarded = pipeline({ name: "context", clock }, policy);
    const operation = async () => note("runs");
    for (const name of ["first", "second"])
      request.run(name, () => watch(guarded.execute<unknown>(operation, { key: "a" })));
    await clock.advance(20);
    expect(seen).toEqual(["first asks", "second asks", "first runs", "second runs"]);
  });

  it("is the caller's in every hedge, for its listeners, and where it is answered, whichever timer has fired", async () => {
    const clock = new HostLikeClock();
    const { seen, note } = notes();
    const guarded = pipeline(
      { name: "context", clock },
      timeout({ timeoutMs: 50, clock }),
      hedge({ delayMs: 10, budget: false, clock }),
    );
    const operation = async ({ attempt, signal }: OperationContext) => {
      note(`runs ${attempt}`);
      signal.addEventListener("abort", () => note(`hears of the end of ${attempt}`));
      await clock.sleep(attempt === 1 ? 1000 : 20);
      note(`ends ${attempt}`);
    };
    const start = async (name: string) => {
      await guarded.execute(operation);
      note(`${name} is answered`);
    };
    for (const name of ["first", "second"]) request.run(name, () => watch(start(name)));
    await clock.advance(10);
    expect(seen).toEqual(["first runs 1", "second runs 1", "first runs 2", "second runs 2"]);
    seen.length = 0;
    await clock.advance(20);
    expect(seen.toSorted()).toEqual([
      "first ends 2",
      "first first is answered",
      "first hears of the end of 1",
      "second ends 2",
      "second hears of the end of 1",
      "second second is answered",
    ]);
    await clock.advance(1000);
    seen.length = 0;
    const hanging = ({ attempt, signal }: OperationContext) => {
      signal.addEventListener("abort", () => note(`hears of the end of ${attempt}`));
      return new Promise<void>(() => {});
    };
    // Both are ended by the timer that the first has armed.
    for (const name of ["first", "second"]) request.run(name, () => watch(guarded.execute(hanging)));
    await clock.advance(50);
    expect(seen.toSorted()).toEqual([
      "first hears of the end of 1",
      "first hears of the end of 2",
      "second hears of the end of 1",
      "second hears of the end of 2",
    ]);
  });
});
