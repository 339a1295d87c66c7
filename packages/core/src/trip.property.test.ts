import { consecutiveFailures, countWindow, type Trip } from "@headgate/core";
import fc from "fast-check";
import { describe, it } from "vitest";
import { propertyRuns, propertyTimeoutMs } from "../test/support/property-runs.ts";

/** `true` is a failure, `"reset"` a change of the circuit's state. */
const steps = fc.array(
  fc.oneof({ weight: 40, arbitrary: fc.boolean() }, { weight: 1, arbitrary: fc.constant("reset") }),
  {
    maxLength: 250,
    size: "max",
  },
);

/** Plays the steps on a trip and asks a model, which is given all results since the last reset, what it should say. */
function agree(
  trip: Trip,
  steps: readonly (boolean | string)[],
  opens: (results: readonly boolean[]) => boolean,
): boolean {
  let results: boolean[] = [];
  return steps.every((step) => {
    if (typeof step === "string") {
      trip.reset();
      results = [];
      return true;
    }
    results.push(step);
    return trip.record(step ? "failure" : "success", 0) === opens(results);
  });
}

describe("consecutiveFailures", () => {
  it("opens when the last results are all failures", { timeout: propertyTimeoutMs }, () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 8 }), steps, (maxFailures, played) =>
        agree(consecutiveFailures({ maxFailures }), played, (results) => {
          const last = results.slice(-maxFailures);
          return last.length === maxFailures && last.every((failed) => failed);
        }),
      ),
      propertyRuns(0.1),
    );
  });
});

describe("countWindow", () => {
  const options = fc
    .record({ calls: fc.integer({ min: 1, max: 100 }), minShare: fc.double({ min: 0, max: 1, noNaN: true }) })
    .map(({ calls, minShare }) => ({ calls, minCalls: Math.max(1, Math.ceil(calls * minShare)) }));
  // Shares that binary fractions hold exactly.
  const ratio = fc.integer({ min: 1, max: 64 }).map((share) => share / 64);

  it("opens on the share of failures among the last calls", { timeout: propertyTimeoutMs }, () => {
    fc.assert(
      fc.property(options, ratio, steps, ({ calls, minCalls }, failureRatio, played) =>
        agree(countWindow({ calls, failureRatio, minCalls }), played, (results) => {
          const last = results.slice(-calls);
          return last.length >= minCalls && last.filter((failed) => failed).length / last.length >= failureRatio;
        }),
      ),
      propertyRuns(0.2),
    );
  });
});
