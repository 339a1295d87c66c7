// How long to wait before an attempt. Jitter holds at the cap too: without it the callers of a service that came back
// return together. Source: M. Brooker, "Exponential Backoff And Jitter" (AWS Architecture Blog).
import { maxDelayMs } from "./clock.ts";
import { checkNumber, checkOneOf } from "./options.ts";
import type { Random } from "./random.ts";

/**
 * The delay in milliseconds before a retry; 0 is at once, without a timer. `retry` is 1 before the first;
 * `previousDelayMs` is what the back-off of this call gave last, 0 before the first.
 */
export type Backoff = (retry: number, random: Random, previousDelayMs?: number) => number;

/**
 * How chance spreads a delay: `full` draws evenly from 0 to the delay, `equal` from its half to the whole,
 * `none` takes the delay itself.
 */
export type Jitter = "full" | "equal" | "none";

function spread(delayMs: number, jitter: Jitter, random: Random): number {
  if (jitter === "none") return delayMs;
  return jitter === "full" ? delayMs * random.next() : delayMs * (0.5 + 0.5 * random.next());
}

const jitters: readonly Jitter[] = ["full", "equal", "none"];

export interface ExponentialBackoffOptions {
  /** The delay before the first retry, before jitter. At least 0. @default 100 */
  readonly initialMs?: number;
  /** No delay is longer, jitter included. At least `initialMs`. @default 10000 */
  readonly maxMs?: number;
  /** Each delay is this many times the one before. At least 1. `decorrelated` does not use it. @default 2 */
  readonly factor?: number;
  /**
   * `decorrelated` draws evenly from `initialMs` to three times the delay before it: it grows by chance, so that calls that
   * failed together drift apart. The others: see `Jitter`.
   * @default "full"
   */
  readonly jitter?: Jitter | "decorrelated";
}

/** `min(maxMs, initialMs × factor^(retry - 1))`, with jitter. */
export function exponentialBackoff(options: ExponentialBackoffOptions = {}): Backoff {
  const { initialMs = 100, maxMs = 10_000, factor = 2, jitter = "full" } = options;
  checkNumber("exponentialBackoff.initialMs", initialMs, 0, maxDelayMs);
  checkNumber("exponentialBackoff.maxMs", maxMs, initialMs, maxDelayMs);
  checkNumber("exponentialBackoff.factor", factor, 1, 1000);
  checkOneOf("exponentialBackoff.jitter", jitter, ["full", "equal", "decorrelated", "none"]);
  if (jitter === "decorrelated") {
    return (_, random, previousDelayMs = 0) => {
      const highestMs = Math.min(maxMs, 3 * Math.max(initialMs, previousDelayMs));
      return initialMs + (highestMs - initialMs) * random.next();
    };
  }
  return (retry, random) => spread(Math.min(maxMs, initialMs * factor ** (retry - 1)), jitter, random);
}

export interface LinearBackoffOptions {
  /** The delay before the first retry, before jitter. At least 0. @default 100 */
  readonly initialMs?: number;
  /** Each delay is longer than the one before by this. At least 0. @default initialMs */
  readonly stepMs?: number;
  /** No delay is longer, jitter included. At least `initialMs`. @default 10000 */
  readonly maxMs?: number;
  /** @default "full" */
  readonly jitter?: Jitter;
}

/** `min(maxMs, initialMs + stepMs × (retry - 1))`, with jitter. */
export function linearBackoff(options: LinearBackoffOptions = {}): Backoff {
  const { initialMs = 100, stepMs = initialMs, maxMs = 10_000, jitter = "full" } = options;
  checkNumber("linearBackoff.initialMs", initialMs, 0, maxDelayMs);
  checkNumber("linearBackoff.stepMs", stepMs, 0, maxDelayMs);
  checkNumber("linearBackoff.maxMs", maxMs, initialMs, maxDelayMs);
  checkOneOf("linearBackoff.jitter", jitter, jitters);
  return (retry, random) => spread(Math.min(maxMs, initialMs + stepMs * (retry - 1)), jitter, random);
}

export interface ConstantBackoffOptions {
  /** The delay before every retry, before jitter. 0 is at once, without a timer. */
  readonly delayMs: number;
  /** @default "none" */
  readonly jitter?: Jitter;
}

export function constantBackoff(options: ConstantBackoffOptions): Backoff {
  const { delayMs, jitter = "none" } = options;
  checkNumber("constantBackoff.delayMs", delayMs, 0, maxDelayMs);
  checkOneOf("constantBackoff.jitter", jitter, jitters);
  return (_, random) => spread(delayMs, jitter, random);
}
