// What a rate limit allows, and the contract of the algorithms that decide by it. The algorithms are pure: the state comes
// in and goes out, so that memory, Redis and Durable Objects run the same code.

/** `limit` in every `windowMs`, and up to `burst` at once after a pause. */
export interface RateQuota {
  /** What flows back in each window. Above 0. */
  readonly limit: number;
  /** Milliseconds. Above 0. */
  readonly windowMs: number;
  /** The most that goes through at once. Above 0. In any `t` milliseconds at most `burst + t * limit / windowMs` does. */
  readonly burst: number;
}

/** What an algorithm has decided, and the state to keep from now on. */
export interface RateDecision<State> {
  readonly state: State;
  readonly allowed: boolean;
  /** What would go through at once now, rounded down. */
  readonly remaining: number;
  /** How long until this cost goes through if nothing else does; 0 when it was allowed. */
  readonly retryAfterMs: number;
  /** How long until the whole burst is there again. */
  readonly resetMs: number;
}

export interface RateAlgorithm<State> {
  /**
   * How long until `cost` goes through, in milliseconds; 0 when it does now. For a cost above the burst, when it would
   * have gone through in parts, one as soon as possible after the other.
   */
  waitMs(state: State | undefined, nowMs: number, cost: number, quota: RateQuota): number;
  /** Takes `cost` if it goes through now. @param state what the last decision gave; undefined for a key never seen. */
  take(state: State | undefined, nowMs: number, cost: number, quota: RateQuota): RateDecision<State>;
}

/** Waits below this count as none: a sum of floating-point times may miss the very moment it was computed for. */
export function slackMs(nowMs: number): number {
  return 1e-6 + Math.abs(nowMs) * 2 ** -50;
}

/** Whole units, where rounding may have left a little less. */
export function wholeUnits(units: number): number {
  return Math.max(0, Math.floor(units + 1e-9));
}
