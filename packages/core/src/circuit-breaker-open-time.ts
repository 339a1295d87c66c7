// How long a circuit stays open: longer each time it opens again, until it has been closed long enough to call the
// dependency healthy.
import type { Random } from "./random.ts";

export interface OpenTimeOptions {
  readonly openMs: number;
  readonly openFactor: number;
  readonly maxOpenMs: number;
  readonly openJitter: number;
  readonly healthyMs: number;
}

export class OpenTime {
  readonly openMs: number;
  readonly maxOpenMs: number;
  private readonly openFactor: number;
  private readonly openJitter: number;
  private readonly healthyMs: number;
  private readonly random: Random;
  private openings = 0;
  private closedAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: OpenTimeOptions, random: Random) {
    this.openMs = options.openMs;
    this.maxOpenMs = options.maxOpenMs;
    this.openFactor = options.openFactor;
    this.openJitter = options.openJitter;
    this.healthyMs = options.healthyMs;
    this.random = random;
  }

  /** The circuit opens: for how long. `hintMs` is what the dependency asked for. */
  next(sinceMs: number, fromClosed: boolean, hintMs: number): number {
    if (fromClosed && sinceMs - this.closedAtMs >= this.healthyMs) this.openings = 0;
    const { openMs, openFactor, maxOpenMs, openJitter } = this;
    const grownMs = Math.min(maxOpenMs, openMs * openFactor ** this.openings);
    // The first time is what it is called. Jitter is for those that go on probing, who would do so in step with others.
    const drawnMs = this.openings === 0 ? grownMs : grownMs * (1 - openJitter * this.random.next());
    this.openings++;
    return Math.max(drawnMs, Math.min(hintMs, maxOpenMs));
  }

  closed(nowMs: number): void {
    this.closedAtMs = nowMs;
  }

  /** `healthyInMs` is how long the circuit must stay closed yet until the next opening counts as a first one. */
  snapshot(nowMs: number): { readonly openings: number; readonly healthyInMs: number } {
    const { openings } = this;
    const healthyInMs = Math.min(this.healthyMs, Math.max(0, this.closedAtMs + this.healthyMs - nowMs));
    return { openings, healthyInMs };
  }

  restore(nowMs: number, openings: number, healthyInMs: number): void {
    this.openings = openings;
    this.closedAtMs = nowMs + Math.min(healthyInMs, this.healthyMs) - this.healthyMs;
  }
}
