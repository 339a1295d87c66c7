import { systemClock } from "@headgate/core";
import { describe, expect, it } from "vitest";
import { rejectionOf } from "../test/support/operations.ts";

describe("systemClock", () => {
  it("goes forward", async () => {
    const beforeMs = systemClock.now();
    await systemClock.sleep(5);
    expect(systemClock.now() - beforeMs).toBeGreaterThanOrEqual(4);
  });

  it("calls back once, and not at all when cancelled", async () => {
    const called: string[] = [];
    systemClock.after(1, () => called.push("kept"));
    systemClock.after(1, () => called.push("cancelled")).cancel();
    await systemClock.sleep(20);
    expect(called).toEqual(["kept"]);
  });

  it("takes a timer that does not hold the process, also where the host does not know the notion", async () => {
    await new Promise<void>((resolve) => {
      const timer = systemClock.after(1, resolve);
      timer.unref();
      timer.ref();
    });
  });

  it("stops sleeping as soon as the signal aborts, with its reason", async () => {
    const controller = new AbortController();
    const reason = { left: true };
    const slept = rejectionOf(systemClock.sleep(60_000, controller.signal));
    controller.abort(reason);
    expect(await slept).toBe(reason);
  });

  it("does not start to sleep on a signal that has aborted", async () => {
    const reason = { left: true };
    expect(await rejectionOf(systemClock.sleep(60_000, AbortSignal.abort(reason)))).toBe(reason);
  });
});
