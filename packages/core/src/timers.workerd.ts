// On workerd a timer belongs to the request that started it and dies with it, so calls never share one.
import type { Clock } from "./clock.ts";
import { HostTimers, type Timer, type Timers } from "./host-timers.ts";

export function sharedTimers<T extends Timer>(clock: Clock, delayMs: number, expire: (timer: T) => void): Timers<T> {
  return new HostTimers(clock, delayMs, expire);
}

/** Whether timers of different calls fire from one host timer, and so in the context of whichever call armed it. */
export const timersAreShared = false;
