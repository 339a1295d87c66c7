// What the algorithms of adaptive limits know of a stretch of time: how many attempts ended, how long they took, how sure
// that is. Time is what the samples say; nothing is timed here.
import type { LimitSample } from "./limit.ts";

/** On hosts with a coarse clock, and for work that takes no time at all. */
const leastLatencyMs = 0.1;

export class LimitWindow {
  startMs: number = Number.NaN;
  /** Attempts that succeeded. */
  count = 0;
  /** The sum of what they took. */
  sumMs = 0;
  private sumSquares = 0;
  dropped = 0;
  /** The most that was running. */
  peak = 0;
  /** Calls that found no permit. */
  full = 0;
  /** The spread over many windows: where one attempt in a hundred takes long, most windows look all too sure. */
  private variability = 0;

  reset(nowMs: number): void {
    if (this.count > 1) this.variability += Math.min(0.1, this.count / 1000) * (this.spread - this.variability);
    this.startMs = nowMs;
    this.count = this.sumMs = this.sumSquares = this.dropped = this.peak = this.full = 0;
  }

  add({ startMs, endMs, inFlight, outcome }: LimitSample): void {
    if (!(endMs >= this.startMs)) this.reset(endMs);
    if (inFlight > this.peak) this.peak = inFlight;
    if (outcome === "dropped") this.dropped++;
    else if (outcome === "success") {
      const latencyMs = Math.max(leastLatencyMs, endMs - startMs);
      this.count++;
      this.sumMs += latencyMs;
      this.sumSquares += latencyMs * latencyMs;
    }
  }

  addFull(nowMs: number, inFlight: number): void {
    if (!(nowMs >= this.startMs)) this.reset(nowMs);
    if (inFlight > this.peak) this.peak = inFlight;
    this.full++;
  }

  get meanMs(): number {
    return this.sumMs / this.count;
  }

  /** The standard error of the mean as a share of it; infinite for fewer than two. */
  get uncertainty(): number {
    const { count } = this;
    return count < 2 ? Number.POSITIVE_INFINITY : Math.sqrt(Math.max(this.variability, this.spread) / (count - 1));
  }

  /** The variance of the latency as a share of the squared mean, in this window. */
  private get spread(): number {
    const { count, sumMs, sumSquares } = this;
    return Math.max(0, (sumSquares * count) / (sumMs * sumMs) - 1);
  }

  /** The share of attempts that were dropped. */
  get droppedShare(): number {
    return this.dropped === 0 ? 0 : this.dropped / (this.count + this.dropped);
  }

  /** The share of calls that found no permit. */
  get fullShare(): number {
    return this.full === 0 ? 0 : this.full / (this.count + this.dropped + this.full);
  }
}
