// The token bucket: tokens flow in at the quota's pace up to the burst, and each call takes its weight. Nothing runs
// meanwhile: what has flowed in is computed when somebody asks.
import { type RateAlgorithm, type RateDecision, type RateQuota, slackMs, wholeUnits } from "./rate-quota.ts";

export interface TokenBucketState {
  /** Tokens at `updatedMs`. */
  readonly tokens: number;
  /** A time on the clock that `nowMs` comes from. */
  readonly updatedMs: number;
}

/** How long until `cost` goes through; see `RateAlgorithm.waitMs`. */
export function tokenWaitMs(
  state: TokenBucketState | undefined,
  nowMs: number,
  cost: number,
  quota: RateQuota,
): number {
  const waitMs = inMs(cost - level(state, nowMs, quota), quota);
  return waitMs > slackMs(nowMs) ? waitMs : 0;
}

/** Takes `cost` if it goes through now; see `RateAlgorithm.take`. */
export function takeToken(
  state: TokenBucketState | undefined,
  nowMs: number,
  cost: number,
  quota: RateQuota,
): RateDecision<TokenBucketState> {
  const before = level(state, nowMs, quota);
  const retryAfterMs = tokenWaitMs(state, nowMs, cost, quota);
  const allowed = retryAfterMs === 0;
  const tokens = allowed ? before - cost : before;
  return {
    state: keep(state, nowMs, tokens, allowed),
    allowed,
    remaining: wholeUnits(tokens),
    retryAfterMs,
    resetMs: Math.max(0, inMs(quota.burst - tokens, quota)),
  };
}

/** A refusal leaves the state as it is, so that a thousand of them round nothing, except after a clock was set back. */
function keep(state: TokenBucketState | undefined, nowMs: number, tokens: number, allowed: boolean): TokenBucketState {
  return state === undefined || allowed || nowMs < state.updatedMs ? { tokens, updatedMs: nowMs } : state;
}

function level(state: TokenBucketState | undefined, nowMs: number, { limit, windowMs, burst }: RateQuota): number {
  if (state === undefined) return burst;
  const flowedIn = (Math.max(0, nowMs - state.updatedMs) * limit) / windowMs;
  return Math.min(burst, state.tokens + flowedIn);
}

function inMs(tokens: number, { limit, windowMs }: RateQuota): number {
  return (tokens * windowMs) / limit;
}

/** Both functions, for code that takes either algorithm. */
export const tokenBucket: RateAlgorithm<TokenBucketState> = { waitMs: tokenWaitMs, take: takeToken };
