// Estimates the queue in front of the dependency from the latency without load: limit × (1 − noLoad / latency), and keeps
// it between two bounds. Source: TCP Vegas (Brakmo, Peterson 1995); Netflix/concurrency-limits, VegasLimit behind WindowedLimit.
import type { Limit, LimitLearnt, LimitSample } from "./limit.ts";
import { LimitWindow } from "./limit-window.ts";
import { checkInteger, checkNumber } from "./options.ts";

export interface VegasLimitOptions {
  /** An integer from 1 to `maxLimit`. @default 20 */
  readonly initialLimit?: number;
  /** An integer of at least 1. @default 1000 */
  readonly maxLimit?: number;
  /** How long a window is at least, in milliseconds. A number above 0. @default 1000 */
  readonly windowMs?: number;
}

/** Fewer attempts than this say nothing about a window. */
const minSamples = 10;
/** After how many windows for each unit of the limit the latency without load is measured anew. */
const probeAfter = 30;

class Vegas implements Limit {
  readonly kind = "vegas";
  limit: number;
  private readonly maxLimit: number;
  private readonly windowMs: number;
  private readonly window = new LimitWindow();
  private noLoadMs = Number.POSITIVE_INFINITY;
  private windows = 0;

  constructor(options: Required<VegasLimitOptions>) {
    this.limit = options.initialLimit;
    this.maxLimit = options.maxLimit;
    this.windowMs = options.windowMs;
  }

  learnt(): LimitLearnt {
    return { limit: this.limit, baselineMs: Number.isFinite(this.noLoadMs) ? this.noLoadMs : null };
  }

  restore({ limit, baselineMs }: LimitLearnt): void {
    this.limit = Math.min(this.maxLimit, Math.max(1, limit));
    this.noLoadMs = baselineMs ?? Number.POSITIVE_INFINITY;
    this.windows = 0;
    this.window.reset(Number.NaN);
  }

  observe(sample: LimitSample): void {
    const { window } = this;
    window.add(sample);
    if (window.count + window.dropped < minSamples || sample.endMs - window.startMs < this.windowMs) return;
    this.limit = Math.min(this.maxLimit, Math.max(1, this.next()));
    window.reset(sample.endMs);
  }

  private next(): number {
    const { limit, window } = this;
    const step = Math.max(1, Math.log10(limit));
    if (window.dropped > 0) return limit - step;
    const { meanMs } = window;
    if (++this.windows >= probeAfter * limit || meanMs < this.noLoadMs) {
      this.windows = 0;
      this.noLoadMs = meanMs;
      return limit;
    }
    if (window.peak * 2 < limit) return limit;
    const queue = Math.ceil(limit * (1 - this.noLoadMs / meanMs));
    if (queue <= step) return limit + 6 * step;
    if (queue < 3 * step) return limit + step;
    return queue > 6 * step ? limit - step : limit;
  }
}

/**
 * Keeps a short queue in front of the dependency. It is as good as the lowest latency that it has seen: where the work is of
 * very different length, or gets slower for good, it refuses too much.
 *
 * @throws {InvalidOptionError} for options out of bounds.
 */
export function vegasLimit(options: VegasLimitOptions = {}): Limit {
  const { initialLimit = 20, maxLimit = 1000, windowMs = 1000 } = options;
  checkInteger("vegasLimit.maxLimit", maxLimit, 1);
  checkInteger("vegasLimit.initialLimit", initialLimit, 1, maxLimit);
  checkNumber("vegasLimit.windowMs", windowMs, 0, Number.MAX_SAFE_INTEGER, true);
  return new Vegas({ initialLimit, maxLimit, windowMs });
}
