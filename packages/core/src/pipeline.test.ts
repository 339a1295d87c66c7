import { type Call, type Policy, constantBackoff, pipeline, retry, timeout } from "@headgate/core";
import { EventRecorder, TestClock } from "@headgate/core/testing";
import { describe, expect, it } from "vitest";
import { heldTimers } from "../test/support/leftovers.ts";
import { failingTimes, manualOperation, rejectionOf, watch } from "../test/support/operations.ts";
import { itRefuses } from "../test/support/options.ts";

const failure = new Error("down");
const another = new Error("another");

/** A policy that writes down each of its steps, and how the call came up. */
function tracing(name: string, log: string[]): Policy {
  return {
    kind: name,
    enter() {
      log.push(`${name} down`);
      return "pass";
    },
    leave(call) {
      log.push(`${name} up ${call.outcome}`);
      return "pass";
    },
  };
}

/** A policy that parks each call on the way down until the test lets go of it. */
function gate() {
  const parked: { call: Call; at: number }[] = [];
  const interrupted: Call[] = [];
  const policy: Policy = {
    kind: "gate",
    enter(call, at) {
      parked.push({ call, at });
      return "park";
    },
    leave: () => "pass",
    interrupt(call) {
      interrupted.push(call);
    },
  };
  return { policy, parked, interrupted };
}

describe("pipeline", () => {
  it("runs the operation and nothing else when it has no policies", async () => {
    const bare = pipeline("bare");
    expect(await bare.execute(() => 1)).toBe(1);
    expect(await bare.execute(async ({ attempt }) => attempt)).toBe(1);
    expect(await rejectionOf(bare.execute(() => Promise.reject(failure)))).toBe(failure);
  });

  it("sends a call down from the outermost policy and up from the innermost", async () => {
    const log: string[] = [];
    const traced = pipeline("traced", tracing("outer", log), tracing("inner", log));
    await traced.execute(() => void log.push("operation"));
    expect(log).toEqual(["outer down", "inner down", "operation", "inner up success", "outer up success"]);
  });

  it("runs the operation's first part before it returns when nothing has to wait", () => {
    const { operation, runs } = manualOperation();
    void pipeline("at once", timeout({ clock: new TestClock() }), retry()).execute(operation);
    expect(runs).toHaveLength(1);
  });

  it("passes every kind of value and of error on, unchanged", async () => {
    const guarded = pipeline("plain", timeout({ clock: new TestClock() }));
    for (const value of [undefined, null, 0, "", { data: 1 }, () => 1])
      expect(await guarded.execute(() => value)).toBe(value);
    for (const error of [undefined, null, 0, "text", { name: "AbortError" }])
      expect(await rejectionOf(guarded.execute(() => Promise.reject(error as Error)))).toBe(error);
  });

  it("takes a pipeline among its policies for those policies", async () => {
    const log: string[] = [];
    const inner = pipeline("inner", tracing("b", log), tracing("c", log));
    const outer = pipeline("outer", tracing("a", log), inner, tracing("d", log));
    expect(outer.policies.map(({ kind }) => kind)).toEqual(["a", "b", "c", "d"]);
    await outer.execute(() => 1);
    expect(log.slice(0, 4)).toEqual(["a down", "b down", "c down", "d down"]);
    expect(await inner.execute(() => "by itself")).toBe("by itself");
  });

  it("tells each policy the outcome exactly once for each time it let the call through", async () => {
    const log: string[] = [];
    const backoff = constantBackoff({ delayMs: 0 });
    const guarded = pipeline("counted", tracing("outer", log), retry({ backoff }), tracing("inner", log));
    await guarded.execute(failingTimes(1));
    expect(log).toEqual([
      "outer down",
      "inner down",
      "inner up failure",
      "inner down",
      "inner up success",
      "outer up success",
    ]);
  });

  it("tells the policies further out what a policy has made of the outcome", async () => {
    const log: string[] = [];
    const fallback: Policy = {
      kind: "fallback",
      failuresOnly: true,
      leave(call) {
        call.conclude("success", false, "instead");
        return "pass";
      },
    };
    const guarded = pipeline("replaced", tracing("outer", log), fallback, tracing("inner", log));
    expect(await guarded.execute(() => Promise.reject(failure))).toBe("instead");
    expect(log.slice(2)).toEqual(["inner up failure", "outer up success"]);
    expect(await guarded.execute(() => "itself")).toBe("itself");
  });

  it("ends a call on the way down when a policy says so, without the policies inside", async () => {
    const log: string[] = [];
    const cache: Policy = {
      kind: "cache",
      enter(call) {
        call.conclude("success", false, "cached");
        return "end";
      },
      leave: () => expect.unreachable(),
    };
    const guarded = pipeline("cached", tracing("outer", log), cache, tracing("inner", log));
    expect(await guarded.execute(() => expect.unreachable())).toBe("cached");
    expect(log).toEqual(["outer down", "outer up success"]);
  });

  it("goes on with a parked call when its policy resumes it, once", async () => {
    const { policy, parked } = gate();
    const { operation, runs, run } = manualOperation();
    const call = watch(pipeline("parked", policy).execute(operation));
    expect(runs).toHaveLength(0);
    parked[0]?.call.resume(0);
    parked[0]?.call.resume(0);
    parked[0]?.call.finish(0);
    expect(runs).toHaveLength(1);
    run(0).resolve("done");
    await new TestClock().settle();
    expect(call.value).toBe("done");
  });

  it("interrupts a policy that has parked a call which is ended from further out, and forgets it", async () => {
    const clock = new TestClock();
    const log: string[] = [];
    const { policy, parked, interrupted } = gate();
    const guarded = pipeline("cut", tracing("outer", log), timeout({ timeoutMs: 10, clock }), policy);
    const call = watch(guarded.execute(() => expect.unreachable()));
    await clock.advance(10);
    expect(call.error).toMatchObject({ code: "ERR_TIMEOUT" });
    expect(interrupted).toEqual([parked[0]?.call]);
    expect(log).toEqual(["outer down", "outer up dropped"]);
    parked[0]?.call.resume(2);
    await clock.settle();
    expect(await heldTimers(clock)).toBe(0);
  });

  it("keeps what each policy remembers of a call apart, and forgets it when the call is sent down again", async () => {
    const seen: unknown[] = [];
    const remembering = (name: string): Policy => ({
      kind: name,
      enter(call, at) {
        seen.push(call.recall(at));
        call.keep(at, `${name}${call.attempt}`);
        return "pass";
      },
      leave(call, at) {
        seen.push(call.recall(at));
        return "pass";
      },
    });
    const again = retry({ maxAttempts: 2, backoff: constantBackoff({ delayMs: 0 }) });
    const guarded = pipeline("memory", remembering("a"), again, remembering("b"), remembering("c"));
    await rejectionOf(guarded.execute(() => Promise.reject(failure)));
    expect(seen).toEqual([undefined, undefined, undefined, "c1", "b1", undefined, undefined, "c2", "b2", "a1"]);
  });

  it.each(["enter", "leave"] as const)(
    "rejects with what the `%s` of a policy throws, and tells the others",
    async (step) => {
      const log: string[] = [];
      const broken: Policy = {
        kind: "broken",
        enter: () => "pass",
        leave: () => "pass",
        [step]: () => {
          throw failure;
        },
      };
      const guarded = pipeline("broken", tracing("outer", log), broken);
      expect(await rejectionOf(guarded.execute(() => 1))).toBe(failure);
      expect(await rejectionOf(guarded.execute(async () => 1))).toBe(failure);
      expect(log).toEqual(["outer down", "outer up failure", "outer down", "outer up failure"]);
    },
  );

  it("rejects with what `isFailure` or `isOverload` throws", async () => {
    const predicate = () => {
      throw failure;
    };
    const bare = pipeline("bare");
    for (const operation of [() => 1, async () => 1]) {
      expect(await rejectionOf(bare.execute(operation, { isFailure: predicate }))).toBe(failure);
      expect(await rejectionOf(bare.execute(operation, { isOverload: predicate }))).toBe(failure);
    }
    expect(await rejectionOf(bare.execute(() => Promise.reject(another), { isOverload: predicate }))).toBe(failure);
  });

  it("asks `isIgnored` first, about values and errors, and does not retry what says nothing", async () => {
    const log: string[] = [];
    const guarded = pipeline(
      { name: "ignored", isIgnored: (result) => result === failure || result === 400 },
      retry(),
      tracing("a", log),
    );
    const operation = failingTimes(1, failure);
    expect(await rejectionOf(guarded.execute(operation, { isOverload: () => true }))).toBe(failure);
    expect(operation.runs).toBe(1);
    expect(await guarded.execute(() => 400, { isFailure: () => true })).toBe(400);
    expect(log.filter((line) => line.includes("up"))).toEqual(["a up ignored", "a up ignored"]);
  });

  it("asks `isOverload` about errors too, and about overload before failure", async () => {
    const log: string[] = [];
    const guarded = pipeline("judged", tracing("policy", log));
    await rejectionOf(guarded.execute(() => Promise.reject(failure), { isOverload: (result) => result === failure }));
    await guarded.execute(() => 503, { isOverload: () => true, isFailure: () => true });
    expect(log.filter((line) => line.includes("up"))).toEqual(["policy up dropped", "policy up dropped"]);
  });

  it("judges and discards as its options say where the call does not", async () => {
    const discarded: unknown[] = [];
    const own = {
      name: "judging",
      isFailure: (value: unknown) => value === "bad",
      discard: (value: unknown) => discarded.push(value),
    };
    const values = ["bad", "bad", "good"];
    const guarded = pipeline(own, retry({ maxAttempts: 2, backoff: constantBackoff({ delayMs: 0 }) }));
    expect(await guarded.execute(() => values.shift())).toBe("bad");
    expect(await guarded.execute(() => "bad", { isFailure: () => false })).toBe("bad");
    expect([values, discarded]).toEqual([["good"], ["bad"]]);
  });

  it("tells its observer how each call ended", async () => {
    const clock = new TestClock();
    const { observer, events } = new EventRecorder();
    const guarded = pipeline({ name: "told", observer, clock });
    await guarded.execute(() => 1);
    const slow = watch(guarded.execute(() => clock.sleep(25).then(() => Promise.reject(failure))));
    await clock.advance(25);
    const reason = new Error("left");
    await rejectionOf(guarded.execute(() => 1, { signal: AbortSignal.abort(reason) }));
    expect(slow.error).toBe(failure);
    const settled = { type: "pipeline.settled", pipeline: "told", attempts: 1, durationMs: 0, error: undefined };
    expect(events).toEqual([
      { ...settled, outcome: "success" },
      { ...settled, outcome: "failure", error: failure, durationMs: 25 },
      { ...settled, outcome: "ignored", error: reason },
    ]);
  });

  it("does not let an observer that throws change a call", async () => {
    const observer = () => {
      throw failure;
    };
    expect(await pipeline({ name: "told", observer }, retry()).execute(() => 1)).toBe(1);
  });

  it("refuses a policy that stands twice in it, also by way of a pipeline among its policies", () => {
    const same = timeout();
    expect(() => pipeline("a", same, retry(), pipeline("b", same))).toThrow(
      /^`pipeline\("a"\) policy 3` must be used once in a pipeline, got "?timeout a second time/,
    );
  });

  itRefuses(
    [() => pipeline(""), '`pipeline.name` must be a string that is not empty, got ""'],
    [() => pipeline({ name: "a", observer: {} as never }), "`pipeline.observer` must be a function, got an object"],
    [() => pipeline("a", retry(), {} as never), '`pipeline("a") policy 2` must be a policy, got an object'],
    [() => pipeline("a", undefined as never), '`pipeline("a") policy 1` must be a policy, got undefined'],
  );
});
