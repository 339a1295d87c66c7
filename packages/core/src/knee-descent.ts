// A limit that sinks because it is slow, watched from the first step to the last. Where a queue was the reason, less at once
// makes each attempt faster, in proportion. Where it is not, the attempts themselves take so long, and the limit has sunk
// for nothing.
import type { LimitWindow } from "./limit-window.ts";

/** What a descent has found. */
export interface Found {
  /** How long an attempt takes that waits for nobody. */
  readonly baselineMs: number;
  readonly limit: number;
}

/** How much longer than unloaded an attempt may take while the limit binds: half of what the square-root rule gives. */
export function marginOf(limit: number): number {
  return 0.5 / Math.sqrt(Math.max(1, limit));
}

/** So much slower further up than here was not chance, nor what other clients keep in the queue. */
const surelySlower = 1.5;
/** How far the baseline may rise at once where that is not so. */
const leastRise = 1.2;

interface Mark {
  readonly limit: number;
  readonly meanMs: number;
  readonly uncertainty: number;
}

export class KneeDescent {
  private from: Mark | undefined;
  /** From here on down it has become no faster. */
  private flatFrom: Mark | undefined;
  /** Attempts since then, and what they took. */
  private count = 0;
  private sumMs = 0;
  /** The most attempts per millisecond. */
  private rate = 0;

  end(): void {
    this.from = undefined;
  }

  /**
   * After each window in which the limit, `limit`, was binding. What it gives is found when the limit has halved and it
   * is no faster.
   */
  step(window: LimitWindow, nowMs: number, limit: number, goalMs: number): Found | undefined {
    const { meanMs, uncertainty, count, sumMs } = window;
    const here = { limit, meanMs, uncertainty };
    const rate = count / (nowMs - window.startMs);
    const { from, flatFrom } = this;
    if (from === undefined || flatFrom === undefined || limit > 1.1 * flatFrom.limit) {
      this.from = meanMs > goalMs ? here : undefined;
      this.rate = rate;
      this.mark(here);
      return undefined;
    }
    this.rate = Math.max(this.rate, rate);
    const depth = Math.log(flatFrom.limit / limit);
    if (depth < 0.5 && meanMs > 1.25 * flatFrom.meanMs) {
      // It is still becoming slower from what was let in before.
      this.from = { ...from, meanMs: Math.max(from.meanMs, meanMs) };
      this.mark(here);
      return undefined;
    }
    this.count += count;
    this.sumMs += sumMs;
    if (depth < Math.LN2) return undefined;
    const slope = Math.log(flatFrom.meanMs / meanMs) / depth;
    const doubt = Math.hypot(uncertainty, flatFrom.uncertainty) / depth;
    if (slope + doubt < 0.5) return this.found(from, flatFrom, limit, goalMs);
    if (slope - doubt > 0.5) this.mark(here);
    return undefined;
  }

  private mark(here: Mark): void {
    this.flatFrom = here;
    this.count = this.sumMs = 0;
  }

  private found(from: Mark, flatFrom: Mark, limit: number, goalMs: number): Found {
    const flatMs = this.sumMs / this.count;
    this.end();
    // It was slower further up: the knee lies between, where the throughput was highest.
    if (from.meanMs > surelySlower * flatMs) {
      const knee = this.rate * flatMs;
      return { baselineMs: flatMs, limit: Math.min(from.limit, knee * (1 + marginOf(knee))) };
    }
    // Flat all the way: perhaps the others who call it keep it so, and hold as much back as their margin is. A little slower may
    // be no more than their queue.
    const baselineMs = flatMs / (1 + marginOf(flatFrom.limit));
    const mostMs = (leastRise * goalMs) / (1 + marginOf(limit));
    return {
      baselineMs: flatMs > surelySlower * goalMs ? baselineMs : Math.min(baselineMs, mostMs),
      limit: flatFrom.limit,
    };
  }
}
