import { describe, expect, it } from "vitest";
import { circuitBreaker } from "./circuit-breaker.ts";
import { concurrencyLimit } from "./concurrency-limit.ts";
import { InvalidOptionError } from "./errors.ts";
import { type Logger, logTransitions } from "./log-transitions.ts";
import { pipeline } from "./pipeline.ts";
import { TestClock } from "./testing/index.ts";
import { consecutiveFailures } from "./trip.ts";

function lines(): Logger & { readonly all: [level: string, fields: object, message: string][] } {
  const all: [string, object, string][] = [];
  const at = (level: string) => (fields: object, message: string) => void all.push([level, fields, message]);
  return { all, info: at("info"), warn: at("warn"), error: at("error") };
}

const fail = () => {
  throw new RangeError("down");
};

function guarded(logger: Logger) {
  const clock = new TestClock();
  const observer = logTransitions({ logger, clock });
  const trip = consecutiveFailures({ maxFailures: 1 });
  const breaker = circuitBreaker({ name: "b", trip, openMs: 100, clock });
  return { clock, calls: pipeline({ name: "p", clock, observer }, breaker) };
}

describe("logTransitions", () => {
  it("logs what a circuit does, with its cause, and no call", async () => {
    const logger = lines();
    const { clock, calls } = guarded(logger);
    for (let i = 0; i < 10; i++) await calls.attempt(() => i);
    await calls.attempt(fail);
    for (let i = 0; i < 10; i++) await calls.attempt(() => i);
    await clock.advance(1000);
    await calls.attempt(() => 7);
    const about = { pipeline: "p", name: "b" };
    expect(logger.all).toEqual([
      [
        "warn",
        { event: "circuit-breaker.opened", ...about, openMs: expect.any(Number), cause: "RangeError: down" },
        'circuit "b" opened',
      ],
      ["info", { event: "circuit-breaker.half-opened", ...about }, 'circuit "b" lets a probe through'],
      ["info", { event: "circuit-breaker.closed", ...about }, 'circuit "b" closed'],
    ]);
  });

  it("tells of a circuit that flaps a bounded number of times, and how many it has left out", async () => {
    const logger = lines();
    const clock = new TestClock();
    const observe = logTransitions({ logger, clock, maxPerInterval: 2 });
    const flap = () => {
      observe({ type: "circuit-breaker.opened", pipeline: "p", name: "b", openMs: 1, cause: undefined });
      observe({ type: "circuit-breaker.half-opened", pipeline: "p", name: "b" });
      observe({ type: "circuit-breaker.closed", pipeline: "p", name: "b" });
    };
    for (let i = 0; i < 10; i++) flap();
    expect(logger.all).toHaveLength(2);
    await clock.advance(60_000);
    flap();
    expect(logger.all).toHaveLength(4);
    expect(logger.all[2]?.[1]).toMatchObject({ event: "circuit-breaker.opened", suppressed: 28 });
    expect(logger.all[3]?.[1]).not.toHaveProperty("suppressed");
  });

  it("says once per interval that a limit is saturated", async () => {
    const logger = lines();
    const clock = new TestClock();
    const observer = logTransitions({ logger, clock });
    const limit = concurrencyLimit({ name: "l", maxConcurrent: 1, maxQueue: 0, clock });
    const calls = pipeline({ name: "p", clock, observer }, limit);
    const work = Promise.withResolvers<void>();
    void calls.execute(() => work.promise);
    for (let i = 0; i < 50; i++) await calls.attempt(() => i);
    await clock.advance(60_000);
    await calls.attempt(() => 7);
    work.resolve();
    const fields = { event: "concurrency-limit.rejected", pipeline: "p", name: "l", reason: "full" };
    expect(logger.all).toEqual([
      ["warn", fields, '"l": limit is saturated'],
      ["warn", { ...fields, suppressed: 49 }, '"l": limit is saturated'],
    ]);
  });

  it("describes a failed value by its status, and whatever else came by its type", () => {
    const logger = lines();
    const observe = logTransitions({ logger, clock: new TestClock() });
    const event = { type: "circuit-breaker.opened", pipeline: "p", openMs: 1 } as const;
    observe({ ...event, name: "a", cause: { status: 503 } });
    observe({ ...event, name: "b", cause: undefined });
    expect(logger.all.map(([, fields]) => (fields as { cause: string }).cause)).toEqual(["status 503", "undefined"]);
  });

  it("tells of backends and budgets that give out", () => {
    const logger = lines();
    const observe = logTransitions({ logger, clock: new TestClock() });
    const error = new Error("gone");
    observe({ type: "rate-limit.degraded", pipeline: "p", name: "r", error, admitted: true });
    observe({ type: "cache.store-failed", pipeline: "p", name: "c", operation: "get", error });
    observe({ type: "retry.budget-denied", pipeline: "p", attempts: 1, result: error });
    expect(logger.all.map(([level, , message]) => `${level} ${message}`)).toEqual([
      'warn "r": rate limit\'s backend failed',
      'warn "c": cache\'s store failed',
      'warn "p": retry budget is used up',
    ]);
  });

  it("keeps apart a bounded number of names", () => {
    const logger = lines();
    const observe = logTransitions({ logger, clock: new TestClock(), maxPerInterval: 1 });
    for (let i = 0; i < 1500; i++) observe({ type: "circuit-breaker.closed", pipeline: "p", name: `tenant ${i}` });
    expect(logger.all).toHaveLength(1001);
  });

  it.each([
    [{ logger: {} }, "`logTransitions.logger` must be an object with functions `info`, `warn` and `error`, got"],
    [{ logger: lines(), maxPerInterval: 0 }, "`logTransitions.maxPerInterval` must be an integer of at least 1, got 0"],
    [{ logger: lines(), intervalMs: 0 }, "`logTransitions.intervalMs` must be"],
  ])("refuses %o", (options, message) => {
    expect(() => logTransitions(options as never)).toThrow(InvalidOptionError);
    expect(() => logTransitions(options as never)).toThrow(message);
  });
});
