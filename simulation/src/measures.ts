// What is measured of a phase, and over the whole run for a chart.

export type End = "good" | "refused" | "timed-out";

export class PhaseMeasure {
  readonly durationMs: number;
  offered = 0;
  good = 0;
  refused = 0;
  timedOut = 0;
  readonly #latencies: number[] = [];
  #sorted = false;

  constructor(durationMs: number) {
    this.durationMs = durationMs;
  }

  count(end: End, latencyMs: number): void {
    if (end === "refused") this.refused++;
    else if (end === "timed-out") this.timedOut++;
    else {
      this.good++;
      this.#latencies.push(latencyMs);
      this.#sorted = false;
    }
  }

  get goodPerSecond(): number {
    return this.good / (this.durationMs / 1000);
  }

  get refusedShare(): number {
    return this.offered === 0 ? 0 : this.refused / this.offered;
  }

  get timedOutShare(): number {
    return this.offered === 0 ? 0 : this.timedOut / this.offered;
  }

  /** The latency of good calls at this quantile, in milliseconds; 0 without any. */
  latencyMs(quantile: number): number {
    if (!this.#sorted) this.#latencies.sort((a, b) => a - b);
    this.#sorted = true;
    return this.#latencies[Math.floor(quantile * this.#latencies.length)] ?? 0;
  }
}

/** A piece of the chart's time axis. */
export interface Slice {
  readonly startMs: number;
  readonly durationMs: number;
  offered: number;
  good: number;
  latencySumMs: number;
  /** The sum of all clients' limits, at the end of the slice. */
  limit: number;
}
