// How long an attempt takes that waits for nobody: what the knee's every other rule goes by, and what ruins the limits that are
// built on one. It is learnt in calm, and while the limit binds only from what fewer at once have shown.
import type { LimitWindow } from "./limit-window.ts";

/** How fast it follows, per window: in calm, when it is surely lower, when it is slow. */
const followCalm = 0.03;
const followDown = 0.5;
const followSlow = 0.003;
/** The first baseline is the mean of all attempts of so many windows. */
const firstWindows = 20;
const firstCount = 20;
/** After so many windows in which the limit did not bind the latency is no longer the queue of a common overload. */
const restFor = 100;
/** A baseline that was seen in calm for less is not known. */
const leastCalmMs = 5000;

export class KneeBaseline {
  /** 0 as long as nobody knows. */
  ms = 0;
  /** What of it an attempt really takes that waits for nobody, as a share: what probes have found. */
  private unloaded = 1;
  /** What the first baseline is the mean of, and how long it was calm. */
  private calmWindows = 0;
  private calmCount = 0;
  private calmMs = 0;
  /** Windows since the limit bound. */
  private restedWindows = Number.POSITIVE_INFINITY;
  /** How many attempts ended per millisecond, as long as from window to window it is more and each has taken longer; then 0. */
  private risingRate = 1;
  private risingPeak = 0;

  get unloadedMs(): number {
    return this.ms * this.unloaded;
  }

  /** Nothing that is slow now is the queue of an overload. */
  get isAlone(): boolean {
    return this.restedWindows >= restFor;
  }

  /** It was learnt before, and may have changed since: it is taken for one of half as many windows as a first one needs. */
  restore(ms: number): void {
    this.ms = ms;
    this.calmWindows = firstWindows / 2;
    this.calmCount = this.calmWindows * firstCount;
    this.risingRate = 0;
  }

  /**
   * In the beginning the attempts that take long have not ended yet: they come to light while more and more of them end. Whether
   * that is so, and the baseline has been too low.
   */
  rises({ meanMs, count, startMs, uncertainty, peak }: LimitWindow, nowMs: number): boolean {
    if (this.risingRate === 0) return false;
    const rate = count / (nowMs - startMs);
    const isFirst = this.ms === 0;
    const more = rate > 1.1 * this.risingRate && (rate / this.risingRate) ** 2 > peak / this.risingPeak;
    const rises = isFirst || (more && meanMs > this.ms * (1 + uncertainty / 2));
    this.risingRate = rises ? rate : 0;
    this.risingPeak = peak;
    if (rises) this.ms = meanMs;
    return rises && !isFirst;
  }

  /** The limit does not bind: it follows, but only while there is room below the limit, or it would learn the queue of others. */
  follow(window: LimitWindow, nowMs: number, limit: number, calm: boolean): void {
    const { meanMs, peak, uncertainty, full, count } = window;
    this.restedWindows++;
    this.calmMs += nowMs - window.startMs;
    let weight = followCalm;
    if (meanMs < this.ms * (1 - 3 * uncertainty)) weight = followDown;
    else if (!this.isAlone || peak > 0.6 * limit) weight = 0;
    else if (!calm) weight = followSlow;
    if (this.restedWindows === Number.POSITIVE_INFINITY && full === 0 && this.calmWindows < firstWindows) {
      this.calmWindows++;
      this.calmCount += count;
      weight = Math.max(weight, count / this.calmCount);
    }
    this.ms += weight * (meanMs - this.ms);
    this.unloaded += 0.01 * (1 - this.unloaded);
  }

  /** The limit binds. Nothing is faster than unloaded: where it is, half of the way, as after a probe. */
  sink({ meanMs, uncertainty }: LimitWindow): void {
    this.restedWindows = 0;
    const { unloadedMs } = this;
    if (meanMs < unloadedMs * (1 - 3 * uncertainty)) this.ms *= Math.sqrt((meanMs * (1 + uncertainty)) / unloadedMs);
  }

  /** A descent has found it. */
  found(ms: number): void {
    this.ms = ms;
    this.unloaded = 1;
  }

  /** Fewer at once are surely faster than unloaded. Half of the way: it may be chance, and another probe will follow soon. */
  foundLower({ meanMs, uncertainty }: LimitWindow): void {
    this.unloaded *= Math.sqrt((meanMs * (1 + uncertainty)) / this.unloadedMs);
  }

  /**
   * Fewer at once are no faster, and slower than unloaded. Of a baseline that was never seen in calm that tells more; once, as later
   * it may be the queue of others. Whether it was so.
   */
  foundHigher({ meanMs }: LimitWindow): boolean {
    const isUnknown = this.calmMs < leastCalmMs;
    if (isUnknown) {
      this.calmMs = leastCalmMs;
      this.ms = meanMs;
    }
    this.unloaded = Math.min(1, meanMs / this.ms);
    return isUnknown;
  }
}
