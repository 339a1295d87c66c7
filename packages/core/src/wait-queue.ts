// An intrusive list of waiters: joining, leaving from the middle and taking the first are O(1), and a waiter that has
// left is free at once.
import type { Call } from "./call.ts";
import type { ClockTimer } from "./clock.ts";
import type { Timer } from "./host-timers.ts";

const nobody = (): void => {};

/** A call that waits for a permit. As a timer it expires when it has waited as long as it may. */
export class Waiter implements Timer {
  readonly call: Call;
  readonly at: number;
  /**
   * `queued`, then `granted` until it goes on; `expired` when its time was over before a permit came;
   * `revoked` when it did not take up its permit; `gone` when it has left.
   */
  state: "queued" | "granted" | "expired" | "revoked" | "gone" = "queued";
  grantedMs = 0;
  /** Makes the waiter go on in its own context, according to its state. */
  wake: () => void = nobody;
  dueMs = 0;
  previous: Timer | null = null;
  next: Timer | null = null;
  host: ClockTimer | null = null;
  ahead: Waiter | null = null;
  behind: Waiter | null = null;

  constructor(call: Call, at: number) {
    this.call = call;
    this.at = at;
  }
}

export class Queue {
  head: Waiter | null = null;
  length = 0;
  private tail: Waiter | null = null;

  append(waiter: Waiter): void {
    const { tail } = this;
    waiter.ahead = tail;
    waiter.behind = null;
    if (tail === null) this.head = waiter;
    else tail.behind = waiter;
    this.tail = waiter;
    this.length++;
  }

  /** The waiter must stand in this queue. */
  remove(waiter: Waiter): void {
    const { ahead, behind } = waiter;
    if (ahead === null) this.head = behind;
    else ahead.behind = behind;
    if (behind === null) this.tail = ahead;
    else behind.ahead = ahead;
    waiter.ahead = waiter.behind = null;
    this.length--;
  }
}
