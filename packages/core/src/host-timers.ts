// A timer of one timeout of one call, and the plain way to run it: a host timer each.
import type { Call } from "./call.ts";
import type { Clock, ClockTimer } from "./clock.ts";

export class Timer {
  /** Null once the call has left the timeout. */
  call: Call | null;
  readonly at: number;
  /** The timer of the next timeout further out on the same call. */
  readonly outer: Timer | null;
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

export interface Timers {
  start(timer: Timer): void;
  /** May be called for a timer that has expired. */
  stop(timer: Timer): void;
}

export class HostTimers implements Timers {
  private readonly clock: Clock;
  private readonly delayMs: number;
  private readonly expire: (timer: Timer) => void;

  constructor(clock: Clock, delayMs: number, expire: (timer: Timer) => void) {
    this.clock = clock;
    this.delayMs = delayMs;
    this.expire = expire;
  }

  start(timer: Timer): void {
    timer.dueMs = this.clock.now() + this.delayMs;
    timer.host = this.clock.after(this.delayMs, () => this.expire(timer));
  }

  stop(timer: Timer): void {
    timer.host?.cancel();
    timer.host = null;
  }
}
