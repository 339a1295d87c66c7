// A deadline for everything inside. Outermost it is the deadline of the whole call; inside a retry it is that of an
// attempt, and both may stand in one pipeline.
import type { Call } from "./call.ts";
import { type Clock, maxDelayMs, systemClock } from "./clock.ts";
import { TimeoutError, withoutStack } from "./errors.ts";
import { HostTimers, TimeoutTimer, type Timers } from "./host-timers.ts";
import { checkNumber } from "./options.ts";
import type { Policy } from "./policy.ts";
import { sharedTimers } from "#timers";

export interface TimeoutOptions {
  /** How long everything inside may take, queueing and back-off included. Above 0, at most 2^31 - 1. @default 30000 */
  readonly timeoutMs?: number;
  /** @default systemClock */
  readonly clock?: Clock;
}

export type Timeout = Policy & {
  readonly kind: "timeout";
  readonly timeoutMs: number;
};

class TimeoutPolicy implements Policy {
  readonly kind = "timeout";
  readonly cuts = true;
  readonly timeoutMs: number;
  private readonly shared: Timers<TimeoutTimer>;
  private readonly own: Timers<TimeoutTimer>;

  constructor(timeoutMs: number, clock: Clock) {
    this.timeoutMs = timeoutMs;
    const expire = (timer: TimeoutTimer) => this.expire(timer);
    this.shared = sharedTimers(clock, timeoutMs, expire);
    this.own = new HostTimers(clock, timeoutMs, expire);
  }

  enter(call: Call, at: number): "pass" {
    const timer = new TimeoutTimer(call, at);
    this.timersAt(call, at).start(timer);
    call.timer = timer;
    return "pass";
  }

  leave(call: Call, at: number): "pass" {
    const timer = call.timer as TimeoutTimer;
    timer.call = null;
    this.timersAt(call, at).stop(timer);
    call.timer = timer.outer;
    return "pass";
  }

  private timersAt(call: Call, at: number): Timers<TimeoutTimer> {
    return at > call.pipeline.firstRerun ? this.own : this.shared;
  }

  private expire(timer: TimeoutTimer): void {
    // One microtask later: a result that is already there wins, and so does an abort by the caller in this tick.
    void Promise.resolve().then(() => {
      const { call, at } = timer;
      if (call === null) return;
      const scope = at > call.pipeline.firstRerun ? "attempt" : "total";
      const error = withoutStack(() => new TimeoutError(this.timeoutMs, scope));
      error.pipeline = call.pipeline.name;
      call.emit?.({ type: "timeout.fired", pipeline: call.pipeline.name, scope, timeoutMs: this.timeoutMs });
      call.cut(at, "dropped", error);
    });
  }
}

/**
 * Ends everything inside after `timeoutMs`, whether or not the operation heeds its signal: the caller is answered at
 * the deadline with a `TimeoutError`, and work that goes on keeps its permit until it has really ended.
 *
 * @throws {InvalidOptionError} for a `timeoutMs` out of bounds.
 */
export function timeout(options: TimeoutOptions = {}): Timeout {
  const { timeoutMs = 30_000, clock = systemClock } = options;
  checkNumber("timeout.timeoutMs", timeoutMs, 0, maxDelayMs, true);
  return new TimeoutPolicy(timeoutMs, clock);
}
