// The breakers of an isolate, on their way to and from the others: what they have decided by themselves goes out, what others
// have decided comes in. They never wait for either.
import type { CircuitBreaker } from "@headgate/core";
import type { CircuitReport, CircuitView } from "./circuit-records.ts";

/** Asked before a breaker takes over what other isolates have found: false leaves it as it is. */
export type AcceptCircuit = (breaker: CircuitBreaker, view: CircuitView) => boolean;

class Link {
  readonly breaker: CircuitBreaker;
  /** That of the last view. */
  epoch = 0;
  /** How often the breaker has opened and closed by itself, as it was seen last. `restore` does not count there. */
  seen: number;
  /** The same, as it was when the message went out. */
  sent: number;
  /** Whether the others have not been told of its last change. */
  pending = false;
  /** The change happened after this time. */
  sinceMs = 0;

  constructor(breaker: CircuitBreaker) {
    this.breaker = breaker;
    this.seen = this.sent = this.changes;
  }

  get changes(): number {
    return this.breaker.opened + this.breaker.closed;
  }

  report(nowMs: number): CircuitReport {
    const { name } = this.breaker;
    this.sent = this.changes;
    if (!this.pending) return { name, epoch: this.epoch };
    const { state, openForMs, healthyInMs, openings } = this.breaker.snapshot();
    // Open no more and not closed yet: the next probe will tell.
    if (state === "half-open") return { name, epoch: this.epoch };
    const forMs = state === "open" ? openForMs : healthyInMs;
    return { name, epoch: this.epoch, change: { state, forMs, openings, ageMs: Math.max(0, nowMs - this.sinceMs) } };
  }
}

export class SharedCircuits {
  private readonly links: readonly Link[];
  private readonly accept: AcceptCircuit;
  private lookedMs = 0;
  /** Breakers that have changed because of what others have found. */
  applied = 0;

  constructor(breakers: readonly CircuitBreaker[], accept: AcceptCircuit) {
    this.links = breakers.map((breaker) => new Link(breaker));
    this.accept = accept;
  }

  /** Whether there is something to tell. Two numbers are compared for each breaker. */
  look(nowMs: number): boolean {
    let pending = false;
    for (const link of this.links) {
      const { changes } = link;
      if (changes !== link.seen) {
        link.seen = changes;
        link.pending = true;
        link.sinceMs = this.lookedMs;
      }
      if (link.pending) pending = true;
    }
    this.lookedMs = nowMs;
    return pending;
  }

  reports(nowMs: number): CircuitReport[] {
    return this.links.map((link) => link.report(nowMs));
  }

  /** The message has arrived, and was answered after `elapsedMs`. */
  take(views: readonly CircuitView[], elapsedMs: number): void {
    for (const link of this.links) {
      // What it has found meanwhile is newer than any answer.
      if (link.changes !== link.sent) continue;
      link.pending = false;
      const view = views.find(({ name }) => name === link.breaker.name);
      if (view === undefined || view.epoch === link.epoch) continue;
      link.epoch = view.epoch;
      if (differs(link.breaker, view, elapsedMs) && this.accept(link.breaker, view)) this.apply(link.breaker, view);
    }
  }

  private apply(breaker: CircuitBreaker, { state, forMs, openings }: CircuitView): void {
    this.applied++;
    const { mode } = breaker;
    // The breaker itself cuts the time to its own `maxOpenMs`.
    if (state === "open") breaker.restore({ mode, state, openForMs: forMs, openings, healthyInMs: 0 });
    else breaker.restore({ mode, state, openForMs: 0, openings, healthyInMs: forMs });
  }
}

function differs(breaker: CircuitBreaker, { state, forMs }: CircuitView, elapsedMs: number): boolean {
  const own = breaker.snapshot();
  if (state === "closed") return own.state !== "closed";
  // An open time that is over says nothing any more: what has changed since, the next calls find out. And what it has told
  // itself has only become shorter on the way.
  return forMs > 0 && (own.state !== "open" || own.openForMs + elapsedMs + 1 < forMs);
}
