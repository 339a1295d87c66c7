// Code of users that throws where nobody expects it: the call ends all the same, and nothing is kept.
import { concurrencyLimit, pipeline, type Policy } from "@headgate/core";
import { describe, expect, it } from "vitest";
import { failingTimes, rejectionOf, watch } from "./support/operations.ts";

describe("code that throws out of turn", () => {
  it("ends a call although the policy that has parked it throws from `interrupt`", async () => {
    const told: string[] = [];
    const outer: Policy = { kind: "outer", enter: () => "pass", leave: (call) => (told.push(call.outcome), "pass") };
    const parks: Policy = {
      kind: "parks",
      enter: () => "park",
      leave: () => "pass",
      interrupt() {
        throw new Error("broken");
      },
    };
    // A user-written policy that ends the call from outside, so that the exception lands here and not in an event target.
    let cut = () => {};
    const cutter: Policy = {
      kind: "cutter",
      cuts: true,
      enter(call, at) {
        cut = () => call.cut(at, "ignored", "ended");
        return "pass";
      },
      leave: () => "pass",
    };
    const call = watch(pipeline("a", outer, cutter, parks).execute(() => 1));
    cut();
    await Promise.resolve();
    expect(call.error).toBe("ended");
    expect(told).toEqual(["ignored"]);
  });

  it("runs an operation once for a policy that lets go of the call before it has parked it", async () => {
    const hasty: Policy = { kind: "hasty", enter: (call, at) => (call.resume(at), "pass") };
    const operation = failingTimes(0);
    expect(await pipeline("a", hasty).execute(operation)).toBe("done");
    expect(operation.runs).toBe(1);
  });

  it("gives the permit back when reading `then` of what the operation returned throws", async () => {
    const limit = concurrencyLimit({ maxConcurrent: 1 });
    const failure = new Error("getter");
    const hostile = new Proxy(
      {},
      {
        get() {
          throw failure;
        },
      },
    );
    expect(await rejectionOf(pipeline("a", limit).execute(() => hostile))).toBe(failure);
    expect(limit.inUse).toBe(0);
  });
});
