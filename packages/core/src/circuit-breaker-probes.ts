// How many probes a half-open circuit lets through at a time: one, and twice as many after as many successes, up to the most
// that is allowed. When so many have succeeded, the circuit closes.

export class Probes {
  /** How many may run at a time by now. */
  permits = 1;
  readonly #maxPermits: number;
  /** How many have succeeded since they may be so many. */
  #successes = 0;

  constructor(maxPermits: number) {
    this.#maxPermits = maxPermits;
  }

  reset(): void {
    this.permits = 1;
    this.#successes = 0;
  }

  /** A probe has succeeded; true when the circuit is to close. */
  succeeded(): boolean {
    if (++this.#successes < this.permits) return false;
    this.#successes = 0;
    if (this.permits >= this.#maxPermits) return true;
    this.permits = Math.min(2 * this.permits, this.#maxPermits);
    return false;
  }
}
