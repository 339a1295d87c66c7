// Every order of everything that can happen to a few calls which share a breaker and one permit. What must hold
// whatever the order is checked after each event and at the end of each schedule.
import {
  circuitBreaker,
  concurrencyLimit,
  consecutiveFailures,
  constantBackoff,
  type HeadgateEvent,
  isHeadgateError,
  type OperationContext,
  pipeline,
  retry,
  timeout,
} from "@headgate/core";
import { TestClock } from "@headgate/core/testing";
import { describe, expect, it } from "vitest";
import { type Choose, everyChoice } from "./support/every-choice.ts";
import { listenersOn } from "./support/listeners.ts";
import { heldTimers } from "./support/leftovers.ts";
import { type Watched, watch } from "./support/operations.ts";
import { unhandledDuring } from "./support/unhandled.ts";

interface Scenario {
  readonly name: string;
  readonly calls: number;
  /** 0 is a retry at once. */
  readonly backoffMs: number;
  readonly attemptTimeoutMs?: number;
  /** Microtasks that run between two events; all of them when not given. */
  readonly turns?: number;
}

const scenarios: readonly Scenario[] = [
  { name: "one call with back-off", calls: 1, backoffMs: 10 },
  { name: "one call with an attempt timeout", calls: 1, backoffMs: 10, attemptTimeoutMs: 30 },
  { name: "two calls with back-off", calls: 2, backoffMs: 10 },
  { name: "two calls with an attempt timeout", calls: 2, backoffMs: 0, attemptTimeoutMs: 30 },
  { name: "three calls", calls: 3, backoffMs: 0 },
  ...[0, 1, 2, 3].map((turns) => ({ name: `three calls, ${turns} microtasks apart`, calls: 3, backoffMs: 0, turns })),
];

const deadlineMs = 100;
const openMs = 10;

interface Run {
  readonly context: OperationContext;
  readonly value: string;
  readonly error: Error;
  readonly resolve: (value: string) => void;
  readonly reject: (error: Error) => void;
  ended: "not" | "completed" | "failed";
}

interface Caller {
  readonly name: string;
  readonly reason: object;
  readonly controller: AbortController;
  readonly listeners: () => number;
  readonly runs: Run[];
  readonly discarded: string[];
  aborted: boolean;
  timesSettled: number;
  call: Watched<string>;
}

/** Something that can happen now, and what must hold once it has and everybody was told. */
interface Event {
  readonly name: string;
  readonly happen: () => void | Promise<void>;
  readonly check: () => void;
}

function makeWorld(scenario: Scenario, log: string[]) {
  const clock = new TestClock();
  const { calls, backoffMs, attemptTimeoutMs } = scenario;
  const limit = concurrencyLimit({ maxConcurrent: 1, maxQueue: 9, maxWaitMs: 1000, clock });
  const trip = consecutiveFailures({ maxFailures: 2 });
  const breaker = circuitBreaker({ trip, openMs, openFactor: 1, openJitter: 0, clock });
  const policies = [
    timeout({ timeoutMs: deadlineMs, clock }),
    retry({ maxAttempts: 2, backoff: constantBackoff({ delayMs: backoffMs }), clock }),
    breaker,
    limit,
    ...(attemptTimeoutMs === undefined ? [] : [timeout({ timeoutMs: attemptTimeoutMs, clock })]),
  ];
  const callers = Array.from({ length: calls }, (_, i) => makeCaller(String.fromCharCode(97 + i)));
  const running = () => callers.flatMap(({ runs }) => runs).filter(({ ended }) => ended === "not");

  let timesOpened = 0;

  function must(holds: boolean, what: string): void {
    if (!holds) throw new Error(`${what}, after: ${log.join(", ")}`);
  }

  function makeCaller(name: string): Caller {
    const controller = new AbortController();
    const { signal, count } = listenersOn(controller);
    const observer = ({ type }: HeadgateEvent) => {
      if (type === "pipeline.settled") caller.timesSettled++;
      if (type === "circuit-breaker.opened") timesOpened++;
    };
    const caller: Caller = {
      name,
      reason: { by: name },
      controller,
      listeners: count,
      runs: [],
      discarded: [],
      aborted: false,
      timesSettled: 0,
      call: { state: "pending", value: undefined, error: undefined },
    };
    const operation = (context: OperationContext) =>
      new Promise<string>((resolve, reject) => {
        must(running().length === 0, `${name} runs beside another`);
        // The first caller's operation reads its signal at once, the others' only when all is over.
        if (name === "a") must(!context.signal.aborted, "starts although it is not wanted");
        const own = `${name}${caller.runs.length + 1}`;
        caller.runs.push({ context, value: own, error: new Error(own), resolve, reject, ended: "not" });
      });
    // Made once all callers are there: the first operation runs at once.
    void Promise.resolve().then(() => {
      const discard = (value: string) => caller.discarded.push(value);
      const guarded = pipeline({ name, observer, clock }, ...policies);
      caller.call = watch(guarded.execute(operation, { signal, discard }));
    });
    return caller;
  }

  return { clock, limit, breaker, callers, running, must, opened: () => timesOpened > 0 };
}

type World = ReturnType<typeof makeWorld>;

/** The events that are possible now. */
function possible({ clock, limit, callers, running, must }: World, scenario: Scenario): Event[] {
  const events: Event[] = [];
  for (const caller of callers) {
    const { name, call, reason } = caller;
    const pending = call.state === "pending";
    const run = caller.runs.find(({ ended }) => ended === "not");
    if (run !== undefined) {
      const end = (ended: "completed" | "failed") => () => {
        run.ended = ended;
        if (ended === "completed") run.resolve(run.value);
        else run.reject(run.error);
      };
      const wanted = pending && isWanted(run);
      events.push(
        {
          name: `${name} completes`,
          happen: end("completed"),
          check: () => must(wanted ? call.value === run.value : caller.discarded.includes(run.value), "value is lost"),
        },
        { name: `${name} fails`, happen: end("failed"), check: () => {} },
      );
    }
    if (!pending || caller.aborted) continue;
    events.push({
      name: `${name} aborts`,
      happen: () => {
        caller.aborted = true;
        caller.controller.abort(reason);
      },
      check: () => must(call.error === reason, `${name} is not ended at once by its abort`),
    });
  }
  const left = callers.filter(({ call }) => call.state === "pending");
  const wanted = running().filter(isWanted);
  const moveTime = (name: string, ms: number, check: () => void) =>
    events.push({ name, happen: () => clock.advance(ms), check });
  // What comes first in time comes first here as well.
  if (left.length > wanted.length + limit.queued) moveTime("back-off ends", openMs, () => {});
  else if (scenario.attemptTimeoutMs !== undefined && wanted.length > 0)
    moveTime("the attempt times out", scenario.attemptTimeoutMs, () => {});
  else if (left.length > 0)
    moveTime("the deadline comes", deadlineMs - clock.now(), () => {
      for (const { call, name } of left) must(isTimeout(call.error, "total"), `${name} outlives the deadline`);
    });
  return events;
}

/** Whether anybody still waits for what this run makes. */
function isWanted({ context }: Run): boolean {
  return context.remainingMs > 0;
}

function isTimeout(error: unknown, scope: string): boolean {
  return isHeadgateError(error) && error.code === "ERR_TIMEOUT" && (error as { scope?: unknown }).scope === scope;
}

/** What must hold whenever nothing is on its way. */
function checkAtRest({ limit, callers, running, must }: World): void {
  must(limit.inUse === running().length, `${limit.inUse} permits in use for ${running().length} running operations`);
  for (const { call, name, timesSettled } of callers)
    must(timesSettled === (call.state === "pending" ? 0 : 1), `${name} has settled ${timesSettled} times`);
}

/** Who ended the call, told truly. */
function checkOutcome({ must, opened }: World, caller: Caller): void {
  const { call, runs, name, reason, aborted, discarded } = caller;
  const { state, value, error } = call;
  const last = runs.at(-1);
  if (state === "fulfilled") must(last?.ended === "completed" && value === last.value, `${name} got ${value}`);
  else if (error === reason) must(aborted, `${name} did not abort`);
  else if (isHeadgateError(error)) {
    must(error.pipeline === name, `${name} got the error of ${error.pipeline}`);
    must(error.code === "ERR_TIMEOUT" || (error.code === "ERR_CIRCUIT_OPEN" && opened()), `${name} got ${error.code}`);
  } else must(last?.ended === "failed" && error === last.error, `${name} got ${String(error)}`);

  const completed = runs.filter(({ ended }) => ended === "completed").map((run) => run.value);
  const received = state === "fulfilled" ? [value] : [];
  must([...discarded, ...received].join() === completed.join(), `${name} completed ${completed.join()}`);
  for (const { context, ended } of runs) {
    const { signal } = context;
    if (signal.aborted)
      must(signal.reason === error || isTimeout(signal.reason, "attempt"), "signal tells another reason");
    else must(ended !== "completed" || state === "fulfilled", `${name} was not told to stop`);
  }
}

/** Plays one schedule: as many events as are possible, in the order that `choose` takes. */
async function play(scenario: Scenario, choose: Choose): Promise<void> {
  const log: string[] = [];
  const world = makeWorld(scenario, log);
  const { clock, limit, breaker, callers, must } = world;
  await clock.settle();
  for (let events = possible(world, scenario); events.length > 0; events = possible(world, scenario)) {
    const event = choose(events);
    log.push(event.name);
    await event.happen();
    if (scenario.turns === undefined) {
      await clock.settle();
      event.check();
      checkAtRest(world);
    } else for (let turn = 0; turn < scenario.turns; turn++) await Promise.resolve();
  }
  await clock.settle();
  must(
    callers.every(({ call }) => call.state !== "pending"),
    "a call is left",
  );
  checkAtRest(world);
  for (const caller of callers) {
    checkOutcome(world, caller);
    must(caller.listeners() <= 1, `${caller.listeners()} listeners are left`);
  }
  must(limit.queued === 0 && limit.abandoned === 0, "the limit still counts a call");
  must((await heldTimers(clock)) === 0, "a timer is left");
  // No permit and no probe is lost: after the open time the circuit lets a call through.
  await clock.advance(openMs);
  const after = await pipeline("after", breaker, limit).execute(() => "after");
  must(after === "after" && limit.inUse === 0, "nothing gets through any more");
}

describe("every order of events", () => {
  it.each(scenarios)("keeps the books and tells the truth: $name", async (scenario) => {
    let schedules = 0;
    const left = await unhandledDuring(async () => {
      schedules = await everyChoice((choose) => play(scenario, choose));
    });
    expect(left).toEqual([]);
    expect(schedules).toBeGreaterThan(10);
  });
});
