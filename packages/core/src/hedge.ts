// Sends a call that takes unusually long a second time, beside the first, and answers with whichever is quicker. The policy itself
// stands in `hedge-policy.ts`, the attempts of one call in `hedge-race.ts`.
import { type Clock, maxDelayMs, systemClock } from "./clock.ts";
import { HedgePolicy } from "./hedge-policy.ts";
import { checkInteger, checkNumber, rejectOption } from "./options.ts";
import type { Policy } from "./policy.ts";
import { checkBudget, type RetryBudget, retryBudget } from "./retry-budget.ts";

export interface HedgeOptions {
  /** Attempts in all, the first included. An integer from 2 to 10. @default 2 */
  readonly maxAttempts?: number;
  /**
   * How long an attempt may take until the next is sent beside it. Above 0, at most 2^31 - 1.
   * @default the `quantile` of recent latencies
   */
  readonly delayMs?: number | undefined;
  /** The share of recent attempts that were quicker than the delay. Above 0, below 1. @default 0.95 */
  readonly quantile?: number | undefined;
  /**
   * Attempts of the last half minute without which their latencies say too little: nothing is hedged below. An integer of at
   * least 1. @default 20
   */
  readonly minSamples?: number | undefined;
  /**
   * What hedges are paid from: give it that of the retry in front of the same dependency. `false` for no bound.
   * @default retryBudget()
   */
  readonly budget?: RetryBudget | false | undefined;
  /** @default systemClock */
  readonly clock?: Clock;
}

export type Hedge = Policy & {
  readonly kind: "hedge";
  readonly maxAttempts: number;
  /** The fixed delay; undefined when it follows the latencies. */
  readonly delayMs: number | undefined;
  /** The delay as it is now. `Infinity` while too little is known of the latencies. */
  readonly currentDelayMs: number;
  /** What hedges are paid from. */
  readonly budget: RetryBudget | undefined;
  /** Hedges so far: attempts that were sent beside others. */
  readonly hedges: number;
  /** Calls that a hedge has answered. */
  readonly won: number;
  /** Hedges that were not sent because the budget refused. */
  readonly budgetDenied: number;
  /** Hedges that were not sent because the dependency had asked not to be sent the call again. */
  readonly pushedBack: number;
};

/**
 * Sends a call that has no answer after a delay once more, beside the first attempt, and answers with the first that comes. The
 * others are ended at once, with a `SupersededError` as the reason of their signals, and not waited for; their permits come back
 * when they have really ended, and what they return late is discarded.
 *
 * Only for operations that may run twice at the same time. The delay is a fixed one, or the 95th percentile of recent latencies,
 * so that one call in twenty is hedged (Dean and Barroso, The Tail at Scale, 2013).
 *
 * @throws {InvalidOptionError} for options out of bounds.
 */
export function hedge(options: HedgeOptions = {}): Hedge {
  const { maxAttempts = 2, delayMs, quantile = 0.95, minSamples = 20, clock = systemClock } = options;
  const budget = options.budget === false ? undefined : (options.budget ?? retryBudget({ clock }));
  checkInteger("hedge.maxAttempts", maxAttempts, 2, 10);
  if (delayMs !== undefined) {
    checkNumber("hedge.delayMs", delayMs, 0, maxDelayMs, true);
    for (const name of ["quantile", "minSamples"] as const)
      if (options[name] !== undefined) rejectOption(`hedge.${name}`, "left out beside `hedge.delayMs`", options[name]);
  }
  if (!(typeof quantile === "number" && quantile > 0 && quantile < 1))
    rejectOption("hedge.quantile", "a number above 0 and below 1", quantile);
  checkInteger("hedge.minSamples", minSamples, 1);
  checkBudget("hedge.budget", budget);
  return new HedgePolicy({ maxAttempts, delayMs, quantile, minSamples, budget, clock });
}
