// What isolates tell each other about a rate limit: how much each has let through since it last said so. What they are told is
// how far ahead the key is: how long until everything that all of them have let through is paid for (see `takeGcra`).
import type { RateQuota } from "@headgate/core";

export interface LimitReport {
  readonly key: string;
  /** What has gone through since the last report. */
  readonly used: number;
  readonly quota: RateQuota;
}

export interface LimitView {
  readonly key: string;
  /** Milliseconds until the whole burst is there again. */
  readonly aheadMs: number;
}

/**
 * When the key has its whole burst again, after what has gone through already. Several isolates together may have let more
 * through than there was: that is never counted as more than an empty burst, so that nobody is shut out for long.
 */
export function addUsed(paidMs: number | undefined, { used, quota }: LimitReport, nowMs: number): number {
  const unitMs = quota.windowMs / quota.limit;
  const nextMs = Math.max(paidMs ?? nowMs, nowMs) + used * unitMs;
  return Math.min(nextMs, nowMs + quota.burst * unitMs);
}
