// The generic cell rate algorithm. One number per key, the time at which everything let through so far will have been paid
// for at the quota's pace; a key whose time has passed is the same as a key never seen.
// Source: ITU-T I.371, virtual scheduling algorithm.
import { type RateAlgorithm, type RateDecision, type RateQuota, slackMs, wholeUnits } from "./rate-quota.ts";

/** When the key has its whole burst again: a time on the clock that `nowMs` comes from. */
export type GcraState = number;

/** How long until `cost` goes through; see `RateAlgorithm.waitMs`. */
export function gcraWaitMs(state: GcraState | undefined, nowMs: number, cost: number, quota: RateQuota): number {
  const waitMs = paidAtMs(state, nowMs, quota) - nowMs + inMs(cost - quota.burst, quota);
  return waitMs > slackMs(nowMs) ? waitMs : 0;
}

/** Takes `cost` if it goes through now; see `RateAlgorithm.take`. */
export function takeGcra(
  state: GcraState | undefined,
  nowMs: number,
  cost: number,
  quota: RateQuota,
): RateDecision<GcraState> {
  const retryAfterMs = gcraWaitMs(state, nowMs, cost, quota);
  const allowed = retryAfterMs === 0;
  const paidMs = paidAtMs(state, nowMs, quota) + (allowed ? inMs(cost, quota) : 0);
  const resetMs = paidMs - nowMs;
  const remaining = wholeUnits(quota.burst - (resetMs * quota.limit) / quota.windowMs);
  return { state: paidMs, allowed, remaining, retryAfterMs, resetMs };
}

/** The state as it counts now. More than a burst ahead comes of a clock set back or of a larger quota before. */
function paidAtMs(state: GcraState | undefined, nowMs: number, quota: RateQuota): number {
  if (state === undefined || state <= nowMs) return nowMs;
  const mostMs = nowMs + inMs(quota.burst, quota);
  return state > mostMs + 2 * slackMs(nowMs) ? mostMs : state;
}

function inMs(cost: number, { limit, windowMs }: RateQuota): number {
  return (cost * windowMs) / limit;
}

/** Both functions, for code that takes either algorithm. */
export const gcra: RateAlgorithm<GcraState> = { waitMs: gcraWaitMs, take: takeGcra };
