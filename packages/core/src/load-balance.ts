// Spreads calls over several endpoints of one dependency. The policy itself stands in `load-balance-policy.ts`.
import type { OperationContext } from "./attempt.ts";
import { type Clock, maxDelayMs, systemClock } from "./clock.ts";
import type { EndpointState } from "./load-balance-endpoint.ts";
import { LoadBalancePolicy } from "./load-balance-policy.ts";
import { checkFunction, checkName, checkNumber, rejectOption } from "./options.ts";
import type { Policy } from "./policy.ts";
import { type Random, systemRandom } from "./random.ts";
import { consecutiveFailures, type Trip } from "./trip.ts";

export interface LoadBalanceOptions<E> {
  /** What calls are spread over: whatever tells an operation where to go (a URL, a client, a pool). At least one. */
  readonly endpoints: readonly E[];
  /** Stands in events and in metrics. @default "default" */
  readonly name?: string;
  /** What an endpoint is called in events and snapshots. @default a string or URL itself, else its number: `"#0"` */
  readonly nameOf?: (endpoint: E, index: number) => string;
  /** Makes the trip of an endpoint: when it goes out of use. Each has its own. @default () => consecutiveFailures() */
  readonly trip?: () => Trip;
  /** How long an endpoint stays out of use at first, until a call tries it again. Above 0. @default 30000 */
  readonly ejectMs?: number;
  /** That time grows by this factor each time the trial fails. At least 1. @default 2 */
  readonly ejectFactor?: number;
  /** No endpoint is out of use for longer. At least `ejectMs`. @default 300000, or `ejectMs` if more */
  readonly maxEjectMs?: number;
  /** Times after the first are shortened at random by up to this share. From 0 to 1. @default 0.2 */
  readonly ejectJitter?: number;
  /** After so long in use the next time is `ejectMs` again. At least 0. @default `maxEjectMs` */
  readonly healthyMs?: number;
  /**
   * The largest share of endpoints out of use at a time. From 0, which takes none out of use, to 1; one is always left.
   * @default 0.5
   */
  readonly maxEjectedRatio?: number;
  /** How fast past latencies are forgotten: to a third in this time. Above 0, at most 2^31 - 1. @default 10000 */
  readonly decayMs?: number;
  /**
   * A call counts as under way no longer than this, whether or not it has ended: for Workers, where the calls of a request that
   * was killed never end. Above 0; longer than any call takes. @default no such bound
   */
  readonly leaseMs?: number | undefined;
  /** @default systemClock */
  readonly clock?: Clock;
  /** Which endpoints are compared, and the jitter. @default systemRandom */
  readonly random?: Random;
}

/** An endpoint at one moment. */
export interface EndpointSnapshot<E> {
  readonly endpoint: E;
  readonly name: string;
  /** `probing`: its time out of use is over, and one call at a time finds out how it is. */
  readonly state: EndpointState;
  /** What remains of its time out of use; 0 when it is not. */
  readonly ejectedForMs: number;
  /** Calls under way there, until their work has really ended. */
  readonly inFlight: number;
  /** What the latency is estimated at; undefined before any call has ended. */
  readonly latencyMs: number | undefined;
  /** Calls sent there so far. */
  readonly picked: number;
  /** How often it has gone out of use so far, a failed trial included. */
  readonly ejections: number;
}

export type LoadBalance<E> = Policy & {
  readonly kind: "load-balance";
  readonly name: string;
  /** Endpoints that are out of use or on trial. */
  readonly ejected: number;
  /** How often any endpoint has gone out of use so far, a failed trial included. */
  readonly ejections: number;
  /**
   * Where this attempt is to go. For the operation, at its beginning: `({ … })` of an attempt that was given up for another one
   * has no endpoint any more.
   *
   * @throws {InvalidOptionError} for the context of an attempt that does not run behind this policy.
   */
  of(context: OperationContext): E;
  /**
   * Takes another list of endpoints, from service discovery say. What is known of an endpoint that was in the list is kept, told by
   * the value itself; calls that are under way end as they would have.
   *
   * @throws {InvalidOptionError} for an empty list.
   */
  update(endpoints: readonly E[]): void;
  /** All endpoints as they are now, in the order given. */
  snapshot(): EndpointSnapshot<E>[];
};

/**
 * Chooses an endpoint for each attempt: of two that are drawn at random the one with the lower expected latency times the calls it
 * would share (power of two choices with peak EWMA). An endpoint that fails is out of use for a while, and another attempt of the
 * same call goes to another endpoint, as long as there is one.
 *
 * Sources: Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing"; Finagle's and linkerd's PeakEWMA; Envoy's
 * outlier detection.
 *
 * @throws {InvalidOptionError} for options out of bounds.
 */
export function loadBalance<E>(options: LoadBalanceOptions<E>): LoadBalance<E> {
  const {
    endpoints,
    name = "default",
    nameOf = defaultName,
    trip = () => consecutiveFailures(),
    ejectMs = 30_000,
    ejectFactor = 2,
    maxEjectMs = Math.max(300_000, ejectMs),
    ejectJitter = 0.2,
    healthyMs = maxEjectMs,
    maxEjectedRatio = 0.5,
    decayMs = 10_000,
    leaseMs,
    clock = systemClock,
    random = systemRandom,
  } = options;
  if (!Array.isArray(endpoints) || endpoints.length === 0)
    rejectOption("loadBalance.endpoints", "an array that is not empty", endpoints);
  checkName("loadBalance.name", name);
  checkFunction("loadBalance.nameOf", nameOf);
  checkFunction("loadBalance.trip", trip);
  checkNumber("loadBalance.ejectMs", ejectMs, 0, maxDelayMs, true);
  checkNumber("loadBalance.ejectFactor", ejectFactor, 1, 1000);
  checkNumber("loadBalance.maxEjectMs", maxEjectMs, ejectMs, maxDelayMs);
  checkNumber("loadBalance.ejectJitter", ejectJitter, 0, 1);
  checkNumber("loadBalance.healthyMs", healthyMs, 0, maxDelayMs);
  checkNumber("loadBalance.maxEjectedRatio", maxEjectedRatio, 0, 1);
  checkNumber("loadBalance.decayMs", decayMs, 0, maxDelayMs, true);
  if (leaseMs !== undefined) checkNumber("loadBalance.leaseMs", leaseMs, 0, maxDelayMs, true);
  if (typeof clock?.now !== "function") rejectOption("loadBalance.clock", "a clock", clock);
  if (typeof random?.next !== "function") rejectOption("loadBalance.random", "a source of chance", random);
  return new LoadBalancePolicy({
    endpoints,
    name,
    nameOf,
    trip: () => checkedTrip(trip()),
    outTime: {
      openMs: ejectMs,
      openFactor: ejectFactor,
      maxOpenMs: maxEjectMs,
      openJitter: ejectJitter,
      healthyMs,
    },
    maxEjectedRatio,
    decayMs,
    leaseMs,
    clock,
    random,
  });
}

function defaultName(endpoint: unknown, index: number): string {
  return typeof endpoint === "string" || endpoint instanceof URL ? String(endpoint) : `#${index}`;
}

function checkedTrip(trip: Trip): Trip {
  if (typeof trip?.record !== "function" || typeof trip.reset !== "function")
    rejectOption("loadBalance.trip", "a function that makes a trip such as consecutiveFailures()", trip);
  return trip;
}
