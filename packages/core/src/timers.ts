// Timers of one duration on a host whose timers are shared by everything in the process (Node, Bun, Deno, browsers).
// They expire in the order in which they started, so a list with one host timer at its head does: starting and
// stopping costs a pointer each instead of a host timer. workerd takes `timers.workerd.ts` instead.
import type { Clock, ClockTimer } from "./clock.ts";
import type { Timer, Timers } from "./host-timers.ts";

/** Timers due within this time expire together; host timers may fire a little early. */
const earlyMs = 0.5;

class TimerList<T extends Timer> implements Timers<T> {
  readonly #clock: Clock;
  readonly #delayMs: number;
  readonly #expire: (timer: T) => void;
  readonly #tick: () => void;
  /** The timer that is due first, in a ring of all that run: this object, which is old, is written as seldom as can be. */
  #head: T | null = null;
  #host: ClockTimer | null = null;

  constructor(clock: Clock, delayMs: number, expire: (timer: T) => void) {
    this.#clock = clock;
    this.#delayMs = delayMs;
    this.#expire = expire;
    this.#tick = () => this.#run();
  }

  start(timer: T, nowMs: number): void {
    timer.dueMs = nowMs + this.#delayMs;
    const head = this.#head;
    if (head !== null) {
      const tail = head.previous as Timer;
      timer.previous = tail;
      timer.next = head;
      tail.next = head.previous = timer;
      return;
    }
    timer.previous = timer.next = timer;
    this.#head = timer;
    if (this.#host === null) this.#host = this.#clock.after(this.#delayMs, this.#tick);
    else this.#host.ref();
  }

  stop(timer: T): void {
    const { previous, next } = timer;
    if (previous === null || next === null) return;
    timer.previous = timer.next = null;
    if (next === timer) {
      this.#head = null;
      // Idle: the host timer stays armed for the next call, but does not hold the process.
      this.#host?.unref();
      return;
    }
    previous.next = next;
    next.previous = previous;
    if (this.#head === timer) this.#head = next as T;
  }

  #run(): void {
    this.#host = null;
    const nowMs = this.#clock.now();
    for (let timer = this.#head; timer !== null; timer = this.#head) {
      const leftMs = timer.dueMs - nowMs;
      if (leftMs > earlyMs) {
        this.#host = this.#clock.after(leftMs, this.#tick);
        return;
      }
      this.stop(timer);
      this.#expire(timer);
    }
  }
}

export function sharedTimers<T extends Timer>(clock: Clock, delayMs: number, expire: (timer: T) => void): Timers<T> {
  return new TimerList(clock, delayMs, expire);
}

/** Whether timers of different calls fire from one host timer, and so in the context of whichever call armed it. */
export const timersAreShared = true;
