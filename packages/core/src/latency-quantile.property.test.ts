import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { propertyRuns, propertyTimeoutMs } from "../test/support/property-runs.ts";
import { LatencyQuantile, stepMs } from "./latency-quantile.ts";

const latency = fc.oneof(
  fc.double({ min: 0, max: 3, noNaN: true }),
  fc.double({ min: 0, max: 1000, noNaN: true }),
  fc.double({ min: 0, max: 90_000, noNaN: true }),
);
const step = fc.record({
  ms: latency,
  passMs: fc.oneof(
    { weight: 6, arbitrary: fc.constant(0) },
    { weight: 1, arbitrary: fc.integer({ min: -5, max: 25_000 }) },
  ),
});

describe("LatencyQuantile", () => {
  it("is what sorting the samples of the window gives, and less than 5 % more at most", {
    timeout: propertyTimeoutMs,
  }, () => {
    fc.assert(
      fc.property(
        fc.constantFrom(0.5, 0.9, 0.95, 0.99),
        fc.array(step, { minLength: 1, maxLength: 120, size: "max" }),
        (share, steps) => {
          const quantile = new LatencyQuantile(share, 5);
          let nowMs = 0;
          let latestMs = 0;
          const samples: { readonly ms: number; readonly slice: number }[] = [];
          for (const { ms, passMs } of steps) {
            nowMs += passMs;
            // The clock may go back; the window does not.
            latestMs = Math.max(latestMs, nowMs);
            const slice = Math.floor(latestMs / 10_000);
            quantile.record(ms, nowMs);
            samples.push({ ms, slice });
            const sorted = samples.filter((sample) => slice - sample.slice < 3).map((sample) => sample.ms);
            sorted.sort((a, b) => a - b);
            const exact = Math.max(1, sorted[Math.ceil(share * sorted.length) - 1] ?? 0);
            const value = stepMs(quantile.stepAt(nowMs));
            if (sorted.length < 5) expect(value).toBe(Number.POSITIVE_INFINITY);
            else {
              expect(value).toBeGreaterThanOrEqual(exact * (1 - 1e-9));
              expect(value).toBeLessThanOrEqual(exact * 1.05);
            }
          }
        },
      ),
      propertyRuns(0.1),
    );
  });
});
