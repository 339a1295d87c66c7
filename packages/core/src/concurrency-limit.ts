// Lets a bounded number of calls run at once and a bounded number wait, in order. A permit counts real work: it comes
// back when the operation has ended, also when its caller was answered earlier.
//
// On Workers requests of one isolate wait behind each other, and a request can be killed at any time without a word. So
// every waiter owns a timer and goes on in its own continuation, a hand-over that is not taken up is passed on, and
// permits may carry a lease.
import type { Clock } from "./clock.ts";
import { gateOptions } from "./concurrency-limit-options.ts";
import type { Permit } from "./concurrency-limit-permit.ts";
import { ConcurrencyLimitPolicy } from "./concurrency-limit-policy.ts";
import { checkInteger } from "./options.ts";
import type { Policy } from "./policy.ts";
import type { QueueOrder } from "./wait-queue.ts";

export type { QueueOrder } from "./wait-queue.ts";

export interface ConcurrencyLimitOptions {
  /** Stands in events and in metrics. @default "default" */
  readonly name?: string;
  /** What may run at once: calls, or the sum of their weights. An integer of at least 1. */
  readonly maxConcurrent: number;
  /** Calls that may wait for a permit. An integer of at least 0. @default 0 */
  readonly maxQueue?: number;
  /** How long a call may wait. Above 0, at most 2^31 - 1. @default 1000 */
  readonly maxWaitMs?: number;
  /**
   * Who goes on first: who came first (`fifo`), who came last (`lifo`), or who has the highest `priority`, and among equals
   * who came first. With priorities a call that finds the queue full takes the place of the last waiter of a lower one.
   * `adaptive-lifo` is `fifo` until the queue stands: until for 100 ms everybody has waited for longer than `targetWaitMs`.
   * From then on who came last goes on first and nobody waits for longer than the target, until for 100 ms nobody is refused.
   * @default "fifo"
   */
  readonly order?: QueueOrder;
  /** What a wait should stay below, with `adaptive-lifo`. Above 0, at most 2^31 - 1; `maxWaitMs` bounds it. @default 1 */
  readonly targetWaitMs?: number;
  /**
   * A permit that has not come back after this long is given to somebody else. For Workers, where a killed request
   * gives nothing back. Above 0, at most 2^31 - 1. @default none: a permit is held as long as its work lasts
   */
  readonly leaseMs?: number | undefined;
  /**
   * The permit of abandoned work, whose caller was answered at a deadline or has left, is given to somebody else after
   * this long. Above 0, at most 2^31 - 1. @default none: it comes back when the work has ended
   */
  readonly reclaimAfterMs?: number | undefined;
  /** @default systemClock */
  readonly clock?: Clock;
}

export interface AcquireOptions {
  /** Its abort ends the wait at once, with the signal's reason. @default none */
  readonly signal?: AbortSignal | undefined;
  /** How much the permit counts. A number above 0. @default 1 */
  readonly weight?: number | undefined;
  /** Who goes first where the order is `priority`: the higher number. @default 0 */
  readonly priority?: number | undefined;
}

export type ConcurrencyLimit = Policy & {
  readonly kind: "concurrency-limit";
  readonly name: string;
  readonly maxConcurrent: number;
  /** Permits that are taken, each with its weight. */
  readonly inUse: number;
  /** Calls that wait. */
  readonly queued: number;
  /** How long the one that has waited longest has done so until now, in milliseconds; 0 while nobody waits. */
  readonly oldestWaitMs: number;
  /** Permits held by work whose caller was answered already, each with its weight. */
  readonly abandoned: number;
  /** Calls refused because no place to wait was left. */
  readonly rejectedFull: number;
  /** Calls refused because they had waited as long as they may. */
  readonly rejectedWait: number;
  /** Calls that lost their place to one of higher priority. */
  readonly rejectedDisplaced: number;
  /** Calls refused because they are heavier than the whole limit. */
  readonly rejectedWeight: number;
  /** Permits taken back: their lease had ended, or their abandoned work went on for too long. */
  readonly reclaimed: number;
  /**
   * Changes how much may run at once. What runs goes on when that is less; whoever waits goes on when it is more.
   *
   * @throws {InvalidOptionError} for anything but an integer of at least 1.
   */
  resize(maxConcurrent: number): void;
  /**
   * Takes a permit without a pipeline, waiting for it in the same queue as calls do. Whoever takes it gives it back.
   *
   * @throws {ConcurrencyLimitError} when it is refused. The reason of `signal`, unchanged, when that aborts.
   */
  acquire(options?: AcquireOptions): Promise<Permit>;
  /** Takes a permit if there is one now that no waiter comes before. */
  tryAcquire(options?: Omit<AcquireOptions, "signal">): Permit | undefined;
};

/**
 * Lets `maxConcurrent` calls run at once; up to `maxQueue` more wait, in `order`, `maxWaitMs` at most. Everybody else is
 * refused at once with a `ConcurrencyLimitError`.
 *
 * @throws {InvalidOptionError} for options out of bounds.
 */
export function concurrencyLimit(options: ConcurrencyLimitOptions): ConcurrencyLimit {
  const { maxConcurrent } = options;
  checkInteger("concurrencyLimit.maxConcurrent", maxConcurrent, 1);
  return new ConcurrencyLimitPolicy({ ...gateOptions("concurrencyLimit", options), maxConcurrent });
}
