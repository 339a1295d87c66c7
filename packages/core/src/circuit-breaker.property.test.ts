import { circuitBreaker, consecutiveFailures, countWindow, isHeadgateError, pipeline } from "@headgate/core";
import { TestClock } from "@headgate/core/testing";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Run, manualOperation, watch } from "../test/support/operations.ts";
import { propertyRuns, propertyTimeoutMs } from "../test/support/property-runs.ts";

const openMs = 20;
const failure = new Error("down");

type Result = "success" | "failure" | "ignored";

/** What a breaker should do, as plainly as can be: each change of state begins an era, results of other eras are void. */
class Model {
  readonly #permits: number;
  readonly #leaseMs: number;
  readonly #opens: (failures: readonly boolean[]) => boolean;
  #era: { state: "closed" | "open" | "half-open"; sinceMs: number; results: boolean[]; probes: Map<number, number> };
  readonly #admitted = new Map<number, unknown>();

  constructor(permits: number, leaseMs: number, opens: (failures: readonly boolean[]) => boolean) {
    this.#permits = permits;
    this.#leaseMs = leaseMs;
    this.#opens = opens;
    this.#era = { state: "closed", sinceMs: 0, results: [], probes: new Map() };
  }

  state(nowMs: number): string {
    const { state, sinceMs } = this.#era;
    return state === "open" && nowMs - sinceMs >= openMs ? "half-open" : state;
  }

  /** How long a call is told to wait; null when it is let through. */
  start(id: number, nowMs: number): number | null {
    if (this.#era.state === "open" && this.state(nowMs) === "half-open") this.#begin("half-open", nowMs);
    if (this.#era.state === "half-open") {
      const { probes, results } = this.#era;
      const startedMs = [...probes.values()];
      if (startedMs.some((ms) => nowMs - ms >= this.#leaseMs)) this.#begin("open", nowMs);
      else if (probes.size + results.length >= this.#permits) return Math.min(...startedMs) + this.#leaseMs - nowMs;
      else probes.set(id, nowMs);
    }
    if (this.#era.state === "open") return this.#era.sinceMs + openMs - nowMs;
    this.#admitted.set(id, this.#era);
    return null;
  }

  end(id: number, result: Result, nowMs: number): void {
    const { state, results, probes } = this.#era;
    if (this.#admitted.get(id) !== this.#era) return;
    this.#admitted.delete(id);
    probes.delete(id);
    if (result === "ignored") return;
    results.push(result === "failure");
    if (state === "closed") {
      if (this.#opens(results)) this.#begin("open", nowMs);
    } else if (result === "failure") this.#begin("open", nowMs);
    else if (results.length >= this.#permits) this.#begin("closed", nowMs);
  }

  #begin(state: "closed" | "open" | "half-open", sinceMs: number): void {
    this.#era = { state, sinceMs, results: [], probes: new Map() };
  }
}

const trips = [
  {
    make: () => consecutiveFailures({ maxFailures: 2 }),
    opens: (results: readonly boolean[]) => results.length >= 2 && results.slice(-2).every((failed) => failed),
  },
  {
    make: () => countWindow({ calls: 4, failureRatio: 0.5, minCalls: 3 }),
    opens: (results: readonly boolean[]) => {
      const last = results.slice(-4);
      return last.length >= 3 && last.filter((failed) => failed).length / last.length >= 0.5;
    },
  },
];

const settings = fc.record({
  trip: fc.constantFrom(...trips),
  halfOpenPermits: fc.integer({ min: 1, max: 3 }),
  probeLeaseMs: fc.constantFrom(5, openMs, 50),
});
type Settings = typeof settings extends fc.Arbitrary<infer T> ? T : never;

const result = fc.constantFrom<Result>("success", "failure", "failure", "ignored");
const command = fc.oneof(
  { weight: 3, arbitrary: fc.constant({ kind: "start" as const }) },
  // A call that starts and ends at once, so that circuits open often.
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("run" as const), result }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("end" as const), index: fc.nat(12), result }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant("advance" as const), ms: fc.constantFrom(1, 5, openMs - 1, openMs) }),
  },
);
type Command = typeof command extends fc.Arbitrary<infer T> ? T : never;

async function play({ trip, halfOpenPermits, probeLeaseMs }: Settings, commands: readonly Command[]): Promise<void> {
  const clock = new TestClock();
  const breaker = circuitBreaker({ trip: trip.make(), openMs, halfOpenPermits, probeLeaseMs, clock });
  const guarded = pipeline({ name: "model", clock }, breaker);
  const model = new Model(halfOpenPermits, probeLeaseMs, trip.opens);
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
    expect(refused).toBe(model.start(id, clock.now()));
  };
  const end = async (index: number, how: Result) => {
    const [found] = started.splice(index, 1);
    if (found === undefined) return;
    if (how === "success") found.run.resolve("done");
    else if (how === "failure") found.run.reject(failure);
    else found.controller.abort();
    await clock.settle();
    model.end(found.id, how, clock.now());
  };

  for (const each of commands) {
    if (each.kind === "advance") await clock.advance(each.ms);
    else if (each.kind === "end") await end(each.index, each.result);
    else {
      await start();
      if (each.kind === "run") await end(started.length - 1, each.result);
    }
    expect(breaker.state).toBe(model.state(clock.now()));
  }
  expect(clock.pending).toBe(0);
}

describe("circuitBreaker", () => {
  it("does what a plain list of results does", { timeout: propertyTimeoutMs }, async () => {
    const commands = fc.array(command, { maxLength: 40, size: "max" });
    await fc.assert(fc.asyncProperty(settings, commands, play), propertyRuns(0.3));
  });
});
