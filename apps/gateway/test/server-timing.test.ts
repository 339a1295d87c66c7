import { TestClock } from "@headgate/core/testing";
import { describe, expect, it } from "vitest";
import { ServerTiming } from "../src/server-timing.ts";

describe("ServerTiming", () => {
  it("tells how long the request waited and how long the upstream took", async () => {
    const clock = new TestClock();
    const timing = new ServerTiming(clock);
    await clock.advance(12);
    timing.sent();
    await clock.advance(30.25);
    expect(String(timing)).toBe("queue;dur=12.0, upstream;dur=30.3");
  });

  it("tells what earlier attempts took, back-off included", async () => {
    const clock = new TestClock();
    const timing = new ServerTiming(clock);
    timing.sent();
    await clock.advance(100);
    timing.sent();
    await clock.advance(50);
    timing.sent();
    await clock.advance(20);
    expect(String(timing)).toBe('queue;dur=0.0, retry;desc="2";dur=150.0, upstream;dur=20.0');
  });
});
