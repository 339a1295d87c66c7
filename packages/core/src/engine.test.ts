import { type Call, constantBackoff, pipeline, type Policy, retry } from "@headgate/core";
import { describe, expect, it } from "vitest";
import { failingTimes, rejectionOf } from "../test/support/operations.ts";

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
