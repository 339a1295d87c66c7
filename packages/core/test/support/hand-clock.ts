import type { Clock, ClockTimer } from "@headgate/core";

/**
 * A clock whose timers all fire when the test says so, on its stack: what happens before and after them in the same
 * tick is the test's choice, which `TestClock` with its pauses cannot do.
 */
export class HandClock implements Clock {
  #nowMs = 0;
  #timers = new Set<() => void>();

  now(): number {
    return this.#nowMs;
  }

  after(_delayMs: number, callback: () => void): ClockTimer {
    this.#timers.add(callback);
    return { cancel: () => this.#timers.delete(callback), ref: () => {}, unref: () => {} };
  }

  sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => void this.after(delayMs, resolve));
  }

  /** Moves time forward, and no timer fires. */
  jump(ms: number): void {
    this.#nowMs += ms;
  }

  /** Moves time forward and fires every timer, synchronously. */
  fire(ms: number): void {
    this.#nowMs += ms;
    const due = [...this.#timers];
    this.#timers.clear();
    for (const callback of due) callback();
  }
}
