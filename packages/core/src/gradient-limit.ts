// Compares the latency of now with its long-term average, and moves the limit by their ratio.
// Source: Netflix/concurrency-limits, Gradient2Limit behind WindowedLimit.
import type { Limit, LimitLearnt, LimitSample } from "./limit.ts";
import { LimitWindow } from "./limit-window.ts";
import { checkInteger, checkNumber } from "./options.ts";

export interface GradientLimitOptions {
  /** An integer from `minLimit` to `maxLimit`. @default 20 */
  readonly initialLimit?: number;
  /** An integer of at least 1. @default 20 */
  readonly minLimit?: number;
  /** An integer of at least `minLimit`. @default 200 */
  readonly maxLimit?: number;
  /** How much slower than the average it may be before the limit shrinks. At least 1. @default 1.5 */
  readonly tolerance?: number;
  /** How long a window is at least, in milliseconds. A number above 0. @default 1000 */
  readonly windowMs?: number;
}

/** Fewer attempts than this say nothing about a window. */
const minSamples = 10;
/** The average is over this many windows, and before the tenth a plain one. */
const averageOver = 600;
const warmUp = 10;
/** How much of the way to the new limit is gone at once. */
const smoothing = 0.2;
/** Calls that may wait at the dependency. */
const queueSize = 4;

class Gradient implements Limit {
  readonly kind = "gradient";
  limit: number;
  private readonly minLimit: number;
  private readonly maxLimit: number;
  private readonly tolerance: number;
  private readonly windowMs: number;
  private readonly window = new LimitWindow();
  private averageMs = 0;
  private windows = 0;

  constructor(options: Required<GradientLimitOptions>) {
    this.limit = options.initialLimit;
    this.minLimit = options.minLimit;
    this.maxLimit = options.maxLimit;
    this.tolerance = options.tolerance;
    this.windowMs = options.windowMs;
  }

  learnt(): LimitLearnt {
    return { limit: this.limit, baselineMs: this.windows === 0 ? null : this.averageMs };
  }

  restore({ limit, baselineMs }: LimitLearnt): void {
    this.limit = Math.min(this.maxLimit, Math.max(this.minLimit, limit));
    this.averageMs = baselineMs ?? 0;
    this.windows = baselineMs === null ? 0 : warmUp;
    this.window.reset(Number.NaN);
  }

  observe(sample: LimitSample): void {
    const { window } = this;
    window.add(sample);
    if (window.count < minSamples || sample.endMs - window.startMs < this.windowMs) return;
    this.update(window.meanMs);
    window.reset(sample.endMs);
  }

  private update(nowMs: number): void {
    const { limit } = this;
    const weight = ++this.windows <= warmUp ? 1 / this.windows : 2 / (averageOver + 1);
    this.averageMs += weight * (nowMs - this.averageMs);
    // It was slower for long: come back faster than the average would.
    if (this.averageMs > 2 * nowMs) this.averageMs *= 0.95;
    if (this.window.peak < limit / 2) return;
    const gradient = Math.min(1, Math.max(0.5, (this.tolerance * this.averageMs) / nowMs));
    const next = limit + smoothing * (limit * gradient + queueSize - limit);
    this.limit = Math.min(this.maxLimit, Math.max(this.minLimit, next));
  }
}

/**
 * Shrinks the limit while it is slower than on average. It takes no notice of drops, and an overload that lasts becomes the
 * average: the limit then drifts to `maxLimit`.
 *
 * @throws {InvalidOptionError} for options out of bounds.
 */
export function gradientLimit(options: GradientLimitOptions = {}): Limit {
  const { initialLimit = 20, minLimit = 20, maxLimit = 200, tolerance = 1.5, windowMs = 1000 } = options;
  checkInteger("gradientLimit.minLimit", minLimit, 1);
  checkInteger("gradientLimit.maxLimit", maxLimit, minLimit);
  checkInteger("gradientLimit.initialLimit", initialLimit, minLimit, maxLimit);
  checkNumber("gradientLimit.tolerance", tolerance, 1, Number.MAX_SAFE_INTEGER);
  checkNumber("gradientLimit.windowMs", windowMs, 0, Number.MAX_SAFE_INTEGER, true);
  return new Gradient({ initialLimit, minLimit, maxLimit, tolerance, windowMs });
}
