// Stops calling a dependency that fails or hangs, and finds out with a few probes when it has recovered. The policy
// itself, with its state, stands in `circuit-breaker-policy.ts`.
import { CircuitBreakerPolicy } from "./circuit-breaker-policy.ts";
import type { CircuitMode, CircuitSnapshot, CircuitState } from "./circuit-breaker-snapshot.ts";
import { type Clock, maxDelayMs, systemClock } from "./clock.ts";
import { checkInteger, checkName, checkNumber, rejectOption } from "./options.ts";
import type { Policy } from "./policy.ts";
import { type Random, systemRandom } from "./random.ts";
import { consecutiveFailures, type Trip } from "./trip.ts";

export type { CircuitMode, CircuitSnapshot, CircuitState } from "./circuit-breaker-snapshot.ts";

export interface CircuitBreakerOptions {
  /** Stands in the error, in events and in metrics. @default "default" */
  readonly name?: string;
  /** When the circuit opens: `consecutiveFailures()`, `countWindow()` or `timeWindow()`. @default consecutiveFailures() */
  readonly trip?: Trip;
  /** How long the circuit stays open at first before it lets a probe through. Above 0. @default 30000 */
  readonly openMs?: number;
  /** The open time grows by this factor each time a probe fails. At least 1. @default 2 */
  readonly openFactor?: number;
  /** No open time is longer, whatever the dependency asks for. At least `openMs`. @default 300000, or `openMs` if more */
  readonly maxOpenMs?: number;
  /** Open times after the first are shortened at random by up to this share. From 0 to 1. @default 0.2 */
  readonly openJitter?: number;
  /** After so long closed the next open time is `openMs` again. At least 0. @default `maxOpenMs` */
  readonly healthyMs?: number;
  /** Most probes at a time while half-open, reached in steps: 1, 2, 4, … An integer of at least 1. @default 1 */
  readonly halfOpenPermits?: number;
  /**
   * A probe that has not come back after this long has failed. Above 0; a longer one than the trip's `slowMs` is
   * shortened to it. @default the trip's `slowMs`, or else `openMs`
   */
  readonly probeLeaseMs?: number;
  /** @default systemClock */
  readonly clock?: Clock;
  /** Where the jitter comes from. @default systemRandom */
  readonly random?: Random;
}

export type CircuitBreaker = Policy & {
  readonly kind: "circuit-breaker";
  readonly name: string;
  /**
   * The state as calls have found it so far, an open circuit's time counted: `open` while forced open, `closed` while
   * forced closed or disabled. Reading it changes nothing.
   */
  readonly state: CircuitState;
  /** Who decides. @default "normal" */
  readonly mode: CircuitMode;
  /** Calls refused so far. */
  readonly rejected: number;
  /** Calls let through in the mode `metrics-only` that would have been refused. */
  readonly spared: number;
  /** How often the circuit has opened so far, a failed probe included. */
  readonly opened: number;
  /** How often it has closed. */
  readonly closed: number;
  /** How often it has gone half-open. */
  readonly halfOpened: number;
  /** How often `setMode` has changed the state, by the state it led to. Not among the counts above. */
  readonly setByHand: Readonly<Record<CircuitState, number>>;
  /** The share of failures that the trip looks at, 0 without calls; undefined with a trip that has none. */
  readonly failureRatio: number | undefined;
  /** The share of slow calls, likewise; undefined when durations are not measured. */
  readonly slowRatio: number | undefined;
  /**
   * Sets who decides. The state beneath stays: a circuit that was open goes on being open when it is released, for as
   * long as its time says. Calls that are under way count no more.
   *
   * @throws {InvalidOptionError} for anything but a mode.
   */
  setMode(mode: CircuitMode): void;
  /** The state as JSON-safe data, for `restore`. */
  snapshot(): CircuitSnapshot;
  /**
   * Takes over mode and state of a snapshot. Its open time goes on from what remained, at most `maxOpenMs`; calls that
   * are under way count no more.
   *
   * @throws {InvalidOptionError} for anything but a snapshot; the breaker is left as it was.
   */
  restore(snapshot: CircuitSnapshot): void;
};

/**
 * Refuses calls with a `CircuitOpenError` while a dependency fails. `failure` and `dropped` outcomes count, `ignored`
 * ones (the caller left, one of our own policies refused) count nowhere.
 *
 * @throws {InvalidOptionError} for options out of bounds.
 */
export function circuitBreaker(options: CircuitBreakerOptions = {}): CircuitBreaker {
  const {
    name = "default",
    trip = consecutiveFailures(),
    openMs = 30_000,
    openFactor = 2,
    maxOpenMs = Math.max(300_000, openMs),
    openJitter = 0.2,
    healthyMs = maxOpenMs,
    halfOpenPermits = 1,
    clock = systemClock,
    random = systemRandom,
  } = options;
  checkName("circuitBreaker.name", name);
  if (typeof trip?.record !== "function" || typeof trip.reset !== "function")
    rejectOption("circuitBreaker.trip", "a trip such as consecutiveFailures()", trip);
  const { slowMs } = trip;
  if (slowMs !== undefined) {
    checkNumber("circuitBreaker.trip.slowMs", slowMs, 0, maxDelayMs, true);
    if (typeof trip.failSlow !== "function")
      rejectOption("circuitBreaker.trip", "able to `failSlow`, having `slowMs`", trip);
  }
  const { probeLeaseMs = slowMs ?? openMs } = options;
  checkNumber("circuitBreaker.openMs", openMs, 0, maxDelayMs, true);
  checkNumber("circuitBreaker.openFactor", openFactor, 1, 1000);
  checkNumber("circuitBreaker.maxOpenMs", maxOpenMs, openMs, maxDelayMs);
  checkNumber("circuitBreaker.openJitter", openJitter, 0, 1);
  checkNumber("circuitBreaker.healthyMs", healthyMs, 0, maxDelayMs);
  checkInteger("circuitBreaker.halfOpenPermits", halfOpenPermits, 1);
  checkNumber("circuitBreaker.probeLeaseMs", probeLeaseMs, 0, maxDelayMs, true);
  if (typeof clock?.now !== "function") rejectOption("circuitBreaker.clock", "a clock", clock);
  if (typeof random?.next !== "function") rejectOption("circuitBreaker.random", "a source of chance", random);
  return new CircuitBreakerPolicy({
    name,
    trip,
    openTime: { openMs, openFactor, maxOpenMs, openJitter, healthyMs },
    halfOpenPermits,
    probeLeaseMs: Math.min(probeLeaseMs, slowMs ?? Number.POSITIVE_INFINITY),
    clock,
    random,
  });
}
