// A deadline for everything inside. Outermost it is the deadline of the whole call; inside a retry it is that of an
// attempt, and both may stand in one pipeline.
import type { Call } from "./call.ts";
import { type Clock, maxDelayMs, systemClock } from "./clock.ts";
import { TimeoutError, withoutStack } from "./errors.ts";
import { TimeoutTimer, type Timers } from "./host-timers.ts";
import { checkNumber } from "./options.ts";
import { timeoutOrder } from "./order-rules.ts";
import type { Policy } from "./policy.ts";
import { made, newPromise } from "./promise-parts.ts";
import { sharedTimers, timersAreShared } from "#timers";

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
  readonly orderRules = timeoutOrder;
  readonly cuts = true;
  readonly timeoutMs: number;
  readonly #clock: Clock;
  readonly #timers: Timers<TimeoutTimer>;

  constructor(timeoutMs: number, clock: Clock) {
    this.timeoutMs = timeoutMs;
    this.#clock = clock;
    this.#timers = sharedTimers(clock, timeoutMs, expire);
  }

  enter(call: Call, at: number): "pass" {
    const outOfContext = timersAreShared && at > call.pipeline.firstRerun;
    const timer = outOfContext ? new WokenTimer(call, at) : new TimeoutTimer(call, at);
    this.#timers.start(timer, call.readClock(this.#clock));
    call.timer = timer;
    call.justTimed = this.#clock === call.pipeline.clock;
    return "pass";
  }

  leave(call: Call): "pass" {
    const timer = call.timer as TimeoutTimer;
    timer.call = null;
    this.#timers.stop(timer);
    call.timer = timer.outer;
    return "pass";
  }

  describe(): string {
    return `${this.timeoutMs} ms`;
  }
}

/**
 * A timer that calls share fires in the asynchronous context of the call that armed it. Inside a policy that runs code
 * again the call must go on in its own, which is that of a reaction that it has made itself.
 */
class WokenTimer extends TimeoutTimer {
  readonly wake: () => void;

  constructor(call: Call, at: number) {
    super(call, at);
    const woken = newPromise();
    this.wake = made.resolve;
    void woken.then(() => end(this));
  }
}

/** One microtask later: a result that is already there wins, and so does an abort by the caller in this tick. */
function expire(timer: TimeoutTimer): void {
  if (timer instanceof WokenTimer) timer.wake();
  else void Promise.resolve().then(() => end(timer));
}

function end({ call, at }: TimeoutTimer): void {
  if (call === null) return;
  const { name, firstRepeat, policies } = call.pipeline;
  const { timeoutMs } = policies[at] as TimeoutPolicy;
  const scope = at > firstRepeat ? "attempt" : "total";
  const error = withoutStack(() => new TimeoutError(timeoutMs, scope));
  error.pipeline = name;
  call.emit?.({ type: "timeout.fired", pipeline: name, scope, timeoutMs });
  call.cut(at, call.outcomeOfTimeout(error), error);
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
