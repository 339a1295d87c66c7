import { kneeLimit, type Limit } from "@headgate/core";
import { SeededRandom } from "@headgate/core/testing";
import { describe, expect, it } from "vitest";
import { itRefuses } from "../test/support/options.ts";

/**
 * A server as the algorithm sees it: `workers` of it at work, what is more waits. In each step of a second `offered` want
 * to run all the time; so many run as the limit says. Latencies vary a little.
 */
class Dependency {
  nowMs = 0;
  readonly limit: Limit;
  private readonly random = new SeededRandom(1);
  private readonly workers: number;

  constructor(limit: Limit, workers: number) {
    this.limit = limit;
    this.workers = workers;
  }

  second(offered: number, serviceMs = 50, outcome: "success" | "dropped" | "failure" = "success"): void {
    const untilMs = this.nowMs + 1000;
    while (this.nowMs < untilMs) {
      const before = this.limit.limit;
      if (offered > before) this.limit.full?.(this.nowMs, Math.floor(before));
      const running = Math.min(offered, this.limit.limit);
      const latencyMs = serviceMs * Math.max(1, running / this.workers) * (0.9 + 0.2 * this.random.next());
      // As many end in a second as the workers can do.
      this.nowMs += running === 0 ? 100 : latencyMs / running;
      if (running >= 1)
        this.limit.observe({
          startMs: this.nowMs - latencyMs,
          endMs: this.nowMs,
          inFlight: Math.floor(running),
          outcome,
        });
    }
  }

  seconds(count: number, offered: number, serviceMs = 50): number {
    for (let i = 0; i < count; i++) this.second(offered, serviceMs);
    return this.limit.limit;
  }
}

describe("kneeLimit", () => {
  it("refuses nothing as long as it knows nothing, up to the most", () => {
    const limit = kneeLimit({ maxLimit: 300 });
    for (let inFlight = 20; inFlight < 300; inFlight++) {
      limit.full?.(1, inFlight);
      expect(limit.limit).toBe(inFlight + 1);
    }
    limit.full?.(1, 300);
    expect(limit.limit).toBe(300);
  });

  it("keeps twice as much room as was ever needed while nothing is slow", () => {
    const limit = new Dependency(kneeLimit(), 100).seconds(30, 60);
    expect(limit).toBeGreaterThanOrEqual(120);
    expect(limit).toBeLessThanOrEqual(200);
  });

  it("stays at its initial limit for want of use", () => {
    expect(new Dependency(kneeLimit(), 100).seconds(120, 1)).toBe(20);
  });

  it("finds the knee of an overload, whatever the limit was", () => {
    for (const workers of [5, 20, 100]) {
      const dependency = new Dependency(kneeLimit(), workers);
      dependency.seconds(20, workers / 2);
      dependency.seconds(60, workers * 20);
      let sum = 0;
      for (let i = 0; i < 30; i++) sum += dependency.seconds(1, workers * 20);
      expect(sum / 30).toBeGreaterThan(workers * 0.95);
      expect(sum / 30).toBeLessThan(workers + 2 * Math.sqrt(workers));
    }
  });

  it("sees that the service has become slower, and does not go down for that", () => {
    const dependency = new Dependency(kneeLimit(), 20);
    dependency.seconds(20, 10);
    dependency.seconds(60, 200);
    dependency.seconds(60, 200, 150);
    const after = dependency.seconds(1, 200, 150);
    expect(after).toBeGreaterThan(17);
    expect(after).toBeLessThan(32);
  });

  it("sees that it has become faster again", () => {
    const dependency = new Dependency(kneeLimit(), 20);
    dependency.seconds(20, 10, 150);
    dependency.seconds(60, 200, 150);
    dependency.seconds(120, 200, 50);
    const after = dependency.seconds(1, 200);
    expect(after).toBeGreaterThan(17);
    expect(after).toBeLessThan(32);
  });

  it("goes down below one when everything is dropped, and lets one through after a pause", () => {
    const limit = kneeLimit();
    const dependency = new Dependency(limit, 20);
    dependency.seconds(10, 10);
    let nowMs = dependency.nowMs;
    for (let i = 0; i < 100; i++) {
      nowMs += 1000;
      limit.full?.(nowMs, 0);
      if (limit.limit > 0) limit.observe({ startMs: nowMs - 1000, endMs: nowMs, inFlight: 1, outcome: "dropped" });
    }
    expect(limit.limit).toBe(0);
    limit.full?.(nowMs + 100, 0);
    expect(limit.limit).toBe(0);
    limit.full?.(nowMs + 10_000, 0);
    expect(limit.limit).toBe(1);
  });

  it("comes back within a few attempts once they succeed again", () => {
    const limit = kneeLimit();
    const dependency = new Dependency(limit, 20);
    dependency.seconds(20, 10);
    for (let i = 0; i < 30; i++) dependency.second(10, 1000, "dropped");
    expect(limit.limit).toBeLessThan(2);
    dependency.seconds(20, 10);
    expect(limit.limit).toBeGreaterThanOrEqual(10);
  });

  it("takes a failure neither for throughput nor for a drop", () => {
    const limit = kneeLimit();
    const dependency = new Dependency(limit, 20);
    for (let i = 0; i < 20; i++) dependency.second(10, 50, "failure");
    expect(limit.limit).toBeGreaterThanOrEqual(20);
  });

  it("is not upset by a clock that stands still or goes back", () => {
    const limit = kneeLimit();
    for (let i = 0; i < 1000; i++) limit.observe({ startMs: 5000, endMs: 5000, inFlight: 5, outcome: "success" });
    limit.full?.(4000, 20);
    for (let i = 0; i < 1000; i++) limit.observe({ startMs: 3000, endMs: 3000, inFlight: 5, outcome: "success" });
    expect(limit.limit).toBeGreaterThanOrEqual(20);
  });

  itRefuses(
    [() => kneeLimit({ maxLimit: 0 }), "`kneeLimit.maxLimit` must be an integer of at least 1, got 0"],
    [
      () => kneeLimit({ initialLimit: 50, maxLimit: 40 }),
      "`kneeLimit.initialLimit` must be an integer from 1 to 40, got 50",
    ],
  );
});
