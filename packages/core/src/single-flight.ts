// Calls with the same key share one operation. The policy itself stands in `single-flight-policy.ts`.
import type { Call } from "./call.ts";
import { type Clock, maxDelayMs, systemClock } from "./clock.ts";
import { checkFunction, checkInteger, checkNumber } from "./options.ts";
import type { Policy } from "./policy.ts";
import { isReadOnce } from "./read-once.ts";
import { SingleFlightPolicy } from "./single-flight-policy.ts";

export interface SingleFlightOptions {
  /**
   * What a call does: two calls with the same key are the same work. A call without a key runs by itself.
   * @default (call) => call.options.key
   */
  readonly key?: (call: Call) => string | undefined;
  /**
   * How long a call waits for an operation that another call has started; then it starts one itself. An operation that has
   * run for so long is not joined any more. Above 0, at most 2^31 - 1. @default 5000
   */
  readonly maxWaitMs?: number;
  /** Keys that are kept apart at once; calls with further keys run by themselves. An integer of at least 1. @default 1000 */
  readonly maxKeys?: number;
  /**
   * Calls that may wait for one operation, beside the one that started it; further ones run by themselves.
   * An integer of at least 1. @default 1000
   */
  readonly maxFollowers?: number;
  /**
   * Whether several callers may be given this value, the same object. Where not, the call that started the operation gets
   * it and the others run by themselves. By default a `Response`, a stream and what has one as its `body` is not shared.
   */
  readonly share?: (value: unknown) => boolean;
  /** @default systemClock */
  readonly clock?: Clock;
}

export type SingleFlight = Policy & {
  readonly kind: "single-flight";
  /** Operations that can be joined, and those on Workers whose request was killed. */
  readonly inFlight: number;
  /** Calls that have joined the operation of another call. */
  readonly joined: number;
  /** Calls that have waited `maxWaitMs` for the operation of another call. */
  readonly expired: number;
};

/**
 * Calls with the same key that overlap share one operation, and all of them are given its result: the same value, or the
 * same error, which counts for each of them as it counts for the first.
 *
 * A caller that leaves ends its own wait and nothing else. The operation is aborted when nobody waits for it any more.
 *
 * @throws {InvalidOptionError} for options out of bounds.
 */
export function singleFlight(options: SingleFlightOptions = {}): SingleFlight {
  const {
    key = (call) => call.options.key,
    maxWaitMs = 5000,
    maxKeys = 1000,
    maxFollowers = 1000,
    share = (value) => !isReadOnce(value),
    clock = systemClock,
  } = options;
  checkFunction("singleFlight.key", key);
  checkNumber("singleFlight.maxWaitMs", maxWaitMs, 0, maxDelayMs, true);
  checkInteger("singleFlight.maxKeys", maxKeys, 1);
  checkInteger("singleFlight.maxFollowers", maxFollowers, 1);
  checkFunction("singleFlight.share", share);
  return new SingleFlightPolicy({ key, maxWaitMs, maxKeys, maxFollowers, share, clock });
}
