// A concurrency limit that finds its number by itself: the gate of `concurrencyLimit`, moved by an algorithm that sees how
// attempts go. It stands apart so that nobody pays for it who sets a number.
import { AdaptiveLimitPolicy } from "./adaptive-limit-policy.ts";
import type { AdaptiveLimitSnapshot } from "./adaptive-limit-snapshot.ts";
import type { ConcurrencyLimit, ConcurrencyLimitOptions } from "./concurrency-limit.ts";
import { gateOptions } from "./concurrency-limit-options.ts";
import { kneeLimit } from "./knee-limit.ts";
import type { Limit } from "./limit.ts";
import { rejectOption } from "./options.ts";

export type { AdaptiveLimitSnapshot } from "./adaptive-limit-snapshot.ts";

export interface AdaptiveLimitOptions extends Omit<ConcurrencyLimitOptions, "maxConcurrent"> {
  /**
   * What moves the limit: `kneeLimit()`, `vegasLimit()`, `gradientLimit()`, `aimdLimit()`, `fixedLimit()`, or one of your
   * own. Each policy needs an instance of its own.
   * @default kneeLimit()
   */
  readonly limit?: Limit;
}

export type AdaptiveLimit = Omit<ConcurrencyLimit, "resize"> & {
  /** The limit at present. 0 for moments in which the algorithm lets nobody through. */
  readonly maxConcurrent: number;
  /** What moves the limit. */
  readonly algorithm: Limit;
  /** What was learnt as JSON-safe data, for `restore`. */
  snapshot(): AdaptiveLimitSnapshot;
  /**
   * Goes on from what a limit with the same algorithm had learnt, within the bounds of this one, instead of finding it out anew. What
   * runs goes on, and whoever waits goes on when there is more room now.
   *
   * @throws {InvalidOptionError} for anything but a snapshot of this algorithm; the limit is left as it was.
   */
  restore(snapshot: AdaptiveLimitSnapshot): void;
};

/**
 * Lets as many calls run at once as the dependency can serve without making them wait, which `limit` finds out from how
 * attempts go. Up to `maxQueue` more wait, as in `concurrencyLimit`; everybody else is refused at once with a
 * `ConcurrencyLimitError`. In pipelines, in telemetry and in errors it is a concurrency limit like any other.
 *
 * @throws {InvalidOptionError} for options out of bounds.
 */
export function adaptiveLimit(options: AdaptiveLimitOptions = {}): AdaptiveLimit {
  const { limit = kneeLimit() } = options;
  if (typeof limit?.limit !== "number" || typeof limit.observe !== "function")
    rejectOption("adaptiveLimit.limit", "an object with a number `limit` and a function `observe`", limit);
  return new AdaptiveLimitPolicy({ ...gateOptions("adaptiveLimit", options), limit });
}
