// What both windows have in common: the shares at which they open, and how these are checked and compared.
import { maxDelayMs } from "./clock.ts";
import { checkInteger, checkNumber, rejectOption } from "./options.ts";

export interface RatioOptions {
  /** Opens when this share of the calls failed. Above 0, at most 1. @default 0.5 */
  readonly failureRatio?: number;
  /** A call is slow when it has run for so many milliseconds. Above 0. @default none: nothing is measured */
  readonly slowMs?: number;
  /** Opens when this share of the calls was slow. Above 0, at most 1; needs `slowMs`. @default none */
  readonly slowRatio?: number;
  /** Opens when this share of the calls failed or was slow, or both. Above 0, at most 1; needs `slowMs`. @default none */
  readonly combinedRatio?: number;
}

export class Thresholds {
  readonly failureRatio: number;
  readonly slowRatio: number;
  readonly combinedRatio: number;
  readonly minCalls: number;

  constructor(failureRatio: number, slowRatio: number, combinedRatio: number, minCalls: number) {
    this.failureRatio = failureRatio;
    this.slowRatio = slowRatio;
    this.combinedRatio = combinedRatio;
    this.minCalls = minCalls;
  }

  /** Whether the circuit is to open. `bad` are the calls that failed or were slow, each once. */
  reached(calls: number, failures: number, slow: number, bad: number): boolean {
    if (bad === 0 || calls < this.minCalls) return false;
    // Divided, not multiplied: 7 / 100 is the very number that is written 0.07, while 0.07 * 100 is above 7.
    return failures / calls >= this.failureRatio || slow / calls >= this.slowRatio || bad / calls >= this.combinedRatio;
  }

  describe(): string {
    const { failureRatio, slowRatio, combinedRatio } = this;
    const parts = [`${percent(failureRatio)} failures`];
    if (slowRatio <= 1) parts.push(`${percent(slowRatio)} slow`);
    if (combinedRatio <= 1) parts.push(`${percent(combinedRatio)} failed or slow`);
    return parts.join(" or ");
  }
}

/** `place` is the factory's name; `minCalls` has its default already. */
export function checkThresholds(place: string, options: RatioOptions, minCalls: number): Thresholds {
  const { failureRatio = 0.5, slowMs, slowRatio, combinedRatio } = options;
  checkNumber(`${place}.failureRatio`, failureRatio, 0, 1, true);
  checkInteger(`${place}.minCalls`, minCalls, 1);
  if (slowMs !== undefined) checkNumber(`${place}.slowMs`, slowMs, 0, maxDelayMs, true);
  for (const [name, ratio] of Object.entries({ slowRatio, combinedRatio })) {
    if (ratio === undefined) continue;
    checkNumber(`${place}.${name}`, ratio, 0, 1, true);
    if (slowMs === undefined) rejectOption(`${place}.${name}`, "used with `slowMs`", ratio);
  }
  if (slowMs !== undefined && slowRatio === undefined && combinedRatio === undefined)
    rejectOption(`${place}.slowMs`, "used with `slowRatio` or `combinedRatio`", slowMs);
  // A share that no call can reach stands for one that was not asked for.
  return new Thresholds(
    failureRatio,
    slowRatio ?? Number.POSITIVE_INFINITY,
    combinedRatio ?? Number.POSITIVE_INFINITY,
    minCalls,
  );
}

function percent(ratio: number): string {
  return `${Math.round(ratio * 1000) / 10} %`;
}
