import { adaptiveThrottle, pipeline } from "@headgate/core";
import { TestClock } from "@headgate/core/testing";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { manualOperation, type Run } from "../test/support/operations.ts";
import { propertyRuns, propertyTimeoutMs } from "../test/support/property-runs.ts";

const settings = fc.record({
  windowMs: fc.constantFrom(10, 100, 1000, 0.3),
  buckets: fc.integer({ min: 1, max: 12 }),
  acceptMultiplier: fc.constantFrom(1, 1.5, 2, 10),
  minCalls: fc.integer({ min: 1, max: 6 }),
  maxRejectRatio: fc.constantFrom(0.1, 0.5, 0.9),
});
/** Times in shares of the window: standing still, inside a bucket, past some, past all, and back. */
const pass = fc.constantFrom(0, 0, 0, 0.01, 0.1, 0.25, 0.5, 0.99, 1, 40, -0.3);
const step = fc.oneof(
  fc.record({ kind: fc.constant("start"), pass, chance: fc.double({ min: 0, max: 0.999, noNaN: true }) }),
  fc.record({ kind: fc.constantFrom("success", "failure", "dropped", "ignored"), pass, index: fc.nat(5) }),
);
type Step = { kind: string; pass: number; chance?: number; index?: number };

interface Attempt {
  readonly bucket: number;
  end: string;
}

describe("adaptiveThrottle", () => {
  it("refuses as a plain list of attempts says", { timeout: propertyTimeoutMs }, async () => {
    const steps = fc.array<Step>(step, { maxLength: 60, size: "max" });
    await fc.assert(
      fc.asyncProperty(settings, fc.constantFrom(0, -500, 123_456.7), steps, async (options, startMs, played) => {
        const { windowMs, buckets, acceptMultiplier, minCalls, maxRejectRatio } = options;
        const clock = new TestClock(startMs);
        let chance = 0;
        const throttle = adaptiveThrottle({ ...options, clock, random: { next: () => chance } });
        const judgement = {
          isOverload: (result: unknown) => result === "dropped",
          isIgnored: (result: unknown) => result === "ignored",
        };
        const calls = pipeline({ name: "model", ...judgement }, throttle);
        const { operation, runs } = manualOperation();
        const attempts: Attempt[] = [];
        const open: { run: Run<string>; attempt: Attempt; done: Promise<unknown> }[] = [];
        let latest = Number.NEGATIVE_INFINITY;
        let rejected = 0;
        const model = () => {
          const seen = attempts.filter(({ bucket, end }) => bucket > latest - buckets && end !== "ignored");
          const accepts = seen.filter(({ end }) => end === "success" || end === "failure").length;
          const isOverload = seen.some(({ end }) => end === "dropped") && seen.length >= minCalls;
          const share = (seen.length - acceptMultiplier * accepts) / (seen.length + 1);
          const rejectRatio = isOverload ? Math.min(maxRejectRatio, Math.max(0, share)) : 0;
          return { requests: seen.length, accepts, rejectRatio, rejected };
        };
        for (const { kind, pass: passed, chance: drawn = 0, index = 0 } of played) {
          clock.jump(passed * windowMs);
          // The clock may go back; the window's time does not.
          latest = Math.max(latest, Math.floor(clock.now() / (windowMs / buckets)));
          if (kind === "start") {
            chance = drawn;
            const refused = drawn < model().rejectRatio;
            const attempt = { bucket: latest, end: refused ? "refused" : "" };
            attempts.push(attempt);
            const done = calls.attempt(operation);
            if (refused) rejected++;
            else open.push({ run: runs.at(-1)!, attempt, done });
          } else {
            const [ended] = open.splice(index, 1);
            if (ended !== undefined) ended.attempt.end = kind;
            if (kind === "success") ended?.run.resolve(kind);
            else ended?.run.reject(kind);
            await ended?.done;
          }
          expect(throttle).toMatchObject(model());
          expect(runs).toHaveLength(attempts.length - rejected);
        }
      }),
      propertyRuns(0.05),
    );
  });
});
