import { type Call, constantBackoff, pipeline, type Policy, retry } from "@headgate/core";
import { TestClock } from "@headgate/core/testing";
import { describe, expect, it } from "vitest";
import { failingTimes, manualOperation, rejectionOf } from "../test/support/operations.ts";

describe("a call that is ended from within a step", () => {
  it("goes up from the policy that ends it before it runs again, and those inside are told of the end", async () => {
    const told: [string, string, boolean, boolean][] = [];
    const telling = (kind: string): Policy => ({
      kind,
      leave: (call) => (told.push([kind, call.outcome, call.threw, call.cutting]), "pass"),
    });
    let cut: ((error: Error) => void) | undefined;
    const cutter: Policy = {
      kind: "cutter",
      enter: (call: Call, at) => ((cut = (error) => call.cut(at, "dropped", error)), "pass"),
    };
    const ended = new Error("ended");
    const guarded = pipeline(
      { name: "ended", observer: ({ type }) => type === "retry.scheduled" && cut?.(ended) },
      telling("outer"),
      cutter,
      telling("between"),
      retry({ backoff: constantBackoff({ delayMs: 0 }) }),
    );
    const operation = failingTimes(9);
    expect(await rejectionOf(guarded.execute(operation))).toBe(ended);
    expect(operation.runs).toBe(1);
    expect(told).toEqual([
      ["between", "dropped", true, true],
      ["outer", "dropped", true, false],
    ]);
    expect(guarded.inFlight).toBe(0);
  });

  it("tells every policy of the end when its caller leaves before it runs again", async () => {
    const told: [string, boolean][] = [];
    const telling = (kind: string): Policy => ({ kind, leave: (call) => (told.push([kind, call.cutting]), "pass") });
    const controller = new AbortController();
    const guarded = pipeline(
      { name: "left", observer: ({ type }) => type === "retry.scheduled" && controller.abort("left") },
      telling("outer"),
      telling("inner"),
      retry({ backoff: constantBackoff({ delayMs: 0 }) }),
    );
    const operation = failingTimes(9);
    expect(await rejectionOf(guarded.execute(operation, { signal: controller.signal }))).toBe("left");
    expect(operation.runs).toBe(1);
    expect(told).toEqual([
      ["inner", true],
      ["outer", true],
    ]);
  });

  it("ends without running again when that policy is the outermost one", async () => {
    let cut: ((error: Error) => void) | undefined;
    const cutter: Policy = {
      kind: "cutter",
      enter: (call, at) => ((cut = (error) => call.cut(at, "dropped", error)), "pass"),
    };
    const ended = new Error("ended");
    const guarded = pipeline(
      { name: "ended", observer: ({ type }) => type === "retry.scheduled" && cut?.(ended) },
      cutter,
      retry({ backoff: constantBackoff({ delayMs: 0 }) }),
    );
    const operation = failingTimes(9);
    expect(await guarded.attempt(operation)).toEqual({ ok: false, error: ended, outcome: "dropped" });
    expect(operation.runs).toBe(1);
  });
});

describe("calls that overlap", () => {
  it("remember apart what several policies have kept of each", async () => {
    const recalled: unknown[][] = [[], [], []];
    const keeper = (index: number): Policy => ({
      kind: "keeper",
      enter: (call, at) => (call.keep(at, `${call.options.key}${index}`), "pass"),
      leave: (call, at) => (recalled[index]?.push(call.recall(at)), "pass"),
    });
    const guarded = pipeline("kept", keeper(0), keeper(1), keeper(2));
    const { operation, run } = manualOperation();
    const calls = ["a", "b"].map((key) => guarded.execute(operation, { key }));
    run(1).resolve("done");
    await calls[1];
    run(0).resolve("done");
    await calls[0];
    expect(recalled).toEqual([
      ["b0", "a0"],
      ["b1", "a1"],
      ["b2", "a2"],
    ]);
  });
});

describe("a call that several end from within one step", () => {
  it.each([
    [[0, 1], 0],
    [[1, 0], 0],
    [[1, 1], 1],
  ])("is ended by the outermost of %j: the policy at %d", async (order, winner) => {
    let made: Call | undefined;
    const policies = [0, 1].map((): Policy => ({ kind: "cutter", enter: (call) => ((made = call), "pass") }));
    const guarded = pipeline("cut", ...policies);
    const operation = () => {
      order.forEach((at, i) => made?.cut(at, "dropped", { at, i }));
      return new Promise(() => {});
    };
    const { ok, outcome, ...rest } = await guarded.attempt(operation);
    expect([ok, outcome]).toEqual([false, "dropped"]);
    expect(rest).toEqual({ error: { at: winner, i: order.indexOf(winner) } });
  });

  it("is ignored when its caller leaves before it runs again", async () => {
    const controller = new AbortController();
    const outcomes: string[] = [];
    const looker: Policy = { kind: "looker", leave: (call) => (outcomes.push(call.outcome), "pass") };
    const observer = ({ type }: { type: string }) => type === "retry.scheduled" && controller.abort("left");
    const again = retry({ backoff: constantBackoff({ delayMs: 0 }) });
    const guarded = pipeline({ name: "left", observer }, looker, again);
    const operation = failingTimes(9);
    const result = await guarded.attempt(operation, { signal: controller.signal });
    expect(result).toEqual({ ok: false, error: "left", outcome: "ignored" });
    expect(operation.runs).toBe(1);
    expect(outcomes).toEqual(["ignored"]);
  });
});

describe("a call whose caller has no time or interest left", () => {
  it("counts as ignored", async () => {
    const guarded = pipeline({ name: "late", clock: new TestClock(10) });
    expect(await guarded.attempt(() => 1, { deadline: 10 })).toMatchObject({ ok: false, outcome: "ignored" });
    const controller = new AbortController();
    const leaving = () => (controller.abort("left"), new Promise(() => {}));
    const left = await guarded.attempt(leaving, { signal: controller.signal });
    expect(left).toEqual({ ok: false, error: "left", outcome: "ignored" });
  });

  it("is told when its deadline is no time", async () => {
    const error = await rejectionOf(pipeline("nan").execute(() => 1, { deadline: Number.NaN }));
    expect(error).toMatchObject({ message: "`execute.deadline` must be a time on the pipeline's clock, got NaN" });
  });
});

describe("what throws while a result is judged", () => {
  it.each(["isFailure", "isOverload", "isIgnored"])("makes a failure of the call: `%s`", async (name) => {
    const error = new Error("predicate");
    const predicate = () => {
      throw error;
    };
    const result = await pipeline("judged").attempt(() => 1, { [name]: predicate });
    expect(result).toEqual({ ok: false, error, outcome: "failure" });
  });
});
