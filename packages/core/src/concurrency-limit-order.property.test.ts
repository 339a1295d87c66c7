import { type ConcurrencyLimit, concurrencyLimit, isHeadgateError, pipeline, type QueueOrder } from "@headgate/core";
import { TestClock } from "@headgate/core/testing";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { heldTimers } from "../test/support/leftovers.ts";
import { manualOperation, watch } from "../test/support/operations.ts";
import { propertyRuns, propertyTimeoutMs } from "../test/support/property-runs.ts";

const maxWaitMs = 10;

interface ModelCall {
  state: string;
  readonly weight: number;
  readonly priority: number;
  readonly expiresMs: number;
}

/** What a limit should do, as plainly as can be: one list of calls in the order in which they came. */
class Model {
  readonly calls: ModelCall[] = [];
  maxConcurrent: number;
  readonly #maxQueue: number;
  readonly #order: QueueOrder;

  constructor(order: QueueOrder, maxConcurrent: number, maxQueue: number) {
    this.#order = order;
    this.maxConcurrent = maxConcurrent;
    this.#maxQueue = maxQueue;
  }

  get waiting(): ModelCall[] {
    return this.calls.filter(({ state }) => state === "waiting");
  }

  weightOf(...states: string[]): number {
    return this.calls.reduce((sum, { state, weight }) => (states.includes(state) ? sum + weight : sum), 0);
  }

  get #used(): number {
    return this.weightOf("running", "abandoned");
  }

  /** Who waits, the next to go on first. */
  #inOrder(): ModelCall[] {
    const { waiting } = this;
    if (this.#order === "lifo") return waiting.toReversed();
    return this.#order === "fifo" ? waiting : waiting.toSorted((a, b) => b.priority - a.priority);
  }

  start(weight: number, priority: number, nowMs: number, mayWait = true): void {
    const call: ModelCall = { state: "waiting", weight, priority, expiresMs: nowMs + maxWaitMs };
    const others = this.#inOrder();
    this.calls.push(call);
    if (this.#used + weight <= this.maxConcurrent && this.#inOrder()[0] === call) call.state = "running";
    else if (!mayWait) call.state = "nothing";
    else if (weight > this.maxConcurrent) call.state = "refused: weight";
    else if (others.length >= this.#maxQueue) {
      const last = others.at(-1);
      if (this.#order === "priority" && last && last.priority < priority) last.state = "refused: displaced";
      else call.state = "refused: full";
    }
  }

  /** The first in order go on while there is room; whoever cannot any more is refused when its turn comes. */
  handOut(nowMs: number): void {
    for (let [next] = this.#inOrder(); next && this.#used < this.maxConcurrent; [next] = this.#inOrder()) {
      if (nowMs >= next.expiresMs) next.state = "refused: wait";
      else if (next.weight > this.maxConcurrent) next.state = "refused: weight";
      else if (this.#used + next.weight <= this.maxConcurrent) next.state = "running";
      else return;
    }
  }

  settle(index: number, nowMs: number): void {
    const call = this.calls[index];
    if (call?.state === "running") call.state = "done";
    else if (call?.state === "abandoned") call.state = "left";
    else return;
    this.handOut(nowMs);
  }

  abort(index: number, nowMs: number, isPermit: boolean): void {
    const call = this.calls[index];
    if (call?.state === "running" && !isPermit) call.state = "abandoned";
    if (call?.state !== "waiting") return;
    call.state = "left";
    this.handOut(nowMs);
  }

  fireTimers(nowMs: number): void {
    for (const call of this.waiting) if (nowMs >= call.expiresMs) call.state = "refused: wait";
    this.handOut(nowMs);
  }
}

const how = {
  weight: fc.constantFrom(undefined, 1, 2, 3, 0.5),
  priority: fc.constantFrom(undefined, 0, 1, 2, -1.5),
};
const index = fc.nat(15);
const command = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constantFrom("execute" as const, "acquire" as const), ...how }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("tryAcquire" as const), ...how }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant("settle" as const), index }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("abort" as const), index }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("resize" as const), maxConcurrent: fc.integer({ min: 1, max: 4 }) }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("advance" as const), ms: fc.nat(maxWaitMs) }) },
  // A host that is late with its timers.
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("jump" as const), ms: fc.nat(maxWaitMs) }) },
);
type Command = typeof command extends fc.Arbitrary<infer T> ? T : never;
type How = { readonly weight: number | undefined; readonly priority: number | undefined };

/** A call or a permit of the real limit. */
interface Taken {
  readonly isPermit: boolean;
  readonly seen: () => string;
  readonly abort: () => void;
  readonly end: () => void;
}

function refusalOf(error: unknown): string {
  return isHeadgateError(error) ? `refused: ${(error as { reason?: string }).reason}` : "left";
}

function execute(guarded: ReturnType<typeof pipeline>, options: How): Taken {
  const controller = new AbortController();
  const { operation, runs } = manualOperation();
  const call = watch(guarded.execute(operation, { ...options, signal: controller.signal }));
  let ended = false;
  return {
    isPermit: false,
    abort: () => controller.abort(controller),
    end: () => {
      if (runs.length > 0) ended = true;
      runs[0]?.resolve("done");
    },
    seen: () => {
      if (call.state === "pending") return runs.length > 0 ? "running" : "waiting";
      if (call.state === "fulfilled") return "done";
      if (call.error === controller) return runs.length > 0 && !ended ? "abandoned" : "left";
      return refusalOf(call.error);
    },
  };
}

function acquire(limit: ConcurrencyLimit, options: How): Taken {
  const controller = new AbortController();
  const call = watch(limit.acquire({ ...options, signal: controller.signal }));
  let ended = false;
  return {
    isPermit: true,
    abort: () => controller.abort(controller),
    end: () => {
      if (call.value !== undefined) ended = true;
      call.value?.release();
    },
    seen: () => {
      if (call.state === "pending") return "waiting";
      if (call.state === "fulfilled") return ended ? "done" : "running";
      return refusalOf(call.error);
    },
  };
}

function tryAcquire(limit: ConcurrencyLimit, options: How): Taken {
  const permit = limit.tryAcquire(options);
  let ended = false;
  return {
    isPermit: true,
    abort: () => {},
    end: () => {
      ended = true;
      permit?.release();
    },
    seen: () => (permit === undefined ? "nothing" : ended ? "done" : "running"),
  };
}

async function play(order: QueueOrder, maxConcurrent: number, maxQueue: number, commands: readonly Command[]) {
  const clock = new TestClock();
  const limit = concurrencyLimit({ maxConcurrent, maxQueue, maxWaitMs, order, clock });
  const guarded = pipeline({ name: "model", clock }, limit);
  const model = new Model(order, maxConcurrent, maxQueue);
  const taken: Taken[] = [];

  const advance = async (ms: number) => {
    await clock.advance(0);
    model.fireTimers(clock.now());
    for (let passed = 0; passed < ms; passed++) {
      await clock.advance(1);
      model.fireTimers(clock.now());
    }
  };
  const perform = async (each: Command) => {
    if ("weight" in each) {
      const { weight = 1, priority = 0 } = each;
      if (each.kind === "tryAcquire") taken.push(tryAcquire(limit, each));
      else taken.push(each.kind === "execute" ? execute(guarded, each) : acquire(limit, each));
      model.start(weight, priority, clock.now(), each.kind !== "tryAcquire");
    } else if (each.kind === "jump") clock.jump(each.ms);
    else if (each.kind === "advance") await advance(each.ms);
    else if (each.kind === "resize") {
      limit.resize(each.maxConcurrent);
      model.maxConcurrent = each.maxConcurrent;
      model.handOut(clock.now());
    } else if (each.kind === "settle") {
      taken[each.index]?.end();
      model.settle(each.index, clock.now());
    } else {
      const one = taken[each.index];
      one?.abort();
      model.abort(each.index, clock.now(), one !== undefined && one.isPermit);
    }
    await clock.settle();
  };
  const compare = () => {
    const { inUse, queued, abandoned } = limit;
    expect({ inUse, queued, abandoned, calls: taken.map(({ seen }) => seen()) }).toEqual({
      inUse: model.weightOf("running", "abandoned"),
      queued: model.waiting.length,
      abandoned: model.weightOf("abandoned"),
      calls: model.calls.map(({ state }) => state),
    });
  };

  for (const each of commands) {
    await perform(each);
    compare();
  }
  // Whatever came before, everything ends: all that runs settles and all that waits expires.
  for (let round = 0; round < taken.length; round++) await perform({ kind: "settle", index: round });
  await advance(maxWaitMs);
  for (let round = 0; round < taken.length; round++) await perform({ kind: "settle", index: round });
  compare();
  expect([limit.inUse, limit.queued, limit.abandoned, await heldTimers(clock)]).toEqual([0, 0, 0, 0]);
}

describe("concurrencyLimit", () => {
  it.each(["fifo", "lifo", "priority"] as const)(
    "does what a plain list of calls does with weights, permits and resizing: %s",
    { timeout: propertyTimeoutMs },
    async (order) => {
      const bounds = [fc.integer({ min: 1, max: 4 }), fc.nat(4)] as const;
      const commands = fc.array(command, { maxLength: 40, size: "max" });
      await fc.assert(fc.asyncProperty(fc.constant(order), ...bounds, commands, play), propertyRuns(0.34));
    },
  );
});
