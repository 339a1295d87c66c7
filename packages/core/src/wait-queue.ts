// Calls that wait, in the order in which they go on. Joining, leaving from the middle and taking the first are O(1), with
// priorities O(log of the priorities that wait); a waiter that has left is free at once.
import type { Call } from "./call.ts";
import type { ClockTimer } from "./clock.ts";
import type { ConcurrencyLimitReason } from "./errors.ts";
import type { Timer } from "./host-timers.ts";

/**
 * Who goes first: who came first, who came last, the highest priority and among equals who came first, or who came first until
 * the queue stands and then who came last.
 */
export type QueueOrder = "fifo" | "lifo" | "priority" | "adaptive-lifo";

export const queueOrders: readonly QueueOrder[] = ["fifo", "lifo", "priority", "adaptive-lifo"];

const nobody = (): void => {};

/** A call that waits for a permit. As a timer it expires when it has waited as long as it may. */
export class Waiter implements Timer {
  readonly call: Call;
  readonly at: number;
  readonly weight: number;
  readonly priority: number;
  /**
   * `queued`, then `granted` until it goes on, or why it is refused. `late` when its own deadline had passed when its
   * turn came; `revoked` when it did not take up its permit; `gone` when it has left.
   */
  state: "queued" | "granted" | "late" | "revoked" | "gone" | ConcurrencyLimitReason = "queued";
  /** Makes the waiter go on in its own context, according to its state. To be given the waiter itself. */
  wake: (waiter: Waiter) => void = nobody;
  /** When a permit was handed to it. */
  grantedMs = 0;
  /** It came to a queue that stands, and may wait for no longer than the target. */
  brief = false;
  dueMs = 0;
  previous: Timer | null = null;
  next: Timer | null = null;
  host: ClockTimer | null = null;
  ahead: Waiter | null = null;
  behind: Waiter | null = null;

  constructor(call: Call, at: number, weight: number, priority: number) {
    this.call = call;
    this.at = at;
    this.weight = weight;
    this.priority = priority;
  }
}

export interface WaitQueue {
  /** Who goes on next. */
  readonly head: Waiter | null;
  /** Who came first of those that wait. */
  readonly oldest: Waiter | null;
  add(waiter: Waiter): void;
  /** The waiter must stand in this queue. */
  remove(waiter: Waiter): void;
  /** Whether a newcomer of this priority goes on before everybody who waits. */
  leads(priority: number): boolean;
  /** Who gives up its place to a newcomer of this priority when there is no other; null when nobody does. */
  displacedBy(priority: number): Waiter | null;
}

/** An intrusive list: first come, first served, or the other way round. */
export class ListQueue implements WaitQueue {
  /** Whether who came last goes on next. */
  lastFirst: boolean;
  oldest: Waiter | null = null;
  newest: Waiter | null = null;

  constructor(lastFirst = false) {
    this.lastFirst = lastFirst;
  }

  get head(): Waiter | null {
    return this.lastFirst ? this.newest : this.oldest;
  }

  add(waiter: Waiter): void {
    const { newest } = this;
    waiter.ahead = newest;
    if (newest === null) this.oldest = waiter;
    else newest.behind = waiter;
    this.newest = waiter;
  }

  remove(waiter: Waiter): void {
    const { ahead, behind } = waiter;
    if (ahead === null) this.oldest = behind;
    else ahead.behind = behind;
    if (behind === null) this.newest = ahead;
    else behind.ahead = ahead;
    waiter.ahead = waiter.behind = null;
  }

  leads(_priority: number): boolean {
    return this.lastFirst || this.oldest === null;
  }

  displacedBy(_priority: number): Waiter | null {
    return null;
  }
}

/** A list for each priority that waits, the highest last. */
export class PriorityQueue implements WaitQueue {
  head: Waiter | null = null;
  readonly #priorities: number[] = [];
  readonly #lists: ListQueue[] = [];

  /** Looks at the first of each priority: all of them may wait for as long, so that who is due first came first. */
  get oldest(): Waiter | null {
    let oldest: Waiter | null = null;
    for (const { oldest: first } of this.#lists)
      if (first !== null && !(first.dueMs >= (oldest?.dueMs ?? Number.POSITIVE_INFINITY))) oldest = first;
    return oldest;
  }

  add(waiter: Waiter): void {
    const { priority } = waiter;
    const index = this.#indexOf(priority);
    if (this.#priorities[index] !== priority) {
      this.#priorities.splice(index, 0, priority);
      this.#lists.splice(index, 0, new ListQueue());
    }
    (this.#lists[index] as ListQueue).add(waiter);
    this.#findHead();
  }

  remove(waiter: Waiter): void {
    const index = this.#indexOf(waiter.priority);
    const list = this.#lists[index] as ListQueue;
    list.remove(waiter);
    if (list.oldest === null) {
      this.#priorities.splice(index, 1);
      this.#lists.splice(index, 1);
    }
    this.#findHead();
  }

  leads(priority: number): boolean {
    return this.head === null || priority > this.head.priority;
  }

  /** The last to come of the lowest priority. */
  displacedBy(priority: number): Waiter | null {
    const [lowest] = this.#priorities;
    return lowest !== undefined && lowest < priority ? (this.#lists[0] as ListQueue).newest : null;
  }

  #findHead(): void {
    this.head = this.#lists.at(-1)?.head ?? null;
  }

  /** Where this priority stands, or would have to. */
  #indexOf(priority: number): number {
    let low = 0;
    let high = this.#priorities.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#priorities[middle] as number) < priority) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
