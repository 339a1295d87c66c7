import { TestClock } from "@headgate/core/testing";
import { describe, expect, it } from "vitest";
import { HostTimers, type Timer } from "./host-timers.ts";

const newTimer = (): Timer => ({ dueMs: 0, previous: null, next: null, host: null });

describe("HostTimers", () => {
  it("lets each timer expire after its own time, and none that was stopped", async () => {
    const clock = new TestClock(1000);
    const expired: [Timer, number][] = [];
    const timers = new HostTimers<Timer>(clock, 100, (timer) => expired.push([timer, clock.now()]));
    const [first, second, stopped] = [newTimer(), newTimer(), newTimer()];
    timers.start(first, clock.now());
    timers.start(stopped, clock.now());
    expect(first.dueMs).toBe(1100);
    await clock.advance(30);
    timers.start(second, clock.now());
    timers.stop(stopped);
    await clock.advance(200);
    expect(expired).toEqual([
      [first, 1100],
      [second, 1130],
    ]);
    expect(clock.pending).toBe(0);
  });

  it("may be told to stop a timer that has expired, was stopped or never started", async () => {
    const clock = new TestClock();
    let expired = 0;
    const timers = new HostTimers<Timer>(clock, 10, () => expired++);
    const timer = newTimer();
    timers.stop(timer);
    timers.start(timer, 0);
    await clock.advance(10);
    timers.stop(timer);
    timers.stop(timer);
    expect([expired, clock.pending]).toEqual([1, 0]);
  });
});
