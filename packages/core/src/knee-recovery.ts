// How a limit that has sunk comes back when what was slow or failing is over: fast, and by each attempt that shows it, where the
// knee's own steps take a window each, and a window takes long when few are let through.
import type { LimitSample } from "./limit.ts";

/** So many successes in a row, each within so many baselines, show that what was slow is over. */
const quickEnough = 16;
const quickWithin = 2;
/** As far as that, of where it was. */
const share = 0.75;

export class KneeRecovery {
  /** How far the limit may grow with each quick success of an attempt that began since. */
  private growTo = 0;
  private growSinceMs = Number.NEGATIVE_INFINITY;
  /** The most attempts per millisecond of late, and how many successes in a row have been quick. */
  private bestRate = 0;
  private quick = 0;

  /** The limit sinks because attempts are dropped. */
  dropped(nowMs: number, limit: number): void {
    this.growTo = Math.max(this.growTo, share * limit);
    this.growSinceMs = nowMs;
  }

  /** After each window. */
  rate(perMs: number): void {
    this.bestRate = Math.max(perMs, 0.99 * this.bestRate);
  }

  /** The service is another one: what it could do says nothing any more. */
  forget(): void {
    this.bestRate = 0;
  }

  /** The limit after this attempt: as after a loss in TCP one more for each, from 1 on. */
  after({ startMs, endMs, outcome }: LimitSample, limit: number, baselineMs: number, unloadedMs: number): number {
    if (outcome !== "success" || endMs - startMs > quickWithin * baselineMs) {
      this.quick = 0;
      return limit;
    }
    const knee = this.bestRate * unloadedMs;
    if (++this.quick >= quickEnough && limit < knee / 2) {
      this.growTo = share * knee;
      this.growSinceMs = endMs;
      // If it was too far, the next time less.
      this.bestRate *= share;
      this.quick = 0;
    }
    if (this.growTo <= limit || startMs < this.growSinceMs) return limit;
    return limit < 1 ? Math.min(1, limit * 2) : limit + 1;
  }
}
