import type { TestClock } from "@headgate/core/testing";

/** Timers that still hold the process once everything that is due now has run. */
export async function heldTimers(clock: TestClock): Promise<number> {
  await clock.advance(0);
  return clock.pending;
}
