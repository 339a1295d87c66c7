// Time comes in through a Clock, so that tests run in virtual time and no policy reads the host clock by itself.

/** A pending callback of `Clock.after`. */
export interface ClockTimer {
  cancel(): void;
  /** Holds the process alive while pending (the default), where the host knows the notion. */
  ref(): void;
  /** Does not hold the process alive, where the host knows the notion. */
  unref(): void;
}

export interface Clock {
  /** Milliseconds since an arbitrary origin; monotonic where the host's clock is. */
  now(): number;
  /** Calls back once after `delayMs` milliseconds (0 to 2^31 - 1). */
  after(delayMs: number, callback: () => void): ClockTimer;
  /** Resolves after `delayMs` milliseconds; rejects at once with the signal's reason when it aborts. */
  sleep(delayMs: number, signal?: AbortSignal): Promise<void>;
}

/** The longest delay a host timer takes: 2^31 - 1 ms, about 24.8 days. Node fires after 1 ms beyond it. */
export const maxDelayMs = 2_147_483_647;

type HostTimer = ReturnType<typeof setTimeout> & { ref?(): void; unref?(): void };

/**
 * Lets go of the process a moment after `unref()`, not at once: timers that calls share are let go of and held again with
 * every call, and telling the host each time costs more than the rest of the timer.
 */
class SystemTimer implements ClockTimer {
  readonly #timer: HostTimer;
  #wanted = true;
  #held = true;
  #settling = false;

  constructor(timer: HostTimer) {
    this.#timer = timer;
  }

  cancel(): void {
    clearTimeout(this.#timer);
  }

  ref(): void {
    this.#wanted = true;
    if (this.#held) return;
    this.#held = true;
    this.#timer.ref?.();
  }

  unref(): void {
    this.#wanted = false;
    if (!this.#held || this.#settling || this.#timer.unref === undefined) return;
    this.#settling = true;
    const settle: HostTimer = setTimeout(() => this.#settle(), 0);
    settle.unref?.();
  }

  #settle(): void {
    this.#settling = false;
    if (this.#wanted) return;
    this.#held = false;
    this.#timer.unref?.();
  }
}

/** `sleep` for any clock, from its `after`. */
export function sleepOn(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason);
      return;
    }
    const abort = () => {
      timer.cancel();
      reject(signal?.reason);
    };
    const timer = clock.after(delayMs, () => {
      signal?.removeEventListener("abort", abort);
      resolve();
    });
    signal?.addEventListener("abort", abort, { once: true });
  });
}

// On Node the global `performance` is an accessor that costs as much as the clock itself. The reference holds for as long
// as the host's timers are the same: a test that fakes them fakes the clock too.
const hostPerformance = performance;
const hostSetTimeout = setTimeout;

/** The host's monotonic clock and timers. */
export const systemClock: Clock = {
  now: () => (setTimeout === hostSetTimeout ? hostPerformance : performance).now(),
  after: (delayMs, callback) => new SystemTimer(setTimeout(callback, delayMs)),
  sleep: (delayMs, signal) => sleepOn(systemClock, delayMs, signal),
};
