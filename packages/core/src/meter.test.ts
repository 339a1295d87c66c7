import { describe, expect, it } from "vitest";
import { constantBackoff } from "./backoff.ts";
import type { Call } from "./call.ts";
import { circuitBreaker } from "./circuit-breaker.ts";
import type { Meter } from "./meter.ts";
import type { HeadgateEvent } from "./observer.ts";
import { pipeline } from "./pipeline.ts";
import { retry } from "./retry.ts";
import { TestClock } from "./testing/index.ts";
import { timeout } from "./timeout.ts";
import { consecutiveFailures } from "./trip.ts";

interface Told {
  readonly name: string;
  readonly outcome: string;
  readonly attempts: number;
  readonly elapsedMs: number;
  readonly result: unknown;
}

function tally(): Meter & { readonly calls: Told[]; readonly events: HeadgateEvent[]; readonly made: string[] } {
  const calls: Told[] = [];
  const events: HeadgateEvent[] = [];
  const made: string[] = [];
  return {
    calls,
    events,
    made,
    meterOf(name) {
      made.push(name);
      return {
        settled: (call: Call) =>
          void calls.push({
            name,
            outcome: call.outcome,
            attempts: call.attempt,
            elapsedMs: call.elapsedMs(),
            result: call.result,
          }),
        observer: (event) => void events.push(event),
      };
    },
  };
}

function fail(): never {
  throw new RangeError("broken");
}

describe("Meter", () => {
  it("is asked once for each pipeline and told of each call when it has ended", async () => {
    const clock = new TestClock();
    const meter = tally();
    const calls = pipeline({ name: "p", clock, meter }, timeout({ timeoutMs: 100, clock }));
    const slow = calls.execute(() => clock.sleep(30));
    expect(meter.calls).toEqual([]);
    await clock.advance(30);
    await slow;
    await calls.execute(() => 7);
    const hanging = calls.execute(() => new Promise(() => {})).catch((error: unknown) => error);
    await clock.advance(100);
    const error = await hanging;
    expect(meter.made).toEqual(["p"]);
    expect(meter.calls).toEqual([
      { name: "p", outcome: "success", attempts: 1, elapsedMs: 30, result: undefined },
      { name: "p", outcome: "success", attempts: 1, elapsedMs: 0, result: 7 },
      { name: "p", outcome: "dropped", attempts: 1, elapsedMs: 100, result: error },
    ]);
    expect(clock.pending).toBe(0);
  });

  it("is told of calls that are refused or that their caller does not want", async () => {
    const meter = tally();
    const breaker = circuitBreaker({ trip: consecutiveFailures({ maxFailures: 1 }) });
    const calls = pipeline({ name: "p", meter }, breaker);
    await calls.execute(fail).catch(() => {});
    await calls.attempt(() => 1);
    await calls.execute(() => 1, { signal: AbortSignal.abort("no") }).catch(() => {});
    expect(meter.calls.map(({ outcome }) => outcome)).toEqual(["failure", "ignored", "ignored"]);
    expect(meter.calls[2]?.result).toBe("no");
  });

  it("is told what else happens, but of no call's end, beside an observer that is told of everything", async () => {
    const meter = tally();
    const seen: string[] = [];
    const calls = pipeline(
      { name: "p", meter, observer: ({ type }) => void seen.push(type) },
      retry({ maxAttempts: 2, backoff: constantBackoff({ delayMs: 0 }) }),
    );
    await calls.execute(fail).catch(() => {});
    expect(meter.events.map(({ type }) => type)).toEqual(["retry.scheduled", "retry.exhausted"]);
    expect(seen).toEqual(["retry.scheduled", "retry.exhausted", "pipeline.settled"]);
    expect(meter.calls).toHaveLength(1);
  });

  it("changes no call when it throws", async () => {
    const meter: Meter = {
      meterOf: () => ({
        settled: fail,
        observer: fail,
      }),
    };
    const seen: string[] = [];
    const calls = pipeline(
      { name: "p", meter, observer: ({ type }) => void seen.push(type) },
      retry({ maxAttempts: 1 }),
    );
    expect(await calls.execute(() => 1)).toBe(1);
    expect(seen).toEqual(["pipeline.settled"]);
  });

  it("measures from the time that a call begins, with a policy on another clock too", async () => {
    const clock = new TestClock();
    const other = new TestClock();
    other.jump(5000);
    const meter = tally();
    const calls = pipeline({ name: "p", clock, meter }, timeout({ timeoutMs: 50, clock: other }));
    const hanging = calls.execute(() => new Promise(() => {})).catch(() => {});
    await clock.advance(20);
    await other.advance(49);
    expect(meter.calls).toEqual([]);
    await other.advance(1);
    await hanging;
    expect(meter.calls[0]?.elapsedMs).toBe(20);
  });

  it("must be able to give a meter", () => {
    expect(() => pipeline({ name: "p", meter: {} as never })).toThrow(
      "`pipeline.meter` must be an object with a function `meterOf`",
    );
  });
});
