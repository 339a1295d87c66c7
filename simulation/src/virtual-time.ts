// Virtual time: events in order of their time, each followed by everything that it set off. A million events take seconds,
// because what an event sets off is waited for without a turn of the event loop: Node runs what `process.nextTick` was given
// from within a microtask once no microtask is left.
import type { Clock, ClockTimer } from "@headgate/core";

interface Event {
  readonly atMs: number;
  /** Events of the same time happen in the order in which they were planned. */
  readonly order: number;
  readonly callback: () => void;
  cancelled: boolean;
}

const nothing = (): void => {};

/** After so many events the host may do something else: a test's time limit, say. */
const eventsPerTurn = 20_000;

export class VirtualTime implements Clock {
  #nowMs = 0;
  #planned = 0;
  readonly #heap: Event[] = [];

  now(): number {
    return this.#nowMs;
  }

  /** Calls back at `atMs`, or now if that is over. */
  at(atMs: number, callback: () => void): ClockTimer {
    const event = { atMs: Math.max(atMs, this.#nowMs), order: this.#planned++, callback, cancelled: false };
    this.#push(event);
    return {
      cancel: () => {
        event.cancelled = true;
      },
      ref: nothing,
      unref: nothing,
    };
  }

  after(delayMs: number, callback: () => void): ClockTimer {
    return this.at(this.#nowMs + delayMs, callback);
  }

  sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const stop = () => {
        timer.cancel();
        reject(signal?.reason);
      };
      const timer = this.after(delayMs, () => {
        signal?.removeEventListener("abort", stop);
        resolve();
      });
      signal?.addEventListener("abort", stop, { once: true });
    });
  }

  /** Lets everything happen up to `untilMs`. */
  run(untilMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      let events = 0;
      const step = () => {
        try {
          const event = this.#next(untilMs);
          if (event === undefined) {
            this.#nowMs = untilMs;
            resolve();
            return;
          }
          this.#nowMs = event.atMs;
          event.callback();
          void Promise.resolve().then(drained);
        } catch (error) {
          reject(error);
        }
      };
      const drained = () => {
        if (++events % eventsPerTurn === 0) setImmediate(step);
        else process.nextTick(step);
      };
      step();
    });
  }

  #next(untilMs: number): Event | undefined {
    for (let first = this.#heap[0]; first !== undefined && first.atMs <= untilMs; first = this.#heap[0]) {
      this.#pop();
      if (!first.cancelled) return first;
    }
    return undefined;
  }

  #push(event: Event): void {
    const heap = this.#heap;
    let at = heap.push(event) - 1;
    while (at > 0) {
      const parentAt = (at - 1) >> 1;
      const parent = heap[parentAt] as Event;
      if (!isBefore(event, parent)) break;
      heap[at] = parent;
      at = parentAt;
    }
    heap[at] = event;
  }

  #pop(): void {
    const heap = this.#heap;
    const event = heap.pop() as Event;
    if (heap.length === 0) return;
    let at = 0;
    for (;;) {
      let childAt = 2 * at + 1;
      if (childAt >= heap.length) break;
      if (childAt + 1 < heap.length && isBefore(heap[childAt + 1] as Event, heap[childAt] as Event)) childAt++;
      const child = heap[childAt] as Event;
      if (!isBefore(child, event)) break;
      heap[at] = child;
      at = childAt;
    }
    heap[at] = event;
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}
