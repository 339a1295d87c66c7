import {
  type CircuitBreaker,
  type ConcurrencyLimit,
  explain,
  fixedLimit,
  isHeadgateError,
  PolicyOrderError,
  standardPipeline,
  type StandardPipelineOptions,
} from "@headgate/core";
import { SeededRandom, TestClock } from "@headgate/core/testing";
import { describe, expect, it } from "vitest";
import { heldTimers } from "../test/support/leftovers.ts";
import { failingTimes, manualOperation, rejectionOf, watch } from "../test/support/operations.ts";

const kinds = (options: Partial<StandardPipelineOptions> = {}): string[] =>
  standardPipeline({ name: "users", ...options }).policies.map(({ kind }) => kind);

describe("standardPipeline", () => {
  it("stands in the order that is right for a remote call", () => {
    expect(kinds()).toEqual(["timeout", "retry", "circuit-breaker", "concurrency-limit", "timeout"]);
    const everything: Partial<StandardPipelineOptions> = {
      fallback: { handlers: [() => 1] },
      rateLimit: { limit: 10 },
      hedge: { delayMs: 50 },
      adaptiveThrottle: {},
      chaos: { rate: 0, inject: { type: "failure" } },
    };
    expect(kinds(everything)).toEqual([
      "fallback",
      "timeout",
      "rate-limit",
      "retry",
      "hedge",
      "adaptive-throttle",
      "circuit-breaker",
      "concurrency-limit",
      "timeout",
      "chaos",
    ]);
  });

  it("leaves out what is not wanted", () => {
    expect(kinds({ retry: false, circuitBreaker: false })).toEqual(["timeout", "concurrency-limit", "timeout"]);
    expect(kinds({ concurrencyLimit: false })).toEqual(["timeout", "retry", "circuit-breaker", "timeout"]);
  });

  it("gives every part the pipeline's name", () => {
    const named = standardPipeline({ name: "users", rateLimit: { limit: 1 } }).policies;
    expect(named.flatMap((policy) => ("name" in policy ? [policy.name] : []))).toEqual(["users", "users", "users"]);
  });

  it("takes the options of a part", () => {
    const { policies } = standardPipeline({ name: "users", concurrencyLimit: { maxConcurrent: 7 } });
    expect(policies.find(({ kind }) => kind === "concurrency-limit")).toMatchObject({ maxConcurrent: 7 });
  });

  it("finds its limit by itself unless it is given one", () => {
    const limitOf = (options?: StandardPipelineOptions["concurrencyLimit"]) => {
      const { policies } = standardPipeline({ name: "users", ...(options && { concurrencyLimit: options }) });
      return policies.find(({ kind }) => kind === "concurrency-limit");
    };
    expect(limitOf()).toMatchObject({ algorithm: { kind: "knee" } });
    expect(limitOf({ limit: fixedLimit({ limit: 5 }) })).toMatchObject({
      algorithm: { kind: "fixed" },
      maxConcurrent: 5,
    });
    expect(limitOf({ maxConcurrent: 7 })).not.toHaveProperty("algorithm");
  });

  it("gives retry and hedge one budget, or none", () => {
    const budgets = (retryBudget?: false) =>
      standardPipeline({ name: "users", hedge: {}, ...(retryBudget === false && { retryBudget }) }).policies.flatMap(
        (policy) => ("budget" in policy ? [policy.budget] : []),
      );
    const [first, second] = budgets();
    expect(first).toBeDefined();
    expect(second).toBe(first);
    expect(budgets(false)).toEqual([undefined, undefined]);
  });

  it("refuses an attempt timeout that is not shorter than the total one", () => {
    expect(() => standardPipeline({ name: "users", totalTimeoutMs: 100, attemptTimeoutMs: 100 })).toThrow(
      PolicyOrderError,
    );
  });

  it("names the option of a part that is out of bounds", () => {
    expect(() => standardPipeline({ name: "users", retry: { maxAttempts: 0 } })).toThrow("`retry.maxAttempts`");
    expect(() => standardPipeline({ name: "" })).toThrow("`standardPipeline.name`");
  });

  it("tries again in virtual time, and hands on what came", async () => {
    const clock = new TestClock();
    const call = watch(
      standardPipeline({ name: "users", clock, random: new SeededRandom(1) }).execute(failingTimes(2)),
    );
    await clock.advance(1000);
    expect(call.value).toBe("done");
    expect(await heldTimers(clock)).toBe(0);
  });

  it("ends a hanging attempt after a third of the time, and the call when its time is up", async () => {
    const clock = new TestClock();
    const { operation, runs } = manualOperation();
    const guarded = standardPipeline({ name: "users", totalTimeoutMs: 3000, clock, random: new SeededRandom(1) });
    const call = watch(guarded.execute(operation));
    await clock.advance(1000);
    expect(isHeadgateError(runs[0]?.context.signal.reason)).toBe(true);
    await clock.advance(2000);
    expect(call.error).toMatchObject({ code: "ERR_TIMEOUT", scope: "total", timeoutMs: 3000 });
    expect(explain(call.error)?.attempts).toBeGreaterThanOrEqual(2);
    for (const run of runs) run.resolve("late");
    expect(await heldTimers(clock)).toBe(0);
    const limit = guarded.policies.find((policy): policy is ConcurrencyLimit => policy.kind === "concurrency-limit");
    expect(limit?.inUse).toBe(0);
  });

  it("opens its circuit when half of ten calls failed", async () => {
    const clock = new TestClock();
    const guarded = standardPipeline({ name: "users", retry: false, clock });
    const breaker = guarded.policies.find((policy): policy is CircuitBreaker => policy.kind === "circuit-breaker");
    for (let i = 0; i < 10; i++) {
      expect(breaker?.state).toBe("closed");
      if (i % 2 === 0) await guarded.execute(() => 1);
      else await rejectionOf(guarded.execute(() => Promise.reject(new Error("down"))));
    }
    expect(breaker?.state).toBe("open");
  });
});
