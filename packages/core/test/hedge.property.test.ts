// Many calls with hedges at random: latencies, failures, aborts, a small limit, a small budget. The books must balance, and every
// value must go to its caller or be discarded.
import { concurrencyLimit, hedge, type OperationContext, pipeline, retry, retryBudget, timeout } from "@headgate/core";
import { SeededRandom, TestClock } from "@headgate/core/testing";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { heldTimers } from "./support/leftovers.ts";
import { watch } from "./support/operations.ts";
import { propertyRuns, propertyTimeoutMs } from "./support/property-runs.ts";

const settings = fc.record({
  delayMs: fc.constantFrom(undefined, 1, 5, 20),
  maxAttempts: fc.integer({ min: 2, max: 4 }),
  permits: fc.integer({ min: 1, max: 6 }),
  tries: fc.integer({ min: 1, max: 3 }),
  minPerSecond: fc.constantFrom(0, 1, 100),
  attemptTimeoutMs: fc.constantFrom(25, 200),
});

const someCall = fc.record({
  startMs: fc.nat(100),
  abortMs: fc.option(fc.nat(60), { nil: undefined }),
  leftMs: fc.option(fc.integer({ min: 1, max: 80 }), { nil: undefined }),
  /** What each of its attempts does, in turn. */
  attempts: fc.array(
    fc.record({
      ms: fc.oneof(fc.constant(0), fc.nat(50), fc.constant(400)),
      fails: fc.boolean(),
      heeds: fc.boolean(),
    }),
    { minLength: 1, maxLength: 4 },
  ),
});

describe("hedge", () => {
  it("loses neither permits nor values, whatever happens", { timeout: propertyTimeoutMs }, async () => {
    await fc.assert(
      fc.asyncProperty(settings, fc.array(someCall, { minLength: 1, maxLength: 8 }), async (options, calls) => {
        const clock = new TestClock();
        const { delayMs, maxAttempts, permits, tries, minPerSecond, attemptTimeoutMs } = options;
        const limit = concurrencyLimit({ maxConcurrent: permits, maxQueue: 3, maxWaitMs: 30, clock });
        const budget = retryBudget({ minPerSecond, clock });
        const guarded = pipeline(
          { name: "random", clock, checkOrder: false },
          timeout({ timeoutMs: 300, clock }),
          retry({ maxAttempts: tries, budget, clock, random: new SeededRandom(1) }),
          hedge({ ...(delayMs === undefined ? { minSamples: 1 } : { delayMs }), maxAttempts, budget, clock }),
          limit,
          timeout({ timeoutMs: attemptTimeoutMs, clock }),
        );
        const made: string[] = [];
        const discarded: string[] = [];
        let running = 0;
        const start = async ({ startMs, abortMs, leftMs, attempts }: (typeof calls)[number], name: number) => {
          await clock.sleep(startMs);
          const operation = async ({ attempt, signal }: OperationContext) => {
            const what = attempts[(attempt - 1) % attempts.length];
            if (what === undefined) throw new Error("it has no attempts");
            const { ms, fails, heeds } = what;
            running++;
            try {
              if (ms > 0) await clock.sleep(ms, heeds ? signal : undefined);
              if (fails) throw new Error("down");
              made.push(`${name}.${attempt}`);
              return `${name}.${attempt}`;
            } finally {
              running--;
            }
          };
          const controller = new AbortController();
          if (abortMs !== undefined) clock.after(abortMs, () => controller.abort());
          return guarded.execute(operation, {
            signal: controller.signal,
            deadline: leftMs === undefined ? undefined : clock.now() + leftMs,
            discard: (value) => discarded.push(value),
          });
        };
        const watched = calls.map((one, name) => watch(start(one, name)));
        for (let ms = 0; ms < 1000; ms += 5) {
          await clock.advance(5);
          expect(limit.inUse).toBe(running);
          expect(running).toBeLessThanOrEqual(permits);
        }
        const received = watched.flatMap(({ state, value }) => (state === "fulfilled" ? [value] : []));
        expect(watched.every(({ state }) => state !== "pending")).toBe(true);
        expect([...received, ...discarded].toSorted(byName)).toEqual(made.toSorted(byName));
        expect([limit.inUse, limit.queued, limit.abandoned, guarded.inFlight]).toEqual([0, 0, 0, 0]);
        expect([budget.callsInFlight, budget.retriesInFlight]).toEqual([0, 0]);
        expect(await heldTimers(clock)).toBe(0);
      }),
      propertyRuns(0.02),
    );
  });
});

function byName(a: string | undefined, b: string | undefined): number {
  return String(a).localeCompare(String(b));
}
