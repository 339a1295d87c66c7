import { circuitBreaker, consecutiveFailures, countWindow, timeWindow } from "@headgate/core";
import type { CircuitBreakerOptions } from "@headgate/core";
import { describe, expect, it } from "vitest";
import { itRefuses } from "../test/support/options.ts";

describe("circuitBreaker", () => {
  it("describes itself", () => {
    const describe = (options: CircuitBreakerOptions) =>
      circuitBreaker({ name: "orders", openMs: 100, ...options }).describe?.();
    expect(describe({ trip: consecutiveFailures({ maxFailures: 2 }) })).toBe(
      '"orders", opens at 2 failures in a row, for 100 ms',
    );
    expect(describe({ trip: countWindow({ calls: 50, failureRatio: 0.125, slowMs: 10, slowRatio: 0.9 }) })).toBe(
      '"orders", opens at 12.5 % failures or 90 % slow of the last 50 calls, for 100 ms',
    );
    expect(describe({ trip: timeWindow({ slowMs: 10, combinedRatio: 0.6 }) })).toBe(
      '"orders", opens at 50 % failures or 60 % failed or slow in 30000 ms, for 100 ms',
    );
    expect(describe({ trip: timeWindow({ slowMs: 10, failureRatio: 1, slowRatio: 1, combinedRatio: 1 }) })).toBe(
      '"orders", opens at 100 % failures or 100 % slow or 100 % failed or slow in 30000 ms, for 100 ms',
    );
    expect(describe({ trip: { record: () => false, reset: () => {} } })).toContain("opens at its trip");
  });

  itRefuses(
    [() => circuitBreaker({ name: "" }), '`circuitBreaker.name` must be a string that is not empty, got ""'],
    [
      () => circuitBreaker({ trip: 5 as never }),
      "`circuitBreaker.trip` must be a trip such as consecutiveFailures(), got 5",
    ],
    [
      () => circuitBreaker({ trip: { record: () => true } as never }),
      "`circuitBreaker.trip` must be a trip such as consecutiveFailures(), got an object",
    ],
    [
      () => circuitBreaker({ trip: { slowMs: 5, record: () => true, reset: () => {} } }),
      "`circuitBreaker.trip` must be able to `failSlow`, having `slowMs`, got an object",
    ],
    [
      () => circuitBreaker({ trip: { slowMs: -5, record: () => true, reset: () => {} } }),
      "`circuitBreaker.trip.slowMs` must be a number above 0 and at most 2147483647, got -5",
    ],
    [
      () => circuitBreaker({ openFactor: 0.5 }),
      "`circuitBreaker.openFactor` must be a number of at least 1 and at most 1000, got 0.5",
    ],
    [
      () => circuitBreaker({ openMs: 100, maxOpenMs: 99 }),
      "`circuitBreaker.maxOpenMs` must be a number of at least 100 and at most 2147483647, got 99",
    ],
    [
      () => circuitBreaker({ openJitter: 1.5 }),
      "`circuitBreaker.openJitter` must be a number of at least 0 and at most 1, got 1.5",
    ],
    [
      () => circuitBreaker({ healthyMs: -1 }),
      "`circuitBreaker.healthyMs` must be a number of at least 0 and at most 2147483647, got -1",
    ],
    [() => circuitBreaker({ clock: 1 as never }), "`circuitBreaker.clock` must be a clock, got 1"],
    [
      () => circuitBreaker({ random: {} as never }),
      "`circuitBreaker.random` must be a source of chance, got an object",
    ],
    [
      () => circuitBreaker({ openMs: 0 }),
      "`circuitBreaker.openMs` must be a number above 0 and at most 2147483647, got 0",
    ],
    [
      () => circuitBreaker({ halfOpenPermits: 0 }),
      "`circuitBreaker.halfOpenPermits` must be an integer of at least 1, got 0",
    ],
    [
      () => circuitBreaker({ probeLeaseMs: Number.NaN }),
      "`circuitBreaker.probeLeaseMs` must be a number above 0 and at most 2147483647, got NaN",
    ],
  );
});
