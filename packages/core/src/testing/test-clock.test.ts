import { TestClock } from "@headgate/core/testing";
import { describe, expect, it } from "vitest";
import { rejectionOf, watch } from "../../test/support/operations.ts";

describe("TestClock", () => {
  it("stands still until it is moved", async () => {
    const clock = new TestClock(500);
    const slept = watch(clock.sleep(10));
    await clock.settle();
    expect(clock.now()).toBe(500);
    expect(slept.state).toBe("pending");
    await clock.advance(10);
    expect(clock.now()).toBe(510);
    expect(slept.state).toBe("fulfilled");
  });

  it("runs callbacks in order of due time, then of arming, each at its own time", async () => {
    const clock = new TestClock();
    const ran: string[] = [];
    const arm = (name: string, delayMs: number) => clock.after(delayMs, () => ran.push(`${name}@${clock.now()}`));
    arm("late", 30);
    arm("first", 10);
    arm("second", 10);
    await clock.advance(40);
    expect(ran).toEqual(["first@10", "second@10", "late@30"]);
    expect(clock.now()).toBe(40);
  });

  it("runs what a callback has set off before the next one, timers included", async () => {
    const clock = new TestClock();
    const ran: string[] = [];
    clock.after(10, () => {
      void Promise.resolve().then(() => ran.push("reaction"));
      clock.after(5, () => ran.push(`nested@${clock.now()}`));
    });
    clock.after(20, () => ran.push("last"));
    await clock.advance(20);
    expect(ran).toEqual(["reaction", "nested@15", "last"]);
  });

  it("takes a delay below zero as none, and leaves what is not due yet", async () => {
    const clock = new TestClock();
    const ran: number[] = [];
    clock.after(-5, () => ran.push(clock.now()));
    clock.after(11, () => ran.push(clock.now()));
    await clock.advance(10);
    expect(ran).toEqual([0]);
    expect(clock.pending).toBe(1);
  });

  it("counts the timers that hold the process", () => {
    const clock = new TestClock();
    const timer = clock.after(10, () => {});
    clock.after(10, () => {}).cancel();
    expect(clock.pending).toBe(1);
    timer.unref();
    expect(clock.pending).toBe(0);
    timer.ref();
    expect(clock.pending).toBe(1);
  });

  it("runs a timer that does not hold the process all the same", async () => {
    const clock = new TestClock();
    const ran: string[] = [];
    clock.after(10, () => ran.push("unheld")).unref();
    await clock.advance(10);
    expect(ran).toEqual(["unheld"]);
  });

  it("jumps without running anything; what became due runs when time is moved next", async () => {
    const clock = new TestClock();
    const ran: number[] = [];
    clock.after(10, () => ran.push(clock.now()));
    clock.jump(25);
    await clock.settle();
    expect(ran).toEqual([]);
    await clock.advance(0);
    expect(ran).toEqual([25]);
  });

  it("forgets its timers like a request that was killed", async () => {
    const clock = new TestClock();
    const slept = watch(clock.sleep(10));
    clock.dropTimers();
    await clock.advance(100);
    expect(slept.state).toBe("pending");
    expect(clock.pending).toBe(0);
  });

  it("stops sleeping at once when the signal aborts, and leaves neither timer nor listener", async () => {
    const clock = new TestClock();
    const reason = new Error("left");
    const controller = new AbortController();
    const slept = rejectionOf(clock.sleep(10, controller.signal));
    controller.abort(reason);
    expect(await slept).toBe(reason);
    expect(clock.pending).toBe(0);
    expect(await rejectionOf(clock.sleep(10, controller.signal))).toBe(reason);
    expect(clock.pending).toBe(0);
  });
});
