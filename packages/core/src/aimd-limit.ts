// Additive increase, multiplicative decrease: one more for each success while the limit is in use, a share less for each
// attempt that was dropped or took too long. Source: TCP; Netflix/concurrency-limits, AIMDLimit.
import type { Limit, LimitLearnt, LimitSample } from "./limit.ts";
import { checkInteger, checkNumber } from "./options.ts";

export interface AimdLimitOptions {
  /** An integer from `minLimit` to `maxLimit`. @default 20 */
  readonly initialLimit?: number;
  /** An integer of at least 1. @default 1 */
  readonly minLimit?: number;
  /** An integer of at least `minLimit`. @default 1000 */
  readonly maxLimit?: number;
  /** What remains of the limit after a drop. Above 0, at most 1. @default 0.9 */
  readonly backoffRatio?: number;
  /** An attempt that takes longer counts as dropped. A number above 0. @default 5000 */
  readonly slowMs?: number;
}

class Aimd implements Limit {
  readonly kind = "aimd";
  limit: number;
  private readonly minLimit: number;
  private readonly maxLimit: number;
  private readonly backoffRatio: number;
  private readonly slowMs: number;

  constructor(options: Required<AimdLimitOptions>) {
    this.limit = options.initialLimit;
    this.minLimit = options.minLimit;
    this.maxLimit = options.maxLimit;
    this.backoffRatio = options.backoffRatio;
    this.slowMs = options.slowMs;
  }

  learnt(): LimitLearnt {
    return { limit: this.limit, baselineMs: null };
  }

  restore({ limit }: LimitLearnt): void {
    this.limit = Math.min(this.maxLimit, Math.max(this.minLimit, limit));
  }

  observe({ startMs, endMs, inFlight, outcome }: LimitSample): void {
    if (outcome === "failure") return;
    if (outcome === "dropped" || endMs - startMs > this.slowMs)
      this.limit = Math.max(this.minLimit, Math.floor(this.limit * this.backoffRatio));
    else if (inFlight * 2 >= this.limit) this.limit = Math.min(this.maxLimit, this.limit + 1);
  }
}

/**
 * The limit grows until attempts are dropped or slower than `slowMs`: for dependencies that refuse what is too much. It does
 * not see a queue that grows.
 *
 * @throws {InvalidOptionError} for options out of bounds.
 */
export function aimdLimit(options: AimdLimitOptions = {}): Limit {
  const { initialLimit = 20, minLimit = 1, maxLimit = 1000, backoffRatio = 0.9, slowMs = 5000 } = options;
  checkInteger("aimdLimit.minLimit", minLimit, 1);
  checkInteger("aimdLimit.maxLimit", maxLimit, minLimit);
  checkInteger("aimdLimit.initialLimit", initialLimit, minLimit, maxLimit);
  checkNumber("aimdLimit.backoffRatio", backoffRatio, 0, 1, true);
  checkNumber("aimdLimit.slowMs", slowMs, 0, Number.MAX_SAFE_INTEGER, true);
  return new Aimd({ initialLimit, minLimit, maxLimit, backoffRatio, slowMs });
}
