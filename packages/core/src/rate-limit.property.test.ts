import {
  gcra,
  type GcraState,
  isHeadgateError,
  pipeline,
  type RateAlgorithm,
  type RateQuota,
  rateLimit,
  tokenBucket,
  type TokenBucketState,
} from "@headgate/core";
import { TestClock } from "@headgate/core/testing";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { heldTimers } from "../test/support/leftovers.ts";
import { type Watched, watch } from "../test/support/operations.ts";
import { propertyRuns, propertyTimeoutMs } from "../test/support/property-runs.ts";

interface Admission {
  readonly atMs: number;
  readonly cost: number;
}

/** Fails when some interval saw more than the burst and what flows in during it. */
function expectWithinQuota(admitted: readonly Admission[], { limit, windowMs, burst }: RateQuota): void {
  for (const [from, { atMs: fromMs }] of admitted.entries()) {
    let cost = 0;
    for (const { atMs, cost: own } of admitted.slice(from)) {
      cost += own;
      expect(cost).toBeLessThanOrEqual(burst + ((atMs - fromMs) * limit) / windowMs + 1e-6);
    }
  }
}

const anyQuota = fc.record({
  limit: fc.integer({ min: 1, max: 1000 }),
  windowMs: fc.integer({ min: 1, max: 100_000 }),
  burst: fc.integer({ min: 1, max: 50 }),
});
const ask = fc.record({
  afterMs: fc.double({ min: 0, max: 500, noNaN: true }),
  share: fc.double({ min: 0.01, max: 1, noNaN: true }),
});
const asks = fc.array(ask, { maxLength: 40, size: "max" });
/** Where the clock starts: that of a fresh process, of one that has run for a year, and the time of day. */
const anyStart = fc.constantFrom(0, 31_536_000_000.123, 1_795_000_000_000);

describe.each([
  ["gcra", gcra as RateAlgorithm<unknown>],
  ["tokenBucket", tokenBucket as RateAlgorithm<unknown>],
])("%s", (_name, { take }) => {
  it("lets no interval see more than the burst and what flows in", { timeout: propertyTimeoutMs }, () => {
    const play = (quota: RateQuota, startMs: number, sequence: { afterMs: number; share: number }[]) => {
      const admitted: Admission[] = [];
      let state: unknown;
      let nowMs = startMs;
      for (const { afterMs, share } of sequence) {
        nowMs += afterMs;
        const cost = share * quota.burst;
        const decision = take(state, nowMs, cost, quota);
        if (decision.allowed) admitted.push({ atMs: nowMs, cost });
        state = decision.state;
        expect(decision.remaining).toBeGreaterThanOrEqual(0);
        expect(decision.resetMs).toBeGreaterThanOrEqual(0);
      }
      // The time of day is a double with a grain of a quarter of a microsecond.
      expectWithinQuota(admitted, { ...quota, burst: quota.burst + (quota.limit / quota.windowMs) * 0.1 });
    };
    fc.assert(fc.property(anyQuota, anyStart, asks, play), propertyRuns(0.1));
  });

  it("says to the moment when a cost goes through, and no sooner", { timeout: propertyTimeoutMs }, () => {
    const play = (quota: RateQuota, startMs: number, sequence: { afterMs: number; share: number }[]) => {
      let state: unknown;
      let nowMs = startMs;
      for (const { afterMs, share } of sequence) {
        nowMs += afterMs;
        const cost = share * quota.burst;
        const decision = take(state, nowMs, cost, quota);
        state = decision.state;
        if (decision.allowed) continue;
        const { retryAfterMs } = decision;
        if (retryAfterMs > 1) expect(take(state, nowMs + retryAfterMs - 0.5, cost, quota).allowed).toBe(false);
        nowMs += retryAfterMs;
        const again = take(state, nowMs, cost, quota);
        expect(again.allowed).toBe(true);
        state = again.state;
      }
      const full = take(state, nowMs + take(state, nowMs, quota.burst, quota).resetMs, quota.burst, quota);
      expect(full.allowed).toBe(true);
    };
    fc.assert(fc.property(anyQuota, anyStart, asks, play), propertyRuns(0.1));
  });
});

describe("gcra", () => {
  it("decides as a token bucket does", { timeout: propertyTimeoutMs }, () => {
    const play = (quota: RateQuota, sequence: { afterMs: number; share: number }[]) => {
      let gcraState: GcraState | undefined;
      let bucket: TokenBucketState | undefined;
      let nowMs = 0;
      for (const { afterMs, share } of sequence) {
        nowMs += afterMs;
        const cost = share * quota.burst;
        const waits: [number, number] = [
          gcra.waitMs(gcraState, nowMs, cost, quota),
          tokenBucket.waitMs(bucket, nowMs, cost, quota),
        ];
        expect(waits[0]).toBeCloseTo(waits[1], 3);
        // Where rounding tips the balance the two may differ by a hair; the same step is taken in both then.
        const goes = waits[0] < 1e-4;
        nowMs += goes ? Math.max(...waits) : 0;
        gcraState = gcra.take(gcraState, nowMs, cost, quota).state;
        bucket = tokenBucket.take(bucket, nowMs, cost, quota).state;
      }
    };
    fc.assert(fc.property(anyQuota, asks, play), propertyRuns(0.05));
  });
});

const maxWaitMs = 40;
const maxQueue = 4;

/** What a limit in process should do, as plainly as can be: one list of calls, and what has gone through when. */
class Model {
  readonly calls: { state: "waiting" | "ran" | "left" | "refused"; cost: number; ranMs: number }[] = [];
  readonly #quota: RateQuota;
  #level: number;
  #levelMs = 0;

  constructor(quota: RateQuota) {
    this.#quota = quota;
    this.#level = quota.burst;
  }

  /** Lets time pass up to then, and everybody through whose turn comes on the way. */
  advanceTo(nowMs: number): void {
    for (let head = this.#head(); head !== undefined; head = this.#head()) {
      const turnMs = this.#whenMs(head.cost);
      if (turnMs > nowMs + 1e-6) break;
      this.#flowTo(Math.max(turnMs, this.#levelMs));
      this.#run(head);
    }
    this.#flowTo(nowMs);
  }

  start(cost: number, nowMs: number): void {
    const call = { state: "waiting" as Model["calls"][number]["state"], cost, ranMs: 0 };
    const waiting = this.calls.filter(({ state }) => state === "waiting");
    const waitMs = this.#whenMs(waiting.reduce((sum, other) => sum + other.cost, cost)) - nowMs;
    this.calls.push(call);
    if (waitMs <= 1e-6) this.#run(call);
    else if (waitMs > maxWaitMs || waiting.length >= maxQueue) call.state = "refused";
  }

  abort(index: number): void {
    const call = this.calls[index];
    if (call?.state === "waiting") call.state = "left";
  }

  #head() {
    return this.calls.find(({ state }) => state === "waiting");
  }

  #run(call: Model["calls"][number]): void {
    call.state = "ran";
    call.ranMs = this.#levelMs;
    this.#level -= call.cost;
  }

  #whenMs(cost: number): number {
    return this.#levelMs + ((cost - this.#level) * this.#quota.windowMs) / this.#quota.limit;
  }

  #flowTo(nowMs: number): void {
    const { limit, windowMs, burst } = this.#quota;
    this.#level = Math.min(burst, this.#level + ((nowMs - this.#levelMs) * limit) / windowMs);
    this.#levelMs = nowMs;
  }
}

const command = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant("start" as const), cost: fc.integer({ min: 1, max: 3 }) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("abort" as const), index: fc.nat(15) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("advance" as const), ms: fc.nat(20) }) },
);
type Command = typeof command extends fc.Arbitrary<infer T> ? T : never;

interface Started {
  readonly call: Watched<number>;
  readonly controller: AbortController;
}

/** To a thousandth: the model and the limit add up in different orders. */
function ranAt(ms: number): string {
  return `ran at ${ms.toFixed(3)}`;
}

function seen({ call, controller }: Started): string {
  if (call.state === "pending") return "waiting";
  if (call.state === "fulfilled") return ranAt(call.value as number);
  if (call.error === controller) return "left";
  return isHeadgateError(call.error) ? "refused" : "unknown";
}

async function play(algorithm: "gcra" | "token-bucket", quota: RateQuota, commands: readonly Command[]): Promise<void> {
  const clock = new TestClock();
  const limit = rateLimit({ ...quota, algorithm, maxWaitMs, maxQueue, clock });
  const guarded = pipeline({ name: "model", clock }, limit);
  const model = new Model(quota);
  const started: Started[] = [];
  for (const each of commands) {
    if (each.kind === "start") {
      const controller = new AbortController();
      const { signal } = controller;
      started.push({ controller, call: watch(guarded.execute(() => clock.now(), { signal, weight: each.cost })) });
      model.start(each.cost, clock.now());
    } else if (each.kind === "abort") {
      const { controller } = started[each.index] ?? {};
      controller?.abort(controller);
      model.abort(each.index);
      model.advanceTo(clock.now());
    } else {
      await clock.advance(each.ms);
      model.advanceTo(clock.now());
    }
    await clock.settle();
    expect(started.map(seen)).toEqual(model.calls.map(({ state, ranMs }) => (state === "ran" ? ranAt(ranMs) : state)));
    expect(limit.queued).toBe(model.calls.filter(({ state }) => state === "waiting").length);
  }
  // Nobody waits longer than it may, whatever came before.
  await clock.advance(maxWaitMs);
  model.advanceTo(clock.now());
  expect(limit.queued).toBe(0);
  expect(await heldTimers(clock)).toBe(0);
  const ran = started.flatMap(({ call }, i) =>
    call.state === "fulfilled" ? [{ atMs: call.value as number, cost: model.calls[i]?.cost ?? 0 }] : [],
  );
  expect(ran.map(({ atMs }) => atMs)).toEqual(ran.map(({ atMs }) => atMs).toSorted((a, b) => a - b));
  expectWithinQuota(ran, quota);
}

describe("rateLimit", () => {
  it("does what a plain list of calls does", { timeout: propertyTimeoutMs }, async () => {
    const settings = fc.record({
      limit: fc.constantFrom(1, 2, 4),
      // In these terms all sums are exact, and a turn comes when both say so.
      windowMs: fc.constantFrom(8, 16, 32),
      burst: fc.integer({ min: 3, max: 5 }),
    });
    const commands = fc.array(command, { maxLength: 30, size: "max" });
    const algorithm = fc.constantFrom("gcra" as const, "token-bucket" as const);
    await fc.assert(fc.asyncProperty(algorithm, settings, commands, play), propertyRuns(0.2));
  });
});
