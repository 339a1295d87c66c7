import {
  type Call,
  type Policy,
  type SingleFlightOptions,
  ConcurrencyLimitError,
  concurrencyLimit,
  constantBackoff,
  pipeline,
  retry,
  singleFlight,
  timeout,
} from "@headgate/core";
import { EventRecorder, TestClock } from "@headgate/core/testing";
import { describe, expect, it } from "vitest";
import { heldTimers } from "../test/support/leftovers.ts";
import { failingTimes, manualOperation, rejectionOf, watch } from "../test/support/operations.ts";
import { itRefuses } from "../test/support/options.ts";

const failure = new Error("down");

/** A pipeline of a single flight around a manual operation, and calls of it that can leave. */
function setUp(options: Partial<SingleFlightOptions> = {}) {
  const clock = new TestClock();
  const events = new EventRecorder();
  const policy = singleFlight({ maxWaitMs: 100, clock, ...options });
  const guarded = pipeline({ name: "shared", clock, observer: events.observer }, policy);
  const { operation, runs, run } = manualOperation<unknown>();
  const discarded: unknown[] = [];
  const discard = (value: unknown) => discarded.push(value);
  const call = (key: string | undefined = "a") => {
    const controller = new AbortController();
    const watched = watch(guarded.execute(operation, { key, signal: controller.signal, discard }));
    return Object.assign(watched, { leave: (reason: unknown) => controller.abort(reason) });
  };
  return { clock, events, policy, guarded, operation, runs, run, discarded, call };
}

describe("singleFlight", () => {
  it("gives calls with the same key that overlap the result of one operation", async () => {
    const { clock, policy, events, run, runs, call } = setUp();
    const calls = [call(), call(), call()];
    expect([runs.length, policy.inFlight, policy.joined]).toEqual([1, 1, 2]);
    const value = { rows: 3 };
    run(0).resolve(value);
    await clock.settle();
    for (const each of calls) expect(each.value).toBe(value);
    expect([runs.length, policy.inFlight]).toEqual([1, 0]);
    expect(events.of("single-flight.joined")).toEqual([
      { type: "single-flight.joined", pipeline: "shared", key: "a", followers: 1 },
      { type: "single-flight.joined", pipeline: "shared", key: "a", followers: 2 },
    ]);
    expect(await heldTimers(clock)).toBe(0);
  });

  it("gives all of them the same error, which counts for each as for the first", async () => {
    const { clock, run, guarded, operation } = setUp();
    const isOverload = (result: unknown) => result === failure;
    const first = watch(guarded.attempt(operation, { key: "a", isOverload }));
    const second = watch(guarded.attempt(operation, { key: "a" }));
    run(0).reject(failure);
    await clock.settle();
    const result = { ok: false, error: failure, outcome: "dropped" };
    expect([first.value, second.value]).toEqual([result, result]);
  });

  it("runs calls with other keys, without a key, and those that come later by themselves", async () => {
    const { clock, runs, run, call } = setUp();
    call("a");
    call("b");
    expect(runs).toHaveLength(2);
    run(0).resolve(1);
    await clock.settle();
    call("a");
    expect(runs).toHaveLength(3);
    for (const index of [1, 2]) run(index).resolve(2);
    await clock.settle();
    const { guarded, runs: alone, operation } = setUp();
    void guarded.execute(operation);
    void guarded.execute(operation);
    expect(alone).toHaveLength(2);
  });

  it("asks `key` for the key of a call", async () => {
    const { runs, guarded, operation } = setUp({ key: ({ options }) => options.key?.toLowerCase() });
    void guarded.execute(operation, { key: "A" });
    void guarded.execute(operation, { key: "a" });
    expect(runs).toHaveLength(1);
  });

  it("answers a call whose operation returns at once without waiting", async () => {
    const { guarded, policy, clock } = setUp();
    const seen: string[] = [];
    const call = guarded.execute(() => 1, { key: "a" }).then(() => seen.push("call"));
    void Promise.resolve().then(() => seen.push("a microtask"));
    await call;
    expect(seen).toEqual(["call", "a microtask"]);
    expect(policy.inFlight).toBe(0);
    expect(await heldTimers(clock)).toBe(0);
  });

  it("goes on for the others when the call that has started it leaves", async () => {
    const { clock, runs, run, call } = setUp();
    const [first, second] = [call(), call()];
    const reason = new Error("left");
    first.leave(reason);
    await clock.settle();
    expect([first.error, second.state]).toEqual([reason, "pending"]);
    expect(runs[0]?.context.signal.aborted).toBe(false);
    run(0).resolve("done");
    await clock.settle();
    expect(second.value).toBe("done");
    expect(await heldTimers(clock)).toBe(0);
  });

  it("aborts the operation with the reason of the last that leaves, and discards what it still returns", async () => {
    const { clock, policy, runs, run, call, discarded } = setUp();
    const [first, second] = [call(), call()];
    const reasons = [new Error("first"), new Error("second")];
    second.leave(reasons[1]);
    await clock.settle();
    first.leave(reasons[0]);
    await clock.settle();
    expect(policy.inFlight).toBe(0);
    expect(runs[0]?.context.signal.reason).toBe(reasons[0]);
    const next = call();
    expect(runs).toHaveLength(2);
    run(0).resolve("late");
    await clock.settle();
    expect([discarded, next.state]).toEqual([["late"], "pending"]);
    run(1).resolve("done");
    await clock.settle();
    expect(next.value).toBe("done");
    expect(await heldTimers(clock)).toBe(0);
  });

  it("discards a result that came in the same moment in which the last was taken away", async () => {
    const { clock, policy, operation, runs, run, discarded } = setUp();
    let taken: Call | undefined;
    const outer: Policy = { kind: "outer", enter: (call) => ((taken = call), "pass") };
    const discard = (value: unknown) => discarded.push(value);
    const only = watch(pipeline("taken", outer, policy).execute(operation, { key: "a", discard }));
    run(0).resolve("crossing");
    // The operation's own reaction has run, that of the call has not.
    await Promise.resolve();
    taken?.cut(0, "ignored", failure);
    await clock.settle();
    expect(only.error).toBe(failure);
    expect(discarded).toEqual(["crossing"]);
    expect(runs[0]?.context.signal.aborted).toBe(false);
  });

  it("discards the result of an operation that ends after the last was taken away, before it is told so", async () => {
    const { clock, policy, guarded, discarded } = setUp();
    let taken: Call | undefined;
    const outer: Policy = { kind: "outer", enter: (call) => ((taken = call), "pass") };
    const { operation, run } = manualOperation<unknown>();
    const discard = (value: unknown) => discarded.push(value);
    const only = watch(pipeline("taken", outer, policy).execute(operation, { key: "a", discard }));
    run(0).resolve("crossing");
    taken?.cut(0, "ignored", failure);
    expect(policy.inFlight).toBe(0);
    const next = guarded.execute(() => "next", { key: "a" });
    await clock.settle();
    expect([only.error, discarded, await next]).toEqual([failure, ["crossing"], "next"]);
  });

  it("ends the wait of a call whose own time is up, and no other", async () => {
    const { clock, policy, operation, run } = setUp();
    const short = pipeline({ name: "short", clock }, timeout({ timeoutMs: 10, clock }), policy);
    const first = watch(short.execute(operation, { key: "a" }));
    const second = watch(short.execute(operation, { key: "a", deadline: 5 }));
    const third = watch(pipeline("none", policy).execute(operation, { key: "a" }));
    await clock.advance(5);
    expect([first.state, second.error]).toMatchObject(["pending", { scope: "deadline" }]);
    await clock.advance(5);
    expect([first.error, third.state]).toMatchObject([{ code: "ERR_TIMEOUT" }, "pending"]);
    run(0).resolve("done");
    await clock.settle();
    expect(third.value).toBe("done");
    expect(await heldTimers(clock)).toBe(0);
  });

  it("starts another operation when a follower has waited as long as it may, and the others join that", async () => {
    const { clock, policy, events, runs, run, call } = setUp();
    const first = call();
    await clock.advance(10);
    const [second, third] = [call(), call()];
    await clock.advance(100);
    expect(runs).toHaveLength(2);
    expect(policy.expired).toBe(2);
    expect(events.of("single-flight.expired")).toHaveLength(2);
    run(1).resolve("again");
    await clock.settle();
    expect([first.state, second.value, third.value]).toEqual(["pending", "again", "again"]);
    run(0).resolve("at last");
    await clock.settle();
    expect(first.value).toBe("at last");
    expect(await heldTimers(clock)).toBe(0);
  });

  it("does not wait for an operation whose request was killed, however often that happens", async () => {
    const { clock, runs, run, call } = setUp();
    // Killed: it never settles, and nothing of it is ever heard of again.
    call();
    const second = call();
    await clock.advance(100);
    expect(runs).toHaveLength(2);
    // The second has started an operation of its own, and its request is killed as well.
    const third = call();
    await clock.advance(100);
    expect(runs).toHaveLength(3);
    run(2).resolve("alive");
    await clock.settle();
    expect([second.state, third.value]).toEqual(["pending", "alive"]);
  });

  it("does not join an operation that has run for as long as a follower would wait", async () => {
    const { clock, runs, run, call } = setUp();
    call();
    await clock.advance(99);
    call();
    expect(runs).toHaveLength(1);
    await clock.advance(1);
    const third = call();
    expect(runs).toHaveLength(2);
    run(0).resolve("old");
    run(1).resolve("new");
    await clock.settle();
    expect(third.value).toBe("new");
    expect(await heldTimers(clock)).toBe(0);
  });

  it("aborts an operation that only a follower was left to wait for, when it gives up on it", async () => {
    const { clock, runs, run, call } = setUp();
    const [first, second] = [call(), call()];
    first.leave(failure);
    await clock.advance(100);
    expect(runs).toHaveLength(2);
    expect([runs[0]?.context.signal.aborted, runs[1]?.context.signal.aborted]).toEqual([true, false]);
    run(1).resolve("again");
    await clock.settle();
    expect(second.value).toBe("again");
  });

  it("answers a follower that gives up with what its own operation returns at once", async () => {
    const { clock, guarded, call } = setUp();
    call();
    const second = watch(guarded.execute(() => "at once", { key: "a" }));
    await clock.advance(100);
    expect(second.value).toBe("at once");
  });

  it("lets a follower be taken away from within the operation that it has started instead", async () => {
    const { clock, policy, call, discarded } = setUp();
    call();
    let taken: Call | undefined;
    const outer: Policy = { kind: "outer", enter: (entered) => ((taken = entered), "pass") };
    const operation = () => {
      taken?.cut(0, "ignored", failure);
      return "nobody's";
    };
    const discard = (value: unknown) => discarded.push(value);
    const second = watch(pipeline("taken", outer, policy).execute(operation, { key: "a", discard }));
    await clock.advance(100);
    expect(second.error).toBe(failure);
    expect(discarded).toEqual(["nobody's"]);
    expect(policy.inFlight).toBe(0);
  });

  it("lets calls run by themselves when `maxFollowers` wait already", async () => {
    const { clock, runs, run, call } = setUp({ maxFollowers: 1 });
    const calls = [call(), call(), call()];
    expect(runs).toHaveLength(2);
    run(0).resolve("shared");
    run(1).resolve("own");
    await clock.settle();
    expect(calls.map(({ value }) => value)).toEqual(["shared", "shared", "own"]);
  });

  it("lets a follower that gives up run by itself when the newer operation has its followers already", async () => {
    const { clock, policy, runs, run, call } = setUp({ maxFollowers: 2 });
    const starter = call();
    await clock.advance(10);
    call();
    await clock.advance(10);
    const last = call();
    await clock.advance(91);
    const others = [call(), call()];
    expect([runs.length, policy.inFlight]).toEqual([2, 1]);
    await clock.advance(9);
    expect(runs).toHaveLength(3);
    run(2).resolve("own");
    await clock.settle();
    expect([last.value, ...others.map(({ state }) => state)]).toEqual(["own", "pending", "pending"]);
    run(1).resolve("newer");
    run(0).resolve("older");
    await clock.settle();
    expect([starter.value, ...others.map(({ value }) => value)]).toEqual(["older", "newer", "newer"]);
    expect(await heldTimers(clock)).toBe(0);
  });

  it("asks `share` only about values, and only where somebody waits for one", async () => {
    const asked: unknown[] = [];
    const { clock, run, call } = setUp({ share: (value) => asked.push(value) > 0 });
    call();
    run(0).resolve("alone");
    await clock.settle();
    const calls = [call(), call()];
    run(1).reject(failure);
    await clock.settle();
    expect(calls.map(({ error }) => error)).toEqual([failure, failure]);
    const together = [call(), call()];
    run(2).resolve("together");
    await clock.settle();
    expect(together.map(({ value }) => value)).toEqual(["together", "together"]);
    expect(asked).toEqual(["together"]);
  });

  it("tells the policies inside that a deserted operation counts as ignored", async () => {
    const outcomes: string[] = [];
    const clock = new TestClock();
    const inner: Policy = {
      kind: "inner",
      enter: () => "pass",
      leave: (call) => (outcomes.push(call.outcome), "pass"),
    };
    const guarded = pipeline({ name: "shared", clock }, singleFlight({ clock }), inner);
    const controller = new AbortController();
    const call = watch(guarded.execute(manualOperation().operation, { key: "a", signal: controller.signal }));
    controller.abort(failure);
    await clock.settle();
    expect(call.error).toBe(failure);
    expect(outcomes).toEqual(["ignored"]);
  });

  it("discards no value that the first has been given when the second leaves in that moment", async () => {
    const controller = new AbortController();
    const clock = new TestClock();
    const discarded: unknown[] = [];
    const discard = (value: unknown) => discarded.push(value);
    const observer = ({ type }: { type: string }) => type === "pipeline.settled" && controller.abort("left");
    const guarded = pipeline({ name: "shared", clock, observer }, singleFlight({ clock }));
    const { operation, run } = manualOperation();
    const first = watch(guarded.execute(operation, { key: "a", discard }));
    const second = watch(guarded.execute(operation, { key: "a", discard, signal: controller.signal }));
    run(0).resolve("value");
    await clock.settle();
    expect([first.value, second.error]).toEqual(["value", "left"]);
    expect(discarded).toEqual([]);
    expect(await heldTimers(clock)).toBe(0);
  });

  it("counts what `share` throws as a failure, and tells only the starter how often the operation was sent for", async () => {
    const clock = new TestClock();
    const events = new EventRecorder();
    const throwing = (): never => {
      throw failure;
    };
    const again = retry({ maxAttempts: 2, backoff: constantBackoff({ delayMs: 0 }) });
    const told = { name: "told", clock, observer: events.observer };
    const guarded = pipeline(told, singleFlight({ clock, share: throwing }), again);
    const { operation, run } = manualOperation();
    const results = ["a", "a"].map((key) => guarded.attempt(operation, { key }));
    run(0).reject(new Error("once"));
    await clock.settle();
    run(1).resolve("value");
    const failed = { ok: false, error: failure, outcome: "failure" };
    expect(await Promise.all(results)).toEqual([failed, failed]);
    expect(events.of("pipeline.settled").map(({ attempts }) => attempts)).toEqual([2, 1]);
  });

  it("describes itself by its wait", () => {
    expect(singleFlight({ maxWaitMs: 70 })).toMatchObject({ kind: "single-flight" });
    expect(singleFlight({ maxWaitMs: 70 }).describe?.()).toBe("waits 70 ms");
  });

  it("keeps at most `maxKeys` operations, and forgets those that nobody may join any more", async () => {
    const { clock, policy, runs, call } = setUp({ maxKeys: 2 });
    call("a");
    await clock.advance(50);
    call("b");
    call("c");
    call("c");
    expect([runs.length, policy.inFlight]).toEqual([4, 2]);
    await clock.advance(50);
    call("c");
    call("c");
    expect([runs.length, policy.inFlight]).toEqual([5, 2]);
  });

  it.each([
    ["a response", () => new Response("once")],
    ["a response without a body", () => new Response(null, { status: 204 })],
    ["a request", () => new Request("http://localhost/")],
    ["a stream", () => new ReadableStream()],
    ["an object with a stream as its body", () => ({ status: 200, body: new ReadableStream() })],
    ["a stream of Node's kind", () => ({ pipe: () => {} })],
    ["an iterator", () => [1, 2][Symbol.iterator]()],
  ])("does not share %s: the others run by themselves", async (_, make) => {
    const { clock, runs, run, call } = setUp();
    const calls = [call(), call(), call()];
    const values = [make(), make(), make()];
    run(0).resolve(values[0]);
    await clock.settle();
    expect(runs).toHaveLength(3);
    run(1).resolve(values[1]);
    run(2).resolve(values[2]);
    await clock.settle();
    for (const [i, each] of calls.entries()) expect(each.value).toBe(values[i]);
    expect(await heldTimers(clock)).toBe(0);
  });

  it("shares what can be read again", async () => {
    const { clock, runs, run, call } = setUp();
    const calls = [call(), call()];
    const value = { status: 200, body: new Blob(["text"]), rows: [1] };
    run(0).resolve(value);
    await clock.settle();
    expect([runs.length, ...calls.map((each) => each.value)]).toEqual([1, value, value]);
  });

  it("discards a value that is not shared when the call that it is for has left", async () => {
    const { clock, runs, run, call, discarded } = setUp({ share: () => false });
    const [first, second] = [call(), call()];
    first.leave(failure);
    run(0).resolve("not shared");
    await clock.settle();
    expect([discarded, runs.length, second.state]).toEqual([["not shared"], 2, "pending"]);
  });

  it("discards a value once when the last that waits for it leaves as it lands", async () => {
    const followers: { leave(reason: unknown): void }[] = [];
    const share = () => {
      for (const follower of followers) follower.leave(failure);
      return true;
    };
    const { clock, run, call, discarded } = setUp({ share });
    const first = call();
    followers.push(call());
    first.leave(failure);
    run(0).resolve("nobody's");
    await clock.settle();
    expect(discarded).toEqual(["nobody's"]);
  });

  it("rejects all of them with what `share` throws", async () => {
    const share = (): never => {
      throw failure;
    };
    const { clock, run, call, discarded } = setUp({ share });
    const calls = [call(), call()];
    run(0).resolve("unknown");
    await clock.settle();
    expect([calls[0]?.error, calls[1]?.error, discarded]).toEqual([failure, failure, ["unknown"]]);
  });

  it("hands on how long a policy inside will go on refusing", async () => {
    const refused: Policy = {
      kind: "refusing",
      enter: (call) => call.refuse(() => new ConcurrencyLimitError("full", 1, 0), 25),
    };
    const seen: unknown[] = [];
    const outer: Policy = { kind: "outer", leave: (call) => (seen.push(call.outcome, call.refusedForMs), "pass") };
    const guarded = pipeline("refused", outer, singleFlight({ clock: new TestClock() }), refused);
    const error = await rejectionOf(guarded.execute(() => 1, { key: "a" }));
    expect(error).toMatchObject({ code: "ERR_CONCURRENCY_LIMIT", pipeline: "refused" });
    expect(seen).toEqual(["ignored", 25]);
  });

  it("takes one permit of a limit inside for all, and ends a wait for it when all have left", async () => {
    const clock = new TestClock();
    const limit = concurrencyLimit({ maxConcurrent: 1, maxQueue: 5, clock });
    const guarded = pipeline({ name: "limited", clock }, singleFlight({ clock }), limit);
    const { operation, run } = manualOperation();
    for (let i = 0; i < 3; i++) watch(guarded.execute(operation, { key: "a" }));
    const controller = new AbortController();
    const waiting = watch(guarded.execute(operation, { key: "b", signal: controller.signal }));
    expect([limit.inUse, limit.queued]).toEqual([1, 1]);
    controller.abort(failure);
    await clock.settle();
    expect([limit.queued, waiting.error]).toEqual([0, failure]);
    run(0).resolve("done");
    await clock.settle();
    expect(limit.inUse).toBe(0);
    expect(await heldTimers(clock)).toBe(0);
  });

  it("keeps the permit that a limit outside gave the starter until its work is over", async () => {
    const clock = new TestClock();
    const limit = concurrencyLimit({ maxConcurrent: 1, clock });
    const guarded = pipeline(
      { name: "limited", clock },
      timeout({ timeoutMs: 10, clock }),
      limit,
      singleFlight({ clock }),
    );
    const { operation, run } = manualOperation();
    const call = watch(guarded.execute(operation, { key: "a" }));
    await clock.advance(10);
    expect([call.error, limit.inUse]).toMatchObject([{ code: "ERR_TIMEOUT" }, 1]);
    run(0).resolve("late");
    await clock.settle();
    expect(limit.inUse).toBe(0);
    expect(await heldTimers(clock)).toBe(0);
  });

  it("tells its starter's caller how often the operation was sent for, and a retry outside may start another", async () => {
    const clock = new TestClock();
    const events = new EventRecorder();
    const backoff = constantBackoff({ delayMs: 0 });
    const inside = pipeline(
      { name: "in", clock, observer: events.observer },
      singleFlight({ clock }),
      retry({ backoff }),
    );
    await inside.execute(failingTimes(2), { key: "a" });
    expect(events.of("pipeline.settled")).toMatchObject([{ attempts: 3 }]);
    const outside = pipeline({ name: "out", clock }, retry({ maxAttempts: 2, backoff }), singleFlight({ clock }));
    const seen: number[] = [];
    const failing = ({ attempt }: { attempt: number }) => (seen.push(attempt), Promise.reject(failure));
    const calls = [1, 2].map(() => rejectionOf(outside.execute(failing, { key: "a" })));
    expect(await Promise.all(calls)).toEqual([failure, failure]);
    expect(seen).toEqual([1, 2]);
    expect(await heldTimers(clock)).toBe(0);
  });

  itRefuses(
    [() => singleFlight({ key: "a" as never }), '`singleFlight.key` must be a function, got "a"'],
    [() => singleFlight({ share: true as never }), "`singleFlight.share` must be a function, got true"],
    [
      () => singleFlight({ maxWaitMs: 0 }),
      "`singleFlight.maxWaitMs` must be a number above 0 and at most 2147483647, got 0",
    ],
    [() => singleFlight({ maxKeys: 0 }), "`singleFlight.maxKeys` must be an integer of at least 1, got 0"],
    [
      () => singleFlight({ maxFollowers: 0.5 }),
      "`singleFlight.maxFollowers` must be an integer of at least 1, got 0.5",
    ],
  );
});
