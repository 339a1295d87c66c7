// A quantile of the latencies of the last half minute, always up to date: a histogram with steps of less than 5 %, in slices
// of time, and a mark in it that moves by a step or two with each sample.

/** Latencies up to 1 ms share the first step; the last holds what took longer than about two minutes. */
const steps = 256;
const growth = 1.047;
const perStep = 1 / Math.log(growth);

/** Three slices of ten seconds, as Finagle's backup requests have them. */
const slices = 3;
const sliceMs = 10_000;

export class LatencyQuantile {
  private readonly quantile: number;
  private readonly minSamples: number;
  private readonly sliced: readonly Uint32Array[] = Array.from({ length: slices }, () => new Uint32Array(steps));
  private readonly counts = new Uint32Array(steps);
  /** The slice of now, numbered from the clock's origin. */
  private slice = Number.NEGATIVE_INFINITY;
  samples = 0;
  /** The step that holds the quantile, and how many samples are in those below it. */
  private mark = 0;
  private below = 0;

  /** @param minSamples below so many in the window nothing is known. At least 1. */
  constructor(quantile: number, minSamples: number) {
    this.quantile = quantile;
    this.minSamples = minSamples;
  }

  /** The step that holds the quantile; -1 where it is not known. */
  stepAt(nowMs: number): number {
    this.advance(nowMs);
    return this.samples < this.minSamples || this.mark === steps - 1 ? -1 : this.mark;
  }

  record(ms: number, nowMs: number): void {
    this.advance(nowMs);
    this.add(stepOf(ms));
  }

  /**
   * A latency that was cut short: it would have been longer than this. Where that is below the quantile it says nothing about
   * the quantile and is left out; else it stands above, wherever it stands.
   */
  recordAtLeast(ms: number, nowMs: number): void {
    this.advance(nowMs);
    const step = stepOf(ms);
    if (step >= this.mark) this.add(step);
  }

  private add(step: number): void {
    (this.sliced[this.slot()] as Uint32Array)[step]!++;
    this.counts[step]!++;
    this.samples++;
    if (step < this.mark) this.below++;
    this.moveMark();
  }

  /** The least step with at least `quantile` of the samples in it and below. */
  private moveMark(): void {
    const rank = Math.max(1, Math.ceil(this.quantile * this.samples));
    while (this.below >= rank) this.below -= this.counts[--this.mark] as number;
    while (this.below + (this.counts[this.mark] as number) < rank) this.below += this.counts[this.mark++] as number;
  }

  /** Drops the slices that have left the window. A clock that stands still or goes back moves nothing. */
  private advance(nowMs: number): void {
    const slice = Math.floor(nowMs / sliceMs);
    const passed = slice - this.slice;
    if (!(passed > 0)) return;
    for (let i = Math.min(passed, slices); i > 0; i--) {
      this.slice = slice - i + 1;
      this.drop(this.sliced[this.slot()] as Uint32Array);
    }
    this.mark = this.below = 0;
    if (this.samples > 0) this.moveMark();
  }

  private slot(): number {
    return ((this.slice % slices) + slices) % slices;
  }

  private drop(counts: Uint32Array): void {
    for (let step = 0; step < steps; step++) {
      this.counts[step]! -= counts[step] as number;
      this.samples -= counts[step] as number;
    }
    counts.fill(0);
  }
}

/** The longest that a step holds, so that a quantile is at most 5 % too high; 1 for what is shorter. */
export function stepMs(step: number): number {
  return step < 0 ? Number.POSITIVE_INFINITY : growth ** step;
}

/** Step n holds what is longer than `growth^(n-1)` and at most `growth^n`. */
function stepOf(ms: number): number {
  if (!(ms > 1)) return 0;
  return Math.min(steps - 1, Math.ceil(Math.log(ms) * perStep));
}
