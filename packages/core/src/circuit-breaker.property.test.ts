// The breaker against a model that keeps plain lists and looks at them every millisecond, as if it had timers. The
// breaker has none and must come to the same, whenever somebody calls.
import {
  circuitBreaker,
  consecutiveFailures,
  countWindow,
  isHeadgateError,
  pipeline,
  timeWindow,
  type Trip,
} from "@headgate/core";
import { TestClock } from "@headgate/core/testing";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Run, manualOperation, watch } from "../test/support/operations.ts";
import { propertyRuns, propertyTimeoutMs } from "../test/support/property-runs.ts";

const openMs = 20;
const maxOpenMs = 70;
const healthyMs = 60;
const askedMs = 45;

type Result = "success" | "failure" | "asked" | "overload" | "ignored";

interface Sample {
  readonly atMs: number;
  failed: boolean;
  readonly slow: boolean;
  readonly overload: boolean;
}

interface TripCase {
  readonly name: string;
  readonly make: () => Trip;
  readonly slowMs: number;
  readonly opens: (samples: readonly Sample[], nowMs: number) => boolean;
}

const share = (samples: readonly Sample[], of: (sample: Sample) => boolean) =>
  samples.filter(of).length / samples.length;
const inWindow = (samples: readonly Sample[], nowMs: number) =>
  samples.filter(({ atMs }) => Math.floor(atMs / 10) > Math.floor(nowMs / 10) - 3);

const trips: readonly TripCase[] = [
  {
    name: "two in a row",
    make: () => consecutiveFailures({ maxFailures: 2 }),
    slowMs: Number.POSITIVE_INFINITY,
    opens: (samples) => {
      const counted = samples.filter(({ overload }) => !overload);
      return counted.length >= 2 && counted.slice(-2).every(({ failed }) => failed);
    },
  },
  {
    name: "half of four calls",
    make: () => countWindow({ calls: 4, failureRatio: 0.5, minCalls: 3 }),
    slowMs: Number.POSITIVE_INFINITY,
    opens: (samples) => {
      const last = samples.slice(-4);
      return last.length >= 3 && share(last, ({ failed }) => failed) >= 0.5;
    },
  },
  {
    name: "of five calls 0.7 failed, or half slow, or 0.8 either",
    make: () =>
      countWindow({ calls: 5, failureRatio: 0.7, minCalls: 3, slowMs: 12, slowRatio: 0.5, combinedRatio: 0.8 }),
    slowMs: 12,
    opens: (samples) => {
      const last = samples.slice(-5);
      if (last.length < 3) return false;
      if (share(last, ({ failed }) => failed) >= 0.7 || share(last, ({ slow }) => slow) >= 0.5) return true;
      return share(last, ({ failed, slow }) => failed || slow) >= 0.8;
    },
  },
  {
    name: "in 30 ms 0.6 failed, or half slow",
    make: () => timeWindow({ windowMs: 30, buckets: 3, failureRatio: 0.6, minCalls: 3, slowMs: 8, slowRatio: 0.5 }),
    slowMs: 8,
    opens: (samples, nowMs) => {
      const last = inWindow(samples, nowMs);
      return last.length >= 3 && (share(last, ({ failed }) => failed) >= 0.6 || share(last, ({ slow }) => slow) >= 0.5);
    },
  },
];

interface Admitted {
  readonly startedMs: number;
  readonly era: object;
  sample: Sample | null;
}

class Model {
  readonly #permits: number;
  readonly #leaseMs: number;
  readonly #trip: TripCase;
  #nowMs = 0;
  #era: { state: "closed" | "open" | "half-open"; sinceMs: number; samples: Sample[]; permits: number; wins: number };
  #openForMs = 0;
  #openings = 0;
  #closedAtMs = Number.NEGATIVE_INFINITY;
  readonly #inFlight = new Map<number, Admitted>();
  opened = 0;

  constructor(permits: number, leaseMs: number, trip: TripCase) {
    this.#permits = permits;
    this.#leaseMs = Math.min(leaseMs, trip.slowMs);
    this.#trip = trip;
    this.#era = { state: "closed", sinceMs: 0, samples: [], permits: 1, wins: 0 };
  }

  get state(): string {
    return this.#era.state;
  }

  tick(): void {
    const nowMs = ++this.#nowMs;
    for (const admitted of this.#current()) {
      const ageMs = nowMs - admitted.startedMs;
      if (this.#era.state === "half-open" && ageMs === this.#leaseMs) this.#open(0);
      if (this.#era.state !== "closed" || admitted.era !== this.#era || ageMs !== this.#trip.slowMs) continue;
      admitted.sample = { atMs: nowMs, failed: false, slow: true, overload: false };
      this.#record(admitted.sample, 0);
    }
    if (this.#era.state === "open" && nowMs - this.#era.sinceMs >= this.#openForMs) this.#begin("half-open");
  }

  /** How long a call is told to wait; null when it is let through. */
  start(id: number): number | null {
    const { state, sinceMs, permits } = this.#era;
    if (state === "open") return sinceMs + this.#openForMs - this.#nowMs;
    const probes = this.#current();
    if (state === "half-open" && probes.length >= permits)
      return Math.min(...probes.map(({ startedMs }) => startedMs)) + this.#leaseMs - this.#nowMs;
    this.#inFlight.set(id, { startedMs: this.#nowMs, era: this.#era, sample: null });
    return null;
  }

  end(id: number, result: Result): void {
    const admitted = this.#inFlight.get(id);
    this.#inFlight.delete(id);
    if (admitted?.era !== this.#era || result === "ignored") return;
    const failed = result !== "success";
    const hintMs = result === "asked" ? askedMs : 0;
    if (this.#era.state === "half-open") this.#endProbe(failed, hintMs);
    else if (admitted.sample === null)
      this.#record({ atMs: this.#nowMs, failed, slow: false, overload: result === "overload" }, hintMs);
    else if (failed) {
      admitted.sample.failed = true;
      this.#judge(hintMs);
    }
  }

  #current(): Admitted[] {
    return [...this.#inFlight.values()].filter(({ era }) => era === this.#era);
  }

  #endProbe(failed: boolean, hintMs: number): void {
    if (failed) this.#open(hintMs);
    else if (++this.#era.wins < this.#era.permits) return;
    else if (this.#era.permits === this.#permits) {
      this.#closedAtMs = this.#nowMs;
      this.#begin("closed");
    } else {
      this.#era.permits = Math.min(this.#era.permits * 2, this.#permits);
      this.#era.wins = 0;
    }
  }

  #record(sample: Sample, hintMs: number): void {
    this.#era.samples.push(sample);
    this.#judge(hintMs);
  }

  #judge(hintMs: number): void {
    if (this.#trip.opens(this.#era.samples, this.#nowMs)) this.#open(hintMs);
  }

  #open(hintMs: number): void {
    if (this.#era.state === "closed" && this.#nowMs - this.#closedAtMs >= healthyMs) this.#openings = 0;
    this.#openForMs = Math.max(hintMs, Math.min(maxOpenMs, openMs * 2 ** this.#openings));
    this.#openings++;
    this.opened++;
    this.#begin("open");
  }

  #begin(state: "closed" | "open" | "half-open"): void {
    this.#era = { state, sinceMs: this.#nowMs, samples: [], permits: 1, wins: 0 };
  }
}

const settings = fc.record({
  trip: fc.constantFrom(...trips),
  halfOpenPermits: fc.integer({ min: 1, max: 4 }),
  probeLeaseMs: fc.constantFrom(5, openMs, 50),
});
type Settings = typeof settings extends fc.Arbitrary<infer T> ? T : never;

const result = fc.constantFrom<Result>("success", "success", "failure", "failure", "asked", "overload", "ignored");
const command = fc.oneof(
  { weight: 4, arbitrary: fc.constant({ kind: "start" as const }) },
  // A call that starts and ends at once, so that circuits open often.
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("run" as const), result }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("end" as const), index: fc.nat(12), result }) },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant("advance" as const), ms: fc.constantFrom(1, 4, 8, openMs - 1, openMs) }),
  },
);
type Command = typeof command extends fc.Arbitrary<infer T> ? T : never;

const failure = new Error("down");
const asked = Object.assign(new Error("busy"), { retryAfterMs: askedMs });

async function play({ trip, halfOpenPermits, probeLeaseMs }: Settings, commands: readonly Command[]): Promise<void> {
  const clock = new TestClock();
  const times = { openMs, maxOpenMs, healthyMs, openJitter: 0, probeLeaseMs };
  const breaker = circuitBreaker({ trip: trip.make(), ...times, halfOpenPermits, clock });
  const guarded = pipeline({ name: "model", clock, isOverload: (value) => value === "overload" }, breaker);
  const model = new Model(halfOpenPermits, probeLeaseMs, trip);
  const started: { id: number; run: Run<string>; controller: AbortController }[] = [];
  let ids = 0;

  const start = async () => {
    const id = ids++;
    const controller = new AbortController();
    const { operation, runs } = manualOperation();
    const call = watch(guarded.execute(operation, { signal: controller.signal }));
    await clock.settle();
    for (const run of runs) started.push({ id, run, controller });
    const refused = isHeadgateError(call.error) ? (call.error as { retryAfterMs?: number }).retryAfterMs : null;
    expect(refused).toBe(model.start(id));
    // A call has made the breaker look at its clock.
    expect([breaker.state, breaker.opened]).toEqual([model.state, model.opened]);
  };
  const end = async (index: number, how: Result) => {
    const [found] = started.splice(index, 1);
    if (found === undefined) return;
    if (how === "success" || how === "overload") found.run.resolve(how);
    else if (how === "ignored") found.controller.abort();
    else found.run.reject(how === "asked" ? asked : failure);
    await clock.settle();
    model.end(found.id, how);
  };

  for (const each of commands) {
    if (each.kind === "advance") {
      await clock.advance(each.ms);
      for (let ms = 0; ms < each.ms; ms++) model.tick();
    } else if (each.kind === "end") await end(each.index, each.result);
    else {
      await start();
      if (each.kind === "run") await end(started.length - 1, each.result);
    }
  }
  expect(clock.pending).toBe(0);
}

describe("circuitBreaker", () => {
  it.each(trips)(
    "does without timers what a model with timers does: $name",
    { timeout: propertyTimeoutMs },
    async (trip) => {
      const commands = fc.array(command, { maxLength: 50, size: "max" });
      const run = (each: Settings, played: readonly Command[]) => play({ ...each, trip }, played);
      await fc.assert(fc.asyncProperty(settings, commands, run), propertyRuns(0.15));
    },
  );
});
