// Every order of everything that can happen to a call with hedges: attempts complete and fail, the caller leaves, hedges, attempt
// timeouts and the deadline come. What must hold whatever the order is checked after each event and at the end of each schedule.
import {
  concurrencyLimit,
  constantBackoff,
  hedge,
  isHeadgateError,
  type OperationContext,
  pipeline,
  type Policy,
  retry,
  retryBudget,
  timeout,
} from "@headgate/core";
import { TestClock } from "@headgate/core/testing";
import { describe, expect, it } from "vitest";
import { type Choose, everyChoice } from "./support/every-choice.ts";
import { heldTimers } from "./support/leftovers.ts";
import { listenersOn } from "./support/listeners.ts";
import { watch } from "./support/operations.ts";
import { unhandledDuring } from "./support/unhandled.ts";

interface Scenario {
  readonly name: string;
  readonly maxAttempts: number;
  readonly permits?: number;
  readonly attemptTimeoutMs?: number;
  readonly retries?: boolean;
  /** Whether the operation reads its signal at once, or when all is over. */
  readonly lazy?: boolean;
  /** Microtasks that run between two events; all of them when not given. */
  readonly turns?: number;
}

const scenarios: readonly Scenario[] = [
  { name: "two attempts", maxAttempts: 2 },
  { name: "two attempts that read their signals late", maxAttempts: 2, lazy: true },
  { name: "three attempts", maxAttempts: 3 },
  { name: "three attempts, two permits", maxAttempts: 3, permits: 2 },
  { name: "two attempts with an attempt timeout", maxAttempts: 2, attemptTimeoutMs: 25 },
  { name: "two attempts inside a retry", maxAttempts: 2, retries: true },
  ...[0, 1, 2, 3, 4].map((turns) => ({ name: `three attempts, ${turns} microtasks apart`, maxAttempts: 3, turns })),
  ...[0, 1, 2].map((turns) => ({
    name: `two attempts with a timeout, ${turns} microtasks apart`,
    maxAttempts: 2,
    attemptTimeoutMs: 25,
    turns,
  })),
];

const delayMs = 10;
const deadlineMs = 100;

interface Run {
  readonly context: OperationContext;
  readonly value: string;
  readonly error: Error;
  readonly resolve: (value: string) => void;
  readonly reject: (error: Error) => void;
  ended: "not" | "completed" | "failed";
}

function makeWorld(scenario: Scenario, log: string[]) {
  const clock = new TestClock();
  const { maxAttempts, permits = 9, attemptTimeoutMs, retries = false, lazy = false } = scenario;
  const limit = concurrencyLimit({ maxConcurrent: permits, maxQueue: 9, maxWaitMs: 1000, clock });
  const budget = retryBudget({ minPerSecond: 100, minConcurrent: 9, clock });
  const beside = hedge({ delayMs, maxAttempts, budget, clock });
  const again = retry({ maxAttempts: 2, backoff: constantBackoff({ delayMs: 0 }), budget, clock });
  const policies: Policy[] = [
    timeout({ timeoutMs: deadlineMs, clock }),
    ...(retries ? [again] : []),
    beside,
    limit,
    ...(attemptTimeoutMs === undefined ? [] : [timeout({ timeoutMs: attemptTimeoutMs, clock })]),
  ];
  const must = (holds: boolean, what: string): void => {
    if (!holds) throw new Error(`${what}, after: ${log.join(", ")}`);
  };
  const runs: Run[] = [];
  const discarded: string[] = [];
  const settled: string[] = [];
  const controller = new AbortController();
  const { signal, count } = listenersOn(controller);
  const operation = (context: OperationContext) =>
    new Promise<string>((resolve, reject) => {
      must(settled.length === 0, "an attempt starts for nobody");
      if (!lazy) must(!context.signal.aborted, "starts although it is not wanted");
      const own = `attempt ${context.attempt}`;
      must(!runs.some(({ value }) => value === own), `${own} starts twice`);
      runs.push({ context, value: own, error: new Error(own), resolve, reject, ended: "not" });
    });
  const observer = ({ type }: { type: string }) => {
    if (type === "pipeline.settled") settled.push(type);
  };
  const guarded = pipeline({ name: "hedged", observer, clock }, ...policies);
  const discard = (value: string) => discarded.push(value);
  const call = watch(guarded.execute(operation, { signal, discard }));
  const running = () => runs.filter(({ ended }) => ended === "not");
  return { clock, limit, budget, beside, runs, running, discarded, settled, controller, listeners: count, call, must };
}

type World = ReturnType<typeof makeWorld>;

interface Event {
  readonly name: string;
  readonly happen: () => void | Promise<void>;
  readonly check: () => void;
}

const wanted = ({ context }: Run): boolean => context.remainingMs > 0;

function possible(world: World, scenario: Scenario): Event[] {
  const { clock, running, call, controller, discarded, must, beside } = world;
  const events: Event[] = [];
  for (const run of running()) {
    const isWanted = call.state === "pending" && wanted(run);
    events.push({
      name: `${run.value} completes`,
      happen: () => {
        run.ended = "completed";
        run.resolve(run.value);
      },
      check: () => must(isWanted ? call.value === run.value : discarded.includes(run.value), `${run.value} is lost`),
    });
    events.push({
      name: `${run.value} fails`,
      happen: () => {
        run.ended = "failed";
        run.reject(run.error);
      },
      check: () => {},
    });
  }
  if (call.state !== "pending") return events;
  // With all of them there are too many orders where a retry stands outside.
  if (scenario.retries !== true)
    events.push({
      name: "the caller leaves",
      happen: () => controller.abort("left"),
      check: () => must(call.error === "left", "is not ended at once by its abort"),
    });
  const hedgesLeft = beside.hedges < (scenario.maxAttempts - 1) * (scenario.retries ? 2 : 1);
  // What comes first in time comes first here as well.
  if (hedgesLeft && running().filter(wanted).length > 0)
    events.push({ name: "the delay passes", happen: () => clock.advance(delayMs), check: () => {} });
  else
    events.push({
      name: "the deadline comes",
      happen: () => clock.advance(deadlineMs - clock.now()),
      check: () => must(call.state !== "pending", "outlives the deadline"),
    });
  return events;
}

/** What must hold whenever nothing is on its way. */
function checkAtRest({ limit, budget, running, settled, call, must }: World, scenario: Scenario): void {
  must(limit.inUse === running().length, `${limit.inUse} permits in use for ${running().length} running attempts`);
  const pending = call.state === "pending" ? 1 : 0;
  must(settled.length === 1 - pending, `has settled ${settled.length} times`);
  must(budget.callsInFlight === pending, `the budget counts ${budget.callsInFlight} calls`);
  // A retry counts until the last of its attempts has come up.
  const repeated = running().filter((run) => wanted(run) && run.context.attempt > 1).length + limit.queued;
  const counted = budget.retriesInFlight;
  must(pending === 0 ? counted === 0 : counted >= repeated, `the budget counts ${counted} for ${repeated} attempts`);
  must(scenario.retries === true || counted <= repeated, `the budget counts ${counted} for ${repeated} attempts`);
}

/** Who ended the call, told truly; and what every attempt was told. */
function checkOutcome({ must, call, runs, discarded, controller }: World): void {
  const { state, value, error } = call;
  if (state === "fulfilled")
    must(
      runs.some((run) => run.ended === "completed" && run.value === value),
      `got ${value}`,
    );
  else if (error === "left") must(controller.signal.aborted, "it did not leave");
  else if (isHeadgateError(error)) must(error.code === "ERR_TIMEOUT", `got ${error.code}`);
  else
    must(
      runs.some((run) => run.ended === "failed" && run.error === error),
      `got ${String(error)}`,
    );
  const completed = runs.filter(({ ended }) => ended === "completed").map((run) => run.value);
  const received = state === "fulfilled" ? [value] : [];
  const known = new Set([...discarded, ...received]);
  const all = known.size === completed.length && completed.every((one) => known.has(one));
  must(all && discarded.length + received.length === known.size, `completed ${completed.join()}`);
  for (const { context, value: own, ended } of runs) {
    const { aborted, reason } = context.signal as { aborted: boolean; reason: unknown };
    const code = isHeadgateError(reason) ? reason.code : reason;
    if (aborted) {
      must(["left", "ERR_TIMEOUT", "ERR_SUPERSEDED"].includes(String(code)), `${own} was told ${String(reason)}`);
      must(state !== "fulfilled" || own !== value, "the winner was told to stop");
      must(code !== "ERR_SUPERSEDED" || error !== "left" || runs.length > 2, "nothing has superseded it");
    } else must(ended !== "completed" || own === value, `${own} was not told to stop`);
  }
}

/** Plays one schedule: as many events as are possible, in the order that `choose` takes. */
async function play(scenario: Scenario, choose: Choose): Promise<void> {
  const log: string[] = [];
  const world = makeWorld(scenario, log);
  const { clock, limit, budget, call, must, listeners } = world;
  await clock.settle();
  for (let events = possible(world, scenario); events.length > 0; events = possible(world, scenario)) {
    const event = choose(events);
    log.push(event.name);
    await event.happen();
    if (scenario.turns === undefined) {
      await clock.settle();
      event.check();
      checkAtRest(world, scenario);
    } else for (let turn = 0; turn < scenario.turns; turn++) await Promise.resolve();
  }
  await clock.settle();
  must(call.state !== "pending", "the call is left");
  checkAtRest(world, scenario);
  checkOutcome(world);
  must(listeners() <= 1, `${listeners()} listeners are left`);
  must((await heldTimers(clock)) === 0, "a timer is left");
  must(limit.inUse === 0 && limit.queued === 0 && limit.abandoned === 0, "the limit still counts an attempt");
  must(budget.retriesInFlight === 0 && budget.callsInFlight === 0, "the budget still counts one");
}

describe("every order of events of a call with hedges", () => {
  it.each(scenarios)("keeps the books and tells the truth: $name", async (scenario) => {
    let schedules = 0;
    const left = await unhandledDuring(async () => {
      schedules = await everyChoice((choose) => play(scenario, choose));
    });
    expect(left).toEqual([]);
    expect(schedules).toBeGreaterThan(10);
  });
});
