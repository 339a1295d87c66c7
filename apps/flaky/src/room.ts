// The room in which requests are served: so many places, and one queue in order of arrival.
import { type Waiters, wait } from "./wait.ts";

/** Requests that may wait for a place; one more is refused at once. */
export const MAX_QUEUED = 10_000;

/** The right to be served. Given back once, when the answer is complete. */
export interface Place {
  /** Set by an answer that streams: it keeps the place until its body has ended, and then leaves by itself. */
  heldByBody: boolean;
  /** Gives the place back; again is harmless. `gone`: the client left before the answer was complete. */
  leave(outcome: { readonly gone: boolean }): void;
}

/** Why a request got no place: the queue was full, its wait was over, or its client left. */
export type Refusal = "queue-full" | "queue-timeout" | "gone";

export interface RoomCounts {
  /** Requests being served now. */
  readonly inFlight: number;
  /** Requests waiting for a place now. */
  readonly queued: number;
  /** Requests answered since the start or the last reset. */
  readonly served: number;
  /** Requests that got no place in time. */
  readonly refused: number;
  /** Requests whose client left, from the queue or while being served. */
  readonly abandoned: number;
}

export class Room {
  #capacity = Number.POSITIVE_INFINITY;
  #inFlight = 0;
  #served = 0;
  #refused = 0;
  #abandoned = 0;
  readonly #queue: Waiters = new Set();

  /** Changes how many may be served at the same time. Whoever now has room goes in; nobody is thrown out. */
  resize(capacity: number): void {
    this.#capacity = capacity;
    this.#admit();
  }

  /** Takes a place, or waits for one until `maxQueueMs` is over or the signal aborts. */
  async enter(signal: AbortSignal, maxQueueMs: number): Promise<Place | Refusal> {
    if (signal.aborted) return this.#refuse("gone");
    // Places are handed to the queue as they become free, so a free one means that nobody is waiting.
    if (this.#inFlight < this.#capacity) {
      this.#inFlight += 1;
      return this.#place();
    }
    if (this.#queue.size >= MAX_QUEUED) return this.#refuse("queue-full");
    const end = await wait({ ms: maxQueueMs, signal, waiters: this.#queue });
    if (end === "released") return this.#place();
    return this.#refuse(end === "aborted" ? "gone" : "queue-timeout");
  }

  counts(): RoomCounts {
    return {
      inFlight: this.#inFlight,
      queued: this.#queue.size,
      served: this.#served,
      refused: this.#refused,
      abandoned: this.#abandoned,
    };
  }

  #place(): Place {
    let taken = true;
    return {
      heldByBody: false,
      leave: ({ gone }) => {
        if (!taken) return;
        taken = false;
        this.#inFlight -= 1;
        if (gone) this.#abandoned += 1;
        else this.#served += 1;
        this.#admit();
      },
    };
  }

  /** Hands free places over: each counts as taken from here on, so a newcomer cannot overtake. */
  #admit(): void {
    for (const release of this.#queue) {
      if (this.#inFlight >= this.#capacity) return;
      this.#inFlight += 1;
      release();
    }
  }

  #refuse(refusal: Refusal): Refusal {
    if (refusal === "gone") this.#abandoned += 1;
    else this.#refused += 1;
    return refusal;
  }
}
