// An intrusive list of waiters: joining, leaving from the middle and taking the first are O(1), and a waiter that has
// left is free at once.
import type { ClockTimer } from "./clock.ts";

export interface Waiter {
  readonly expiresMs: number;
  grantedMs: number;
  /**
   * `queued`, then `granted` until it goes on; `expired` when its time was over before a permit came;
   * `revoked` when it did not take up its permit; `gone` when it has left.
   */
  state: "queued" | "granted" | "expired" | "revoked" | "gone";
  timer: ClockTimer | null;
  wake: () => void;
  previous: Waiter | null;
  next: Waiter | null;
}

export class Queue {
  head: Waiter | null = null;
  length = 0;
  #tail: Waiter | null = null;

  append(waiter: Waiter): void {
    const tail = this.#tail;
    waiter.previous = tail;
    waiter.next = null;
    if (tail === null) this.head = waiter;
    else tail.next = waiter;
    this.#tail = waiter;
    this.length++;
  }

  /** The waiter must stand in this queue. */
  remove(waiter: Waiter): void {
    const { previous, next } = waiter;
    if (previous === null) this.head = next;
    else previous.next = next;
    if (next === null) this.#tail = previous;
    else next.previous = previous;
    waiter.previous = waiter.next = null;
    this.length--;
  }
}
