// When a circuit breaker opens: the contract, and failures in a row. The windows stand in files of their own.
import { checkInteger } from "./options.ts";

/**
 * What a trip is told of a call.
 *
 * - `success`: it came back in time.
 * - `failure`: it failed, or our own timeout ended it, or nobody answered.
 * - `overload`: the dependency answered that it has too much to do (429, 503). It is alive.
 * - `slow`: it has run for `slowMs` by now. Told the moment that is noticed, whether or not the call has ended; if it
 *   fails later, `failSlow` follows.
 */
export type TripResult = "success" | "failure" | "overload" | "slow";

/** What a trip looks at now. */
export interface TripCounts {
  readonly calls: number;
  /** Those that failed, overload included. */
  readonly failures: number;
  /** Those that took `slowMs` or longer. */
  readonly slow: number;
}

/** Decides from the results of calls when a circuit opens. Belongs to one breaker. */
export interface Trip {
  /** A call is slow when it has run for so many milliseconds. Without it nothing is measured, and nothing is `slow`. */
  readonly slowMs?: number | undefined;
  /** Whether `record` needs the time. A breaker reads its clock for each call only when this or `slowMs` asks for it. */
  readonly timed?: boolean;
  /** The number of the last sample, by which `failSlow` finds it. Only with `slowMs`. */
  readonly lastSample?: number;
  /** Takes a result in; true when the circuit is to open. `nowMs` never goes back between two calls of a steady clock. */
  record(result: TripResult, nowMs: number): boolean;
  /** The call that was recorded as `slow` under this number has failed since; true when the circuit is to open. */
  failSlow?(sample: number, nowMs: number): boolean;
  /** For metrics. A trip without it has no ratios to show. */
  counts?(nowMs: number): TripCounts;
  /** Forgets everything: the circuit has changed its state. */
  reset(): void;
  /** In a few words for people: `"5 failures in a row"`. */
  describe?(): string;
}

export interface ConsecutiveFailuresOptions {
  /** Opens at this many failures in a row. An integer of at least 1. @default 5 */
  readonly maxFailures?: number;
}

/**
 * Opens after failures in a row; one success starts the count anew. An answer that means overload does neither: the
 * dependency is alive, and how often it says so is a matter of shares, which the windows look at.
 *
 * @throws {InvalidOptionError} for options out of bounds.
 */
export function consecutiveFailures(options: ConsecutiveFailuresOptions = {}): Trip {
  const { maxFailures = 5 } = options;
  checkInteger("consecutiveFailures.maxFailures", maxFailures, 1);
  return new ConsecutiveFailures(maxFailures);
}

class ConsecutiveFailures implements Trip {
  readonly #maxFailures: number;
  #failures = 0;

  constructor(maxFailures: number) {
    this.#maxFailures = maxFailures;
  }

  record(result: TripResult): boolean {
    if (result === "success") this.#failures = 0;
    else if (result === "failure") this.#failures++;
    return this.#failures >= this.#maxFailures;
  }

  reset(): void {
    this.#failures = 0;
  }

  describe(): string {
    return `${this.#maxFailures} failures in a row`;
  }
}
