// Timers of one duration: what waits, and the plain way to run them, a host timer each.
import type { Call } from "./call.ts";
import type { Clock, ClockTimer } from "./clock.ts";

/** Something that expires. The fields belong to the timers it was started on. */
export interface Timer {
  dueMs: number;
  previous: Timer | null;
  next: Timer | null;
  host: ClockTimer | null;
}

/** The timer of one timeout of one call. */
export class TimeoutTimer implements Timer {
  /** Null once the call has left the timeout. */
  call: Call | null;
  readonly at: number;
  /** The timer of the next timeout further out on the same call. */
  readonly outer: TimeoutTimer | null;
  dueMs = 0;
  previous: Timer | null = null;
  next: Timer | null = null;
  host: ClockTimer | null = null;

  constructor(call: Call, at: number) {
    this.call = call;
    this.at = at;
    this.outer = call.timer;
  }
}

export interface Timers<T extends Timer> {
  /** Sets `dueMs`, as long from `nowMs` as these timers run, and calls back then, unless it is stopped before. */
  start(timer: T, nowMs: number): void;
  /** May be called for a timer that has expired. */
  stop(timer: T): void;
}

export class HostTimers<T extends Timer> implements Timers<T> {
  private readonly clock: Clock;
  private readonly delayMs: number;
  private readonly expire: (timer: T) => void;

  constructor(clock: Clock, delayMs: number, expire: (timer: T) => void) {
    this.clock = clock;
    this.delayMs = delayMs;
    this.expire = expire;
  }

  start(timer: T, nowMs: number): void {
    timer.dueMs = nowMs + this.delayMs;
    timer.host = this.clock.after(this.delayMs, () => this.expire(timer));
  }

  stop(timer: T): void {
    timer.host?.cancel();
    timer.host = null;
  }
}
