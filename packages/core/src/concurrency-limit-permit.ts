// Permits that have to be remembered. Most are only counted: one of weight 1, without a lease, whose work ends in time.
/// <reference lib="esnext.disposable" />

/** A permit taken without a pipeline. `using` gives it back at the end of the block. */
export class Permit {
  /** How much it counts. */
  readonly weight: number;
  readonly #giveBack: () => void;

  constructor(weight: number, giveBack: () => void) {
    this.weight = weight;
    this.#giveBack = giveBack;
  }

  /** Gives the permit back. Calling it again does nothing. */
  release(): void {
    this.#giveBack();
  }

  [Symbol.dispose](): void {
    this.#giveBack();
  }
}

export class HeldPermit {
  readonly weight: number;
  /** Its work goes on although its caller was answered. */
  abandoned = false;
  /** Given back, or taken back: whoever comes second must not do it again. */
  returned = false;

  constructor(weight: number) {
    this.weight = weight;
  }
}

/** Permits that are taken back after a fixed time, the first to be due first. */
export class DuePermits {
  readonly #afterMs: number;
  readonly #due = new Map<HeldPermit, number>();

  constructor(afterMs: number) {
    this.#afterMs = afterMs;
  }

  get size(): number {
    return this.#due.size;
  }

  add(permit: HeldPermit, nowMs: number): void {
    this.#due.set(permit, nowMs + this.#afterMs);
  }

  delete(permit: HeldPermit): void {
    this.#due.delete(permit);
  }

  /** Takes out the next permit that is due. */
  take(nowMs: number): HeldPermit | undefined {
    for (const [permit, dueMs] of this.#due) {
      if (nowMs < dueMs) return undefined;
      this.#due.delete(permit);
      return permit;
    }
    return undefined;
  }
}

/** Weights may be fractions, whose sums drift: they are counted to the millionth. */
export function sum(count: number, weight: number): number {
  const total = count + weight;
  return (total | 0) === total ? total : Math.round(total * 1e6) / 1e6;
}
