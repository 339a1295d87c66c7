// Every order in which calls join, leave and give up, and operations end, against a model of who is given what.
import { pipeline, singleFlight } from "@headgate/core";
import { TestClock } from "@headgate/core/testing";
import { describe, expect, it } from "vitest";
import { type Choose, everyChoice } from "./support/every-choice.ts";
import { heldTimers } from "./support/leftovers.ts";
import { manualOperation, type Watched, watch } from "./support/operations.ts";

const maxWaitMs = 100;

/** What should become of an operation, and of those who wait for it. */
interface ModelFlight {
  readonly startedMs: number;
  starter: number | null;
  followers: number[];
  ending: "value" | "error" | null;
  over: boolean;
}

class Model {
  readonly flights: ModelFlight[] = [];
  /** For each call what it was given; undefined while it waits. */
  readonly given: (string | undefined)[] = [];
  readonly discarded: string[] = [];
  nowMs = 0;
  private current: ModelFlight | null = null;

  join(call = this.given.push(undefined) - 1): void {
    const { current, nowMs } = this;
    if (current !== null && nowMs - current.startedMs < maxWaitMs) {
      current.followers.push(call);
      return;
    }
    this.current = { startedMs: nowMs, starter: call, followers: [], ending: null, over: false };
    this.flights.push(this.current);
  }

  leave(call: number): void {
    this.given[call] = `left ${call}`;
    for (const flight of this.flights) {
      if (flight.starter === call) flight.starter = null;
      flight.followers = flight.followers.filter((other) => other !== call);
      if (this.isDeserted(flight)) this.close(flight);
    }
  }

  settle(): void {
    this.flights.forEach((flight, index) => {
      if (flight.over || flight.ending === null) return;
      flight.over = true;
      this.close(flight);
      const result = `${flight.ending} ${index}`;
      for (const call of [flight.starter, ...flight.followers]) if (call !== null) this.given[call] = result;
      if (flight.ending === "value" && this.isDeserted(flight)) this.discarded.push(result);
    });
  }

  /** The followers have waited as long as they may. */
  expire(): void {
    this.settle();
    this.nowMs += maxWaitMs;
    const waiting = this.flights.filter(({ over }) => !over).flatMap((flight) => flight.followers.splice(0));
    if (waiting.length > 0) this.current = null;
    for (const call of waiting) this.join(call);
  }

  isWanted(index: number): boolean {
    const flight = this.flights[index];
    return flight !== undefined && !this.isDeserted(flight);
  }

  private isDeserted({ starter, followers }: ModelFlight): boolean {
    return starter === null && followers.length === 0;
  }

  private close(flight: ModelFlight): void {
    if (this.current === flight) this.current = null;
  }
}

interface Action {
  readonly what: "leave" | "value" | "error" | "join" | "expire";
  /** Of the call that leaves, or of the operation that ends. */
  readonly index: number;
}

/** One order of events on calls with the same key; `choose` decides it. A third call joins once, and time passes once. */
async function play(choose: Choose): Promise<void> {
  const clock = new TestClock();
  const policy = singleFlight({ maxWaitMs, clock });
  const guarded = pipeline({ name: "orders", clock }, policy);
  const { operation, runs, run } = manualOperation();
  const model = new Model();
  const controllers: AbortController[] = [];
  const calls: Watched<string>[] = [];
  const discarded: string[] = [];
  const once = new Set(["join", "expire"] as const);

  const join = (): void => {
    const controller = new AbortController();
    controllers.push(controller);
    const { signal } = controller;
    calls.push(watch(guarded.execute(operation, { key: "a", signal, discard: (value) => discarded.push(value) })));
    model.join();
  };
  const actions = (): Action[] => [
    ...model.given.flatMap((given, index) => (given === undefined ? [{ what: "leave" as const, index }] : [])),
    ...model.flights.flatMap(({ ending, over }, index) =>
      ending === null && !over
        ? [
            { what: "value" as const, index },
            { what: "error" as const, index },
          ]
        : [],
    ),
    ...[...once].map((what) => ({ what, index: 0 })),
  ];
  const act = (action: Action): void => {
    if (action.what === "join" || action.what === "expire") once.delete(action.what);
    if (action.what === "join") join();
    else if (action.what === "leave") {
      controllers[action.index]?.abort(`left ${action.index}`);
      model.leave(action.index);
    } else if (action.what === "expire") {
      model.expire();
    } else {
      const { index, what } = action;
      if (what === "value") run(index).resolve(`value ${index}`);
      else run(index).reject(`error ${index}`);
      const flight = model.flights[index];
      if (flight !== undefined) flight.ending = what;
    }
  };

  join();
  join();
  while (model.given.includes(undefined)) {
    const chosen = choose(actions());
    act(chosen);
    if (chosen.what === "expire") await clock.advance(maxWaitMs);
    // An operation may end in the same moment in which something else happens; which of an end and an abort comes first
    // then is not the policy's to say.
    const ends = chosen.what === "value" || chosen.what === "error";
    const also = ends ? actions().filter(({ what }) => what !== "leave" && what !== "expire") : [];
    if (also.length > 0 && choose([false, true])) act(choose(also));
    await clock.settle();
    model.settle();
    expect(runs).toHaveLength(model.flights.length);
    expect(calls.map(({ value, error }) => value ?? error)).toEqual(model.given);
    for (const [index, { context }] of runs.entries()) {
      if (model.isWanted(index)) expect(context.signal.aborted).toBe(false);
      else if (model.flights[index]?.ending === null) expect(context.signal.aborted).toBe(true);
    }
  }
  for (const [index, { ending }] of model.flights.entries()) {
    if (ending === null) run(index).resolve(`value ${index}`);
    if (ending === null) model.discarded.push(`value ${index}`);
  }
  await clock.settle();
  expect(discarded.toSorted()).toEqual(model.discarded.toSorted());
  expect(policy.inFlight).toBe(0);
  expect(await heldTimers(clock)).toBe(0);
}

describe("singleFlight", () => {
  it("gives each call what it is due in every order of joining, leaving, giving up and ending", async () => {
    expect(await everyChoice(play)).toBeGreaterThan(2000);
  });
});
