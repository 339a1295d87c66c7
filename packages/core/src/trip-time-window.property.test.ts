import { timeWindow } from "@headgate/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { propertyRuns, propertyTimeoutMs } from "../test/support/property-runs.ts";

interface Sample {
  readonly bucket: number;
  failed: boolean;
  readonly slow: boolean;
}

const settings = fc.record({
  windowMs: fc.constantFrom(1, 10, 100, 1000, 0.3),
  buckets: fc.integer({ min: 1, max: 12 }),
  failureRatio: fc.integer({ min: 1, max: 100 }).map((percent) => percent / 100),
  slowRatio: fc.integer({ min: 1, max: 100 }).map((percent) => percent / 100),
  combinedRatio: fc.integer({ min: 1, max: 100 }).map((percent) => percent / 100),
  minCalls: fc.integer({ min: 1, max: 6 }),
  startMs: fc.constantFrom(0, -500, 123_456.7),
});

/** Times in shares of the window: standing still, inside a bucket, past some, past all, and back. */
const pass = fc.constantFrom(0, 0, 0, 0.01, 0.07, 0.1, 0.25, 0.5, 0.99, 1, 1.5, 40, -0.3);
const step = fc.oneof(
  { weight: 12, arbitrary: fc.record({ kind: fc.constantFrom("success", "failure", "overload", "slow"), pass }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("fail slow"), index: fc.nat(5), pass }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("reset"), pass }) },
);
type Step = { kind: string; pass: number; index?: number };

describe("timeWindow", () => {
  it("says what a plain list of calls with their times says", { timeout: propertyTimeoutMs }, () => {
    const steps = fc.array<Step>(step, { maxLength: 80, size: "max" });
    fc.assert(
      fc.property(settings, steps, ({ startMs, ...options }, played) => {
        const { windowMs, buckets, failureRatio, slowRatio, combinedRatio, minCalls } = options;
        const trip = timeWindow({ ...options, slowMs: 5 });
        let samples: Sample[] = [];
        let slow: { sample: Sample; number: number }[] = [];
        let nowMs = startMs;
        let latest = Number.NEGATIVE_INFINITY;
        const model = () => {
          const seen = samples.filter(({ bucket }) => bucket > latest - buckets);
          const count = (of: (sample: Sample) => boolean) => seen.filter(of).length;
          const share = (of: (sample: Sample) => boolean) => count(of) / seen.length;
          return {
            counts: { calls: seen.length, failures: count((each) => each.failed), slow: count((each) => each.slow) },
            opens:
              seen.length >= minCalls &&
              (share((each) => each.failed) >= failureRatio ||
                share((each) => each.slow) >= slowRatio ||
                share((each) => each.failed || each.slow) >= combinedRatio),
          };
        };
        for (const { kind, pass: passed, index = 0 } of played) {
          nowMs += passed * windowMs;
          // The clock may go back; the window's time does not.
          latest = Math.max(latest, Math.floor(nowMs / (windowMs / buckets)));
          if (kind === "reset") {
            trip.reset();
            [samples, slow] = [[], []];
          } else if (kind === "fail slow") {
            const [found] = slow.splice(index, 1);
            if (found !== undefined) {
              found.sample.failed = true;
              expect(trip.failSlow?.(found.number, nowMs)).toBe(model().opens);
            }
          } else {
            const sample = { bucket: latest, failed: kind === "failure" || kind === "overload", slow: kind === "slow" };
            samples.push(sample);
            expect(trip.record(kind as "success", nowMs)).toBe(model().opens);
            if (sample.slow) slow.push({ sample, number: trip.lastSample! });
          }
          expect(trip.counts?.(nowMs)).toEqual(model().counts);
        }
      }),
      propertyRuns(0.4),
    );
  });
});
