// Tells a queue that takes in a burst from one that stands: whose calls wait although nothing is gained by it, because as many
// come as go. While it stands, waiting longer than the target is of no use to anybody.
//
// Source: CoDel (Nichols and Jacobson, "Controlling Queue Delay", 2012; RFC 8289), which looks at the least delay of an
// interval, and its use for servers together with adaptive LIFO (Maurer, "Fail at Scale", 2015).

/** A delay must have been above the target for so long before the queue stands, and nobody refused for so long before it does not. */
const intervalMs = 100;
/** For so long after it has stood the queue stands again as soon as anybody waits for longer than the target. */
const memoryMs = 16 * intervalMs;

export class StandingDelay {
  readonly targetMs: number;
  /** When somebody first waited for longer than the target, with nobody since who did not; `Infinity` without one. */
  #aboveSinceMs = Number.POSITIVE_INFINITY;
  #lastRefusedMs = Number.NEGATIVE_INFINITY;
  #lastStoodMs = Number.NEGATIVE_INFINITY;
  #standing = false;

  constructor(targetMs: number) {
    this.targetMs = targetMs;
  }

  /** Whether the queue stands. A clock that was set back ends it. */
  at(nowMs: number): boolean {
    const sinceMs = nowMs - this.#lastRefusedMs;
    if (this.#standing && (sinceMs >= intervalMs || sinceMs < 0)) {
      this.#standing = false;
      this.#lastStoodMs = this.#lastRefusedMs;
    }
    return this.#standing;
  }

  /** A waiter goes on after so long. A queue that it leaves empty does not stand. */
  waited(nowMs: number, waitMs: number, othersWait: boolean): void {
    if (this.at(nowMs)) return;
    if (waitMs <= this.targetMs || !othersWait) this.#aboveSinceMs = Number.POSITIVE_INFINITY;
    else if (nowMs - this.#lastStoodMs < memoryMs) this.#begin(nowMs);
    else if (nowMs < this.#aboveSinceMs) this.#aboveSinceMs = nowMs;
    else if (nowMs - this.#aboveSinceMs >= intervalMs) this.#begin(nowMs);
  }

  /** A call was refused for want of a permit. */
  refused(nowMs: number): void {
    this.#lastRefusedMs = nowMs;
  }

  #begin(nowMs: number): void {
    this.#standing = true;
    this.#lastRefusedMs = nowMs;
    this.#aboveSinceMs = Number.POSITIVE_INFINITY;
  }
}
