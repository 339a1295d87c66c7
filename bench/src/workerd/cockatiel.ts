// cockatiel, put together for the same task as the pipeline. Apart, because it runs on workerd as well.
import * as cockatiel from "cockatiel";

export interface PeerOptions {
  /** @default 200 */
  readonly maxConcurrent?: number;
  /** Opens after this many failures in a row. @default half of the last 100 calls */
  readonly maxFailures?: number;
}

/** Its `maxAttempts` counts the retries. */
export function cockatielPolicy({ maxConcurrent = 200, maxFailures }: PeerOptions = {}): cockatiel.IPolicy {
  const breaker =
    maxFailures === undefined
      ? new cockatiel.CountBreaker({ threshold: 0.5, size: 100 })
      : new cockatiel.ConsecutiveBreaker(maxFailures);
  const handled = cockatiel.handleWhen((error) => !cockatiel.isBrokenCircuitError(error));
  return cockatiel.wrap(
    cockatiel.timeout(1000, cockatiel.TimeoutStrategy.Aggressive),
    cockatiel.retry(handled, { maxAttempts: 3 }),
    cockatiel.circuitBreaker(cockatiel.handleAll, { halfOpenAfter: 1e8, breaker }),
    cockatiel.bulkhead(maxConcurrent, 1000),
  );
}
