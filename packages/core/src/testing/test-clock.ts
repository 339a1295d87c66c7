// Virtual time: nothing happens until a test moves it, and then in order of due time, each callback followed by
// everything it set off.
import { sleepOn, type Clock, type ClockTimer } from "../clock.ts";

interface Pending {
  readonly dueMs: number;
  readonly callback: () => void;
  held: boolean;
}

/** More turns of the microtask queue than any chain of promises in a test is long. */
const settleTurns = 200;

export class TestClock implements Clock {
  #nowMs: number;
  #pending: Pending[] = [];

  /** @param startMs what `now()` gives at first. */
  constructor(startMs = 0) {
    this.#nowMs = startMs;
  }

  now(): number {
    return this.#nowMs;
  }

  after(delayMs: number, callback: () => void): ClockTimer {
    const entry: Pending = { dueMs: this.#nowMs + Math.max(0, delayMs), callback, held: true };
    this.#pending.push(entry);
    return {
      cancel: () => {
        this.#pending = this.#pending.filter((other) => other !== entry);
      },
      ref: () => {
        entry.held = true;
      },
      unref: () => {
        entry.held = false;
      },
    };
  }

  sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    return sleepOn(this, delayMs, signal);
  }

  /** Timers that would hold a process alive. 0 at the end of a test: no timer has outlived its call. */
  get pending(): number {
    return this.#pending.filter((entry) => entry.held).length;
  }

  /** Lets everything run that needs no more time. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < settleTurns; turn++) await Promise.resolve();
  }

  /** Moves time forward by `ms`, running what falls due on the way. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#nowMs + ms;
    await this.settle();
    for (let entry = this.#next(untilMs); entry !== undefined; entry = this.#next(untilMs)) {
      const due = entry;
      this.#pending = this.#pending.filter((other) => other !== due);
      this.#nowMs = Math.max(this.#nowMs, due.dueMs);
      due.callback();
      await this.settle();
    }
    this.#nowMs = untilMs;
  }

  /** Sets the time without running anything: a host clock that jumps, or a request that was killed with its timers. */
  jump(ms: number): void {
    this.#nowMs += ms;
  }

  /** Forgets every pending timer, as a runtime does that kills the request they belong to. */
  dropTimers(): void {
    this.#pending = [];
  }

  #next(untilMs: number): Pending | undefined {
    let first: Pending | undefined;
    for (const entry of this.#pending) {
      if (entry.dueMs <= untilMs && (first === undefined || entry.dueMs < first.dueMs)) first = entry;
    }
    return first;
  }
}
