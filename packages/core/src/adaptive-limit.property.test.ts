import {
  adaptiveLimit,
  aimdLimit,
  gradientLimit,
  kneeLimit,
  type Limit,
  pipeline,
  timeout,
  vegasLimit,
} from "@headgate/core";
import { TestClock } from "@headgate/core/testing";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { heldTimers } from "../test/support/leftovers.ts";
import { manualOperation, watch } from "../test/support/operations.ts";
import { propertyRuns, propertyTimeoutMs } from "../test/support/property-runs.ts";

const algorithms = {
  knee: () => kneeLimit({ initialLimit: 3, maxLimit: 8 }),
  vegas: () => vegasLimit({ initialLimit: 3, maxLimit: 8, windowMs: 50 }),
  gradient: () => gradientLimit({ initialLimit: 3, minLimit: 1, maxLimit: 8, windowMs: 50 }),
  aimd: () => aimdLimit({ initialLimit: 3, maxLimit: 8 }),
} satisfies Record<string, () => Limit>;

const command = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("start" as const), weight: fc.constantFrom(1, 1, 1, 2, 9) }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("settle" as const), index: fc.nat(30), fails: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("abort" as const), index: fc.nat(30) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("advance" as const), ms: fc.nat(400) }) },
);

const sample = fc.record({
  afterMs: fc.double({ min: -10, max: 3000, noNaN: true }),
  latencyMs: fc.double({ min: 0, max: 5000, noNaN: true }),
  inFlight: fc.nat(2000),
  outcome: fc.constantFrom("success" as const, "success" as const, "failure" as const, "dropped" as const),
  full: fc.boolean(),
  times: fc.integer({ min: 1, max: 60 }),
});

describe("adaptiveLimit", () => {
  it.each(Object.entries(algorithms))(
    "never starts a call beyond the limit of the moment, and gets every permit back: %s",
    async (_, algorithm) => {
      await fc.assert(
        fc.asyncProperty(fc.array(command, { maxLength: 60 }), async (commands) => {
          const clock = new TestClock();
          const limit = adaptiveLimit({ limit: algorithm(), clock, maxQueue: 4, maxWaitMs: 300 });
          const guarded = pipeline({ name: "calls", clock }, limit, timeout({ timeoutMs: 500, clock }));
          const { operation, runs } = manualOperation();
          const calls: { controller: AbortController; state: () => string }[] = [];
          for (const each of commands) {
            if (each.kind === "start") {
              const controller = new AbortController();
              const before = limit.inUse;
              const call = watch(guarded.execute(operation, { signal: controller.signal, weight: each.weight }));
              calls.push({ controller, state: () => call.state });
              // Within the limit, or alone.
              if (limit.inUse > before) expect(limit.inUse <= limit.maxConcurrent || before === 0).toBe(true);
            } else if (each.kind === "settle") {
              if (each.fails) runs[each.index]?.reject(new Error("down"));
              else runs[each.index]?.resolve("done");
            } else if (each.kind === "abort") calls[each.index]?.controller.abort();
            else await clock.advance(each.ms);
            await clock.settle();
            expect(limit.inUse).toBeGreaterThanOrEqual(0);
            expect(limit.queued).toBeLessThanOrEqual(4);
          }
          for (const run of runs) run.resolve("done");
          await clock.advance(1000);
          // Those who waited may have started only now.
          for (const run of runs) run.resolve("done");
          await clock.advance(1000);
          expect(calls.map(({ state }) => state())).not.toContain("pending");
          expect(limit).toMatchObject({ inUse: 0, queued: 0, abandoned: 0 });
          expect(await heldTimers(clock)).toBe(0);
        }),
        propertyRuns(0.005),
      );
    },
    propertyTimeoutMs,
  );

  it.each([
    ["knee", () => kneeLimit({ maxLimit: 500 }), 0],
    ["vegas", () => vegasLimit({ maxLimit: 500 }), 1],
    ["gradient", () => gradientLimit({ minLimit: 2, maxLimit: 500 }), 2],
    ["aimd", () => aimdLimit({ maxLimit: 500 }), 1],
  ] as const)(
    "keeps the limit a number within its bounds, whatever it is told: %s",
    (_, make, least) => {
      fc.assert(
        fc.property(fc.array(sample, { maxLength: 60 }), (samples) => {
          const limit: Limit = make();
          let nowMs = 0;
          let within = true;
          for (const { afterMs, latencyMs, inFlight, outcome, full, times } of samples) {
            for (let i = 0; i < times; i++) {
              nowMs += afterMs;
              limit.observe({ startMs: nowMs - latencyMs, endMs: nowMs, inFlight, outcome });
              if (full) limit.full?.(nowMs, inFlight);
              // Written so that it is false for what is no number.
              within &&= limit.limit >= least && limit.limit <= 500;
            }
          }
          expect(within).toBe(true);
        }),
        propertyRuns(0.03),
      );
    },
    propertyTimeoutMs,
  );

  it(
    "knee: lets somebody through again within its longest pause, whatever has happened",
    () => {
      fc.assert(
        fc.property(fc.array(sample, { maxLength: 60 }), (samples) => {
          const limit = kneeLimit();
          let nowMs = 0;
          for (const { afterMs, latencyMs, inFlight, outcome, times } of samples)
            for (let i = 0; i < times; i++) {
              nowMs += Math.max(0, afterMs);
              limit.observe({ startMs: nowMs - latencyMs, endMs: nowMs, inFlight, outcome });
            }
          limit.full?.(nowMs + 10_000, 0);
          expect(limit.limit).toBeGreaterThanOrEqual(1);
        }),
        propertyRuns(0.03),
      );
    },
    propertyTimeoutMs,
  );
});
