// The composition that the benchmarks are about: what peers are put together for as well.
import {
  circuitBreaker,
  concurrencyLimit,
  consecutiveFailures,
  constantBackoff,
  countWindow,
  type Policy,
  retry,
  timeout,
} from "@headgate/core";

export interface FourPoliciesOptions {
  readonly maxConcurrent?: number | undefined;
  readonly maxQueue?: number | undefined;
  /** Failures in a row that open the circuit. @default half of the last 100 calls */
  readonly maxFailures?: number | undefined;
}

/** Policies of their own, the outermost first. */
export function fourPolicies({ maxConcurrent = 200, maxQueue = 0, maxFailures }: FourPoliciesOptions = {}): Policy[] {
  const trip = maxFailures === undefined ? countWindow({ calls: 100 }) : consecutiveFailures({ maxFailures });
  return [
    timeout({ timeoutMs: 1000 }),
    retry({ maxAttempts: 4, backoff: constantBackoff({ delayMs: 0 }) }),
    circuitBreaker({ trip }),
    concurrencyLimit({ maxConcurrent, maxQueue }),
  ];
}
