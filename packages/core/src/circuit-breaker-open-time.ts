// How long a circuit stays open: longer each time it opens again, until it has been closed long enough to call the
// dependency healthy. And how long it will stay so yet.
import type { Random } from "./random.ts";

export interface OpenTimeOptions {
  readonly openMs: number;
  readonly openFactor: number;
  readonly maxOpenMs: number;
  readonly openJitter: number;
  readonly healthyMs: number;
}

export class OpenTime {
  readonly #options: OpenTimeOptions;
  readonly #random: Random;
  #openings = 0;
  #openedAtMs = 0;
  #openForMs = 0;
  #closedAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: OpenTimeOptions, random: Random) {
    this.#options = options;
    this.#random = random;
  }

  /** How long a circuit stays open at first. */
  get firstMs(): number {
    return this.#options.openMs;
  }

  /** The circuit opens: for how long. `hintMs` is what the dependency asked for. */
  open(sinceMs: number, fromClosed: boolean, hintMs: number): number {
    const { openMs, openFactor, maxOpenMs, openJitter, healthyMs } = this.#options;
    if (fromClosed && sinceMs - this.#closedAtMs >= healthyMs) this.#openings = 0;
    const grownMs = Math.min(maxOpenMs, openMs * openFactor ** this.#openings);
    // The first time is what it is called. Jitter is for those that go on probing, who would do so in step with others.
    const drawnMs = this.#openings === 0 ? grownMs : grownMs * (1 - openJitter * this.#random.next());
    this.#openings++;
    this.#openedAtMs = sinceMs;
    this.#openForMs = Math.max(drawnMs, Math.min(hintMs, maxOpenMs));
    return this.#openForMs;
  }

  close(nowMs: number): void {
    this.#closedAtMs = nowMs;
  }

  /** Until an open circuit lets a probe through. */
  remainingMs(nowMs: number): number {
    return Math.min(this.#openForMs, this.#openedAtMs + this.#openForMs - nowMs);
  }

  /** A clock that was set back must not keep the circuit open for as long as it went back. */
  heed(nowMs: number): void {
    if (nowMs < this.#openedAtMs) this.#openedAtMs = nowMs;
  }

  /** `healthyInMs` is how long the circuit must stay closed yet until the next opening counts as a first one. */
  snapshot(nowMs: number): { readonly openings: number; readonly healthyInMs: number } {
    const { healthyMs } = this.#options;
    const healthyInMs = Math.min(healthyMs, Math.max(0, this.#closedAtMs + healthyMs - nowMs));
    return { openings: this.#openings, healthyInMs };
  }

  restore(nowMs: number, snapshot: { openForMs: number; openings: number; healthyInMs: number }): void {
    const { healthyMs, maxOpenMs } = this.#options;
    this.#openings = snapshot.openings;
    this.#closedAtMs = nowMs + Math.min(snapshot.healthyInMs, healthyMs) - healthyMs;
    this.#openedAtMs = nowMs;
    this.#openForMs = Math.min(snapshot.openForMs, maxOpenMs);
  }
}
