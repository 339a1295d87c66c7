// The contract between the gate and an algorithm that says how much may run at once. The gate (`adaptive-limit.ts`) has the
// permits and the queue; an algorithm sees how attempts end, and has neither timers nor a clock: it is told what time it is.
//
// Source of the split, and of the three ways in which a sample ends: Netflix/concurrency-limits.

/** How one attempt went, from when it was given its permit: neither queueing nor back-off is in it. */
export interface LimitSample {
  /** When the permit was taken, and when the attempt ended, on the policy's clock. */
  readonly startMs: number;
  readonly endMs: number;
  /** How much was running when the attempt began, itself included. */
  readonly inFlight: number;
  /** An attempt that was `ignored` is no sample. `dropped` means overload: a timeout, or what `isOverload` recognises. */
  readonly outcome: "success" | "failure" | "dropped";
}

/** What an algorithm has found out, as far as it is worth keeping. */
export interface LimitLearnt {
  /** Before it is rounded. At least 0. */
  readonly limit: number;
  /** How long an attempt takes that waits for nobody, or on average, whichever the algorithm goes by; null when it knows of none. */
  readonly baselineMs: number | null;
}

/** Says how much may run at once, and learns from what has run. An instance belongs to one `adaptiveLimit`. */
export interface Limit {
  /** What stands in the policy's description: `"knee"`. */
  readonly kind: string;
  /** How much may run at once now. At least 0; the gate rounds down. */
  readonly limit: number;
  /** An attempt has ended. The sample is not to be kept. */
  observe(sample: LimitSample): void;
  /**
   * A call has found no permit: it will wait or be refused, unless `limit` is higher when this returns. `inFlight` is how
   * much runs now.
   */
  full?(nowMs: number, inFlight: number): void;
  /** For `snapshot`. @default `limit`, and no baseline */
  learnt?(): LimitLearnt;
  /**
   * Goes on from what another one of the same kind has learnt, within its own bounds. What it is given was checked.
   * @default `restore` is refused
   */
  restore?(learnt: LimitLearnt): void;
}
