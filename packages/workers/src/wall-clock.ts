// The time of day, for what is kept outside the isolate and read by another one: they share no other clock.
import { systemClock } from "@headgate/core";

/** Tells the time of day: milliseconds since 1970. */
export interface WallClock {
  now(): number;
}

export const wallClock: WallClock = { now: () => performance.timeOrigin + systemClock.now() };

/** A clock that is behind the one that wrote `storedMs` makes nothing younger than new. */
export function ageOf(storedMs: number, clock: WallClock): number {
  return Math.max(0, clock.now() - storedMs);
}
