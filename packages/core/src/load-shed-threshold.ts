// From which rank on calls are let in. A controller turns what the signals say into the share of the calls that has to go, and
// that share becomes a quantile of the ranks that came lately. A state machine without clock and chance.
//
// Source: Uber's Cinnamon ("Cinnamon: Using Century Old Tech to Build a Mean Load Shedder", 2023), which puts a PID controller
// before the cumulative distribution of priorities; failsafe-go's prioritizer does the same with levels.

/** How much of the overload is added to the share in one interval, and of the room that there is taken off it. */
const integral = 0.03;

/** So much is taken off at least while there is no overload: one that ends exactly there must end all the same. */
const drift = 0.005;

/** How much of an overload that stands for two readings is added for as long as it stands. */
const proportional = 0.2;

/** Shedding begins with the first share and ends with the second: what lies between is no reason to begin, nor to end. */
const begins = 0.05;
const ends = 0.02;

/** What is left of the memory of ranks after one interval. */
const memory = 0.9;

/** So many calls are remembered however long ago they were: less says little about the mix. */
const minRemembered = 100;

export class ShedThreshold {
  /** The share of the calls that is to be shed now, 0 to `maxRatio`. */
  ratio = 0;
  private readonly maxRatio: number;
  /** What the controller has added up. */
  private sum = 0;
  private before = 0;
  /** Calls of this rank are let in in part, those of higher ones all, those of lower ones not. */
  private rank = 0;
  /** The share of the calls at the threshold that is shed. */
  private partial = 0;
  private readonly counts: Float64Array;
  private total = 0;
  /** Calls that are remembered, however heavy. */
  private calls = 0;
  /** Calls that came since the threshold was found. */
  private unseen = 0;

  constructor(ranks: number, maxRatio: number) {
    this.counts = new Float64Array(ranks);
    this.maxRatio = maxRatio;
  }

  /** A call of this rank has come. */
  note(rank: number, weight: number): void {
    this.counts[rank] = (this.counts[rank] as number) + weight;
    this.total += weight;
    this.calls++;
    this.unseen++;
  }

  /** One interval has passed, or several: `overload` is what the signals say now, -1 to 1. */
  step(overload: number, intervals: number): void {
    // After a pause the signals tell how it is now, not how it was meanwhile: it is one reading of overload.
    const change =
      overload > 0 ? integral * overload * Math.min(1, intervals) : Math.min(-drift, integral * overload) * intervals;
    this.sum = Math.min(this.maxRatio, Math.max(0, this.sum + change));
    const standing = Math.max(0, Math.min(overload, this.before));
    this.before = overload;
    const ratio = Math.min(this.maxRatio, this.sum + proportional * standing);
    this.ratio = ratio < Math.min(this.ratio > 0 ? ends : begins, this.maxRatio) ? 0 : ratio;
    this.forget(memory ** intervals);
    if (this.ratio > 0) this.find();
  }

  /** Whether a call of this rank is shed. `chance` is a number in [0, 1). */
  sheds(rank: number, chance: number): boolean {
    if (this.ratio === 0) return false;
    // The mix may change within an interval, and at first nothing is known of it.
    if (this.unseen * 8 >= this.calls) this.find();
    return rank < this.rank || (rank === this.rank && chance < this.partial);
  }

  private forget(left: number): void {
    const factor = Math.max(left, Math.min(1, minRemembered / this.calls));
    if (factor === 1) return;
    this.calls *= factor;
    let total = 0;
    for (let rank = 0; rank < this.counts.length; rank++) {
      const count = (this.counts[rank] as number) * factor;
      this.counts[rank] = count;
      total += count;
    }
    // Added up anew, so that errors of rounding do not.
    this.total = total;
  }

  private find(): void {
    this.unseen = 0;
    let left = this.ratio * this.total;
    let rank = 0;
    for (; rank < this.counts.length - 1; rank++) {
      const count = this.counts[rank] as number;
      if (count > left) break;
      left -= count;
    }
    const count = this.counts[rank] as number;
    this.rank = rank;
    this.partial = count > 0 ? Math.min(1, left / count) : 0;
  }
}
