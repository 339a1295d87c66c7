// The options of the gate, whatever moves its limit: with their defaults, and checked.
import { maxDelayMs, systemClock } from "./clock.ts";
import type { ConcurrencyLimitOptions } from "./concurrency-limit.ts";
import { checkInteger, checkName, checkNumber, checkOneOf } from "./options.ts";
import { queueOrders } from "./wait-queue.ts";

type GateOptions = Omit<ConcurrencyLimitOptions, "maxConcurrent">;

/** `place` is the factory's name. */
export function gateOptions(place: string, options: GateOptions): Required<GateOptions> {
  const {
    name = "default",
    maxQueue = 0,
    maxWaitMs = 1000,
    order = "fifo",
    targetWaitMs = 1,
    leaseMs,
    reclaimAfterMs,
    clock = systemClock,
  } = options;
  checkName(`${place}.name`, name);
  checkInteger(`${place}.maxQueue`, maxQueue, 0);
  checkNumber(`${place}.maxWaitMs`, maxWaitMs, 0, maxDelayMs, true);
  checkOneOf(`${place}.order`, order, queueOrders);
  checkNumber(`${place}.targetWaitMs`, targetWaitMs, 0, maxDelayMs, true);
  if (leaseMs !== undefined) checkNumber(`${place}.leaseMs`, leaseMs, 0, maxDelayMs, true);
  if (reclaimAfterMs !== undefined) checkNumber(`${place}.reclaimAfterMs`, reclaimAfterMs, 0, maxDelayMs, true);
  return { name, maxQueue, maxWaitMs, order, targetWaitMs, leaseMs, reclaimAfterMs, clock };
}
