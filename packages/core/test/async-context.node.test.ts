/// <reference types="node" />
import {
  concurrencyLimit,
  constantBackoff,
  type OperationContext,
  pipeline,
  type Policy,
  retry,
  systemClock,
  timeout,
} from "@headgate/core";
import { describe, expect, it } from "vitest";
import { manualOperation, watch } from "./support/operations.ts";
import { HostLikeClock, notes, request } from "./support/request-context.ts";

/** A pipeline with every policy that waits, and what each call's own code saw of its request. */
function setUp() {
  const clock = new HostLikeClock();
  const limit = concurrencyLimit({ maxConcurrent: 1, maxQueue: 5, maxWaitMs: 1000, clock });
  const backoff = constantBackoff({ delayMs: 10 });
  const guarded = pipeline(
    { name: "context", clock },
    timeout({ timeoutMs: 100, clock }),
    retry({ maxAttempts: 2, backoff, clock }),
    limit,
  );
  return { clock, limit, guarded, ...notes() };
}

describe("the asynchronous context of a call", () => {
  it("is the caller's where the operation runs after it had to queue", async () => {
    const { clock, guarded, seen, note } = setUp();
    const { operation, run } = manualOperation();
    const first = request.run("first", () => watch(guarded.execute(operation)));
    const second = request.run("second", () => watch(guarded.execute(() => note("runs"))));
    const third = request.run("third", () => watch(guarded.execute(() => note("runs"))));
    request.run("releaser", () => run(0).resolve("done"));
    await clock.settle();
    expect(seen).toEqual(["second runs", "third runs"]);
    expect([first, second, third].map(({ state }) => state)).toEqual(["fulfilled", "fulfilled", "fulfilled"]);
  });

  it("is the caller's where a policy hears that a wait was in vain, though waiters share the timer", async () => {
    const { clock, limit, seen, note } = setUp();
    const listening: Policy = { kind: "listening", leave: ({ outcome }) => (note(outcome), "pass") };
    const guarded = pipeline({ name: "waiting", clock }, listening, limit);
    const { operation } = manualOperation();
    for (const name of ["running", "first", "second"]) request.run(name, () => watch(guarded.execute(operation)));
    await request.run("ticker", () => clock.advance(1000));
    expect(seen).toEqual(["first ignored", "second ignored"]);
  });

  it("is the caller's where the operation runs again after back-off", async () => {
    const { clock, guarded, seen, note } = setUp();
    const failing = async ({ attempt }: OperationContext) => {
      note(`attempt ${attempt}`);
      await clock.sleep(1);
      throw new Error("down");
    };
    request.run("a", () => watch(guarded.execute(failing)));
    request.run("b", () => watch(guarded.execute(failing)));
    await request.run("ticker", () => clock.advance(50));
    expect(seen.toSorted()).toEqual(["a attempt 1", "a attempt 2", "b attempt 1", "b attempt 2"]);
  });

  it("is the caller's where the operation runs again after the timeout of an attempt", async () => {
    const clock = new HostLikeClock();
    const again = retry({ maxAttempts: 2, backoff: constantBackoff({ delayMs: 0 }), clock });
    const guarded = pipeline({ name: "attempts", clock }, again, timeout({ timeoutMs: 10, clock }));
    const seen: string[] = [];
    const hang = ({ attempt }: OperationContext) => {
      seen.push(`${request.getStore()} attempt ${attempt}`);
      return new Promise<never>(() => {});
    };
    request.run("a", () => watch(guarded.execute(hang)));
    request.run("b", () => watch(guarded.execute(hang)));
    await clock.advance(20);
    expect(seen).toEqual(["a attempt 1", "b attempt 1", "a attempt 2", "b attempt 2"]);
  });

  it("is the reader's where a listener hears of a timeout, though calls share the timer", async () => {
    const clock = new HostLikeClock();
    const guarded = pipeline({ name: "shared", clock }, timeout({ timeoutMs: 100, clock }));
    const seen: string[] = [];
    for (const name of ["a", "b", "c"]) {
      request.run(name, () =>
        watch(
          guarded.execute(({ signal }) => {
            signal.addEventListener("abort", () => seen.push(`${name} hears in ${request.getStore()}`));
            return new Promise<never>(() => {});
          }),
        ),
      );
      await clock.advance(1);
    }
    await clock.advance(100);
    expect(seen).toEqual(["a hears in a", "b hears in b", "c hears in c"]);
  });

  it("is the caller's after its call has ended, however that came", async () => {
    const { clock, guarded, seen, note } = setUp();
    const { operation, run } = manualOperation();
    const follow = (name: string, start: () => Promise<unknown>) =>
      request.run(name, async () => {
        await start().catch(() => {});
        note("goes on");
      });
    const controller = new AbortController();
    const all = [
      follow("settled", () => guarded.execute(operation)),
      follow("aborted", () => guarded.execute(operation, { signal: controller.signal })),
      follow("timed out", () => guarded.execute(() => new Promise<never>(() => {}))),
    ];
    request.run("aborter", () => controller.abort());
    run(0).resolve("done");
    await clock.advance(100);
    await Promise.all(all);
    expect(seen.toSorted()).toEqual(["aborted goes on", "settled goes on", "timed out goes on"]);
  });

  it("is kept by the host's own timers too", async () => {
    const again = retry({ maxAttempts: 2, backoff: constantBackoff({ delayMs: 1 }), clock: systemClock });
    const guarded = pipeline("host", timeout({ timeoutMs: 30_000 }), again);
    const seen: string[] = [];
    const failing = () => {
      seen.push(request.getStore() ?? "nobody");
      return Promise.reject(new Error("down"));
    };
    await Promise.all(["a", "b"].map((name) => request.run(name, () => guarded.execute(failing).catch(() => {}))));
    expect(seen.toSorted()).toEqual(["a", "a", "b", "b"]);
  });
});
