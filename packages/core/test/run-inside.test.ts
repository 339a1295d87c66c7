import {
  type Call,
  type OperationContext,
  type OperationResult,
  type Policy,
  concurrencyLimit,
  constantBackoff,
  explain,
  pipeline,
  retry,
  runInside,
  timeout,
} from "@headgate/core";
import { EventRecorder, TestClock } from "@headgate/core/testing";
import { describe, expect, it } from "vitest";
import { heldTimers } from "./support/leftovers.ts";
import { failingTimes, manualOperation, rejectionOf, watch } from "./support/operations.ts";

/** A policy that answers each call with "at once" and runs what is inside it apart. */
function detaching() {
  const results: OperationResult<unknown>[] = [];
  const inner: Call[] = [];
  const policy: Policy = {
    kind: "detaching",
    enter(call, at) {
      inner.push(runInside(call, at, (result) => results.push(result)));
      call.conclude("success", false, "at once");
      return "end";
    },
  };
  return { policy, inner, results };
}

/** A policy that writes down each of its steps. */
function tracing(name: string, log: string[]): Policy {
  return {
    kind: name,
    enter: () => (log.push(`${name} down`), "pass"),
    leave: ({ outcome }) => (log.push(`${name} up ${outcome}`), "pass"),
  };
}

describe("what a policy runs inside itself, apart from the call", () => {
  it("goes through the policies inside, and leaves those further out alone", async () => {
    const log: string[] = [];
    const { policy, results } = detaching();
    const guarded = pipeline("parts", tracing("outer", log), policy, tracing("inner", log));
    expect(await guarded.execute(async () => 1)).toBe("at once");
    expect(log).toEqual(["outer down", "inner down", "outer up success", "inner up success"]);
    expect(results).toEqual([{ ok: true, value: 1, outcome: "success" }]);
  });

  it("is settled when it comes back, where nothing inside had to wait", async () => {
    const { policy, inner, results } = detaching();
    await pipeline("sync", policy).execute(() => 1);
    expect(inner[0]?.phase).toBe("done");
    expect(results).toHaveLength(1);
  });

  it("goes on when the caller leaves and when the call's time is up", async () => {
    const clock = new TestClock();
    const { policy, results } = detaching();
    const guarded = pipeline({ name: "outlasting", clock }, timeout({ timeoutMs: 10, clock }), policy);
    const { operation, runs, run } = manualOperation();
    const controller = new AbortController();
    await guarded.execute(operation, { signal: controller.signal, deadline: 5 });
    controller.abort();
    await clock.advance(20);
    expect(runs[0]?.context.signal.aborted).toBe(false);
    expect(runs[0]?.context.deadline).toBe(Number.POSITIVE_INFINITY);
    run(0).resolve("done");
    await clock.settle();
    expect(results).toEqual([{ ok: true, value: "done", outcome: "success" }]);
    expect(await heldTimers(clock)).toBe(0);
  });

  it("ends when it is cut: permits come back, the operation is told, its late value is discarded", async () => {
    const clock = new TestClock();
    const { policy, inner, results } = detaching();
    const limit = concurrencyLimit({ maxConcurrent: 1, clock });
    const discarded: unknown[] = [];
    const { operation, runs, run } = manualOperation();
    const guarded = pipeline({ name: "cut", clock }, policy, limit);
    await guarded.execute(operation, { discard: (value) => discarded.push(value) });
    const reason = new Error("not wanted any more");
    inner[0]?.cut(-1, "ignored", reason);
    expect(runs[0]?.context.signal.reason).toBe(reason);
    expect(results).toEqual([{ ok: false, error: reason, outcome: "ignored" }]);
    expect(limit.inUse).toBe(1);
    run(0).resolve("late");
    await clock.settle();
    expect([limit.inUse, discarded]).toEqual([0, ["late"]]);
  });

  it("keeps the call's judgement, key and count of attempts", async () => {
    const attempts: number[] = [];
    const backoff = constantBackoff({ delayMs: 0 });
    const { policy, results, inner } = detaching();
    const failing = failingTimes(1);
    const operation = (context: OperationContext) => (attempts.push(context.attempt), failing(context));
    const guarded = pipeline("kept", policy, retry({ maxAttempts: 2, backoff }));
    await guarded.execute(operation, { key: "a", isFailure: (value) => value === "done" });
    expect(attempts).toEqual([1, 2]);
    expect(inner[0]?.options.key).toBe("a");
    expect(results).toEqual([{ ok: true, value: "done", outcome: "failure" }]);
  });

  it("notes what its attempts ended with for itself, and not for the call that goes on beside it", async () => {
    const atOnce = constantBackoff({ delayMs: 0 });
    const ends = [new Error("first"), new Error("last")];
    const policy: Policy = {
      kind: "detaching",
      enter(call, at) {
        runInside(call, at, () => {});
        call.conclude("failure", true, ends[call.attempt - 1]);
        return "end";
      },
    };
    const twice = () => retry({ maxAttempts: 2, backoff: atOnce });
    const guarded = pipeline({ name: "beside", checkOrder: false }, twice(), policy, twice());
    const error = await rejectionOf(guarded.execute(failingTimes(9, new Error("inside"))));
    expect(error).toBe(ends[1]);
    expect(explain(error)).toMatchObject({ earlier: [ends[0]] });
  });

  it("tells the observer what the policies do, but is no call of its own", async () => {
    const events = new EventRecorder();
    const { policy, results } = detaching();
    const guarded = pipeline(
      { name: "told", observer: events.observer },
      policy,
      retry({ maxAttempts: 2, backoff: constantBackoff({ delayMs: 0 }) }),
    );
    const call = watch(guarded.execute(failingTimes(1)));
    await new TestClock().settle();
    expect([call.value, results[0]?.ok]).toEqual(["at once", true]);
    expect(events.types).toEqual(["retry.scheduled", "pipeline.settled"]);
  });
});
