import { concurrencyLimit, isHeadgateError, pipeline } from "@headgate/core";
import { TestClock } from "@headgate/core/testing";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { heldTimers } from "../test/support/leftovers.ts";
import { type Run, type Watched, manualOperation, watch } from "../test/support/operations.ts";
import { propertyRuns, propertyTimeoutMs } from "../test/support/property-runs.ts";

const maxWaitMs = 10;

type State = "waiting" | "expired" | "running" | "abandoned" | "done" | "left" | "refused: full" | "refused: wait";

/** What a limit should do, as plainly as can be: one list of calls in the order in which they came. */
class Model {
  readonly calls: { state: State; expiresMs: number }[] = [];
  readonly #maxConcurrent: number;
  readonly #maxQueue: number;

  constructor(maxConcurrent: number, maxQueue: number) {
    this.#maxConcurrent = maxConcurrent;
    this.#maxQueue = maxQueue;
  }

  count(...states: State[]): number {
    return this.calls.filter(({ state }) => states.includes(state)).length;
  }

  start(nowMs: number): void {
    const free = this.count("running", "abandoned") < this.#maxConcurrent;
    const state = free ? "running" : this.count("waiting") < this.#maxQueue ? "waiting" : "refused: full";
    this.calls.push({ state, expiresMs: nowMs + maxWaitMs });
  }

  settle(index: number, nowMs: number): void {
    const call = this.calls[index];
    if (call?.state === "running") call.state = "done";
    else if (call?.state === "abandoned") call.state = "left";
    else return;
    for (const next of this.calls) {
      if (next.state !== "waiting") continue;
      next.state = nowMs >= next.expiresMs ? "refused: wait" : "running";
      if (next.state === "running") return;
    }
  }

  abort(index: number): void {
    const call = this.calls[index];
    if (call?.state === "waiting" || call?.state === "expired") call.state = "left";
    else if (call?.state === "running") call.state = "abandoned";
  }

  fireTimers(nowMs: number): void {
    for (const call of this.calls)
      if ((call.state === "waiting" || call.state === "expired") && nowMs >= call.expiresMs)
        call.state = "refused: wait";
  }
}

const command = fc.oneof(
  { weight: 5, arbitrary: fc.constant({ kind: "start" as const }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("settle" as const), index: fc.nat(12), fails: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("abort" as const), index: fc.nat(12) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("advance" as const), ms: fc.nat(maxWaitMs) }) },
  // A host that is late with its timers.
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("jump" as const), ms: fc.nat(maxWaitMs) }) },
);
type Command = typeof command extends fc.Arbitrary<infer T> ? T : never;

interface Started {
  readonly call: Watched<string>;
  readonly runs: readonly Run<string>[];
  readonly controller: AbortController;
}

/** What the caller sees of a call in this state, which is all that is compared. */
function seenOf(state: State): string {
  if (state === "expired") return "waiting";
  return state === "abandoned" ? "left" : state;
}

function seen({ call, runs, controller }: Started): string {
  if (call.state === "pending") return runs.length > 0 ? "running" : "waiting";
  if (call.state === "fulfilled" || call.error === runs[0]) return "done";
  if (call.error === controller) return "left";
  return isHeadgateError(call.error) ? `refused: ${(call.error as { reason?: string }).reason}` : "unknown";
}

async function play(maxConcurrent: number, maxQueue: number, commands: readonly Command[]): Promise<void> {
  const clock = new TestClock();
  const limit = concurrencyLimit({ maxConcurrent, maxQueue, maxWaitMs, clock });
  const guarded = pipeline({ name: "model", clock }, limit);
  const model = new Model(maxConcurrent, maxQueue);
  const started: Started[] = [];

  const start = () => {
    const controller = new AbortController();
    const { operation, runs } = manualOperation();
    started.push({ controller, runs, call: watch(guarded.execute(operation, { signal: controller.signal })) });
    model.start(clock.now());
  };
  const settle = (index: number, fails: boolean) => {
    const run = started[index]?.runs[0];
    if (run === undefined) return;
    if (fails) run.reject(run);
    else run.resolve("done");
    model.settle(index, clock.now());
  };
  const perform = async (each: Command) => {
    if (each.kind === "start") start();
    else if (each.kind === "settle") settle(each.index, each.fails);
    else if (each.kind === "jump") clock.jump(each.ms);
    else if (each.kind === "abort") {
      const { controller } = started[each.index] ?? {};
      controller?.abort(controller);
      model.abort(each.index);
    } else {
      await clock.advance(each.ms);
      model.fireTimers(clock.now());
    }
    await clock.settle();
  };
  const compare = () => {
    const { inUse, queued, abandoned } = limit;
    expect({ inUse, queued, abandoned, calls: started.map(seen) }).toEqual({
      inUse: model.count("running", "abandoned"),
      queued: model.count("waiting"),
      abandoned: model.count("abandoned"),
      calls: model.calls.map(({ state }) => seenOf(state)),
    });
  };

  for (const each of commands) {
    await perform(each);
    compare();
  }
  // Whatever came before, everything ends: each run settles in turn until nobody is left.
  for (let index = 0; index < started.length; index++) {
    settle(index, false);
    await clock.settle();
  }
  await clock.advance(maxWaitMs);
  model.fireTimers(clock.now());
  compare();
  expect([limit.inUse, limit.queued, limit.abandoned, await heldTimers(clock)]).toEqual([0, 0, 0, 0]);
}

describe("concurrencyLimit", () => {
  it("does what a plain list of calls does", { timeout: propertyTimeoutMs }, async () => {
    const bounds = [fc.integer({ min: 1, max: 3 }), fc.nat(3)] as const;
    const commands = fc.array(command, { maxLength: 30, size: "max" });
    await fc.assert(fc.asyncProperty(...bounds, commands, play), propertyRuns(0.4));
  });
});
