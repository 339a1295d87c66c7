import {
  type Call,
  type OperationContext,
  consecutiveFailures,
  constantBackoff,
  HeadgateError,
  type Policy,
  retry,
  timeWindow,
  runInside,
} from "@headgate/core";
import { SeededRandom } from "@headgate/core/testing";
import { describe, expect, it } from "vitest";
import { balanced, busy, Pairs, share } from "../test/support/balanced.ts";
import { manualOperation, rejectionOf, watch } from "../test/support/operations.ts";

const down = new Error("down");

/** Goes on with the step until it is so, and not for ever. */
async function until(isSo: () => boolean, step: () => Promise<unknown>): Promise<void> {
  for (let i = 0; i < 1000 && !isSo(); i++) await step();
  expect(isSo()).toBe(true);
}

describe("loadBalance: an endpoint that fails", () => {
  it("goes out of use, is tried by one call, and comes back", async () => {
    const { run, of, clock, events, balance, calls } = balanced(3, { ejectMs: 1000 });
    expect(share(await run(60, (endpoint) => (endpoint === "b" ? down : 5)), "b")).toBe(5);
    expect(of("b")).toMatchObject({ state: "ejected", ejections: 1 });
    expect(balance).toMatchObject({ ejected: 1, busy: true });
    expect(events.of("load-balance.ejected")).toEqual([
      { type: "load-balance.ejected", pipeline: "shop", name: "shards", endpoint: "b", ejectMs: 1000, cause: down },
    ]);
    await clock.advance(of("b").ejectedForMs);
    expect(of("b")).toMatchObject({ state: "probing", ejectedForMs: 0 });
    const probing = manualOperation();
    const went: string[] = [];
    const trials = Array.from({ length: 30 }, () =>
      watch(calls.execute((context) => (went.push(balance.of(context)), probing.operation(context)))),
    );
    expect(went.filter((endpoint) => endpoint === "b")).toHaveLength(1);
    probing.run(went.indexOf("b")).resolve("fine");
    await clock.settle();
    expect(of("b").state).toBe("healthy");
    expect(events.of("load-balance.restored")).toEqual([
      { type: "load-balance.restored", pipeline: "shop", name: "shards", endpoint: "b" },
    ]);
    for (const { resolve } of probing.runs) resolve("fine");
    await clock.settle();
    expect(trials.every(({ state }) => state === "fulfilled")).toBe(true);
    expect(share(await run(60, () => 5), "b")).toBeGreaterThan(10);
    expect(balance).toMatchObject({ ejected: 0, busy: false });
  });

  it("stays out longer each time its trial fails, with jitter, up to a bound, until it has been well for long", async () => {
    const { run, of, clock, events } = balanced(2, { ejectMs: 100, maxEjectMs: 500, healthyMs: 10_000 });
    let bad: number | Error = down;
    const step = () => run(1, (endpoint) => (endpoint === "b" ? bad : 5));
    const tryAgain = async () => {
      const before = of("b").picked;
      await clock.advance(of("b").ejectedForMs);
      await until(() => of("b").picked > before, step);
    };
    await until(() => of("b").state !== "healthy", step);
    for (let i = 0; i < 4; i++) await tryAgain();
    const times = () => events.of("load-balance.ejected").map(({ ejectMs }) => ejectMs);
    const [first, second, third, fourth] = times() as [number, number, number, number];
    expect(first).toBe(100);
    for (const [time, most] of [
      [second, 200],
      [third, 400],
      [fourth, 500],
    ] as const) {
      expect(time).toBeGreaterThanOrEqual(most * 0.8);
      expect(time).toBeLessThanOrEqual(most);
    }
    bad = 5;
    await tryAgain();
    expect(of("b").state).toBe("healthy");
    bad = down;
    await until(() => of("b").state !== "healthy", step);
    expect(times().at(-1)).toBeGreaterThanOrEqual(400);
    bad = 5;
    await tryAgain();
    expect(of("b").state).toBe("healthy");
    await clock.advance(10_000);
    bad = down;
    await until(() => of("b").state !== "healthy", step);
    expect(times().at(-1)).toBe(100);
  });

  it("is left in use when too many are out already: never more than the share, never all", async () => {
    const fail = () => down;
    const half = balanced(5, { trip: () => consecutiveFailures({ maxFailures: 1 }) });
    await half.run(100, fail);
    expect(half.balance.ejected).toBe(2);
    const all = balanced(3, { maxEjectedRatio: 1, trip: () => consecutiveFailures({ maxFailures: 1 }) });
    await all.run(100, fail);
    expect(all.balance.ejected).toBe(2);
    for (const [count, options] of [
      [1, { maxEjectedRatio: 1 }],
      [4, { maxEjectedRatio: 0 }],
    ] as const) {
      const none = balanced(count, options);
      await none.run(100, fail);
      expect(none.balance.ejected).toBe(0);
    }
  });

  it("is not out of use for answers of overload in a row, but for their share where the trip looks at that", async () => {
    const turnedAway = balanced(2);
    await turnedAway.run(100, () => busy);
    expect(turnedAway.balance.ejected).toBe(0);
    const byShare = balanced(2, { trip: () => timeWindow({ minCalls: 5, failureRatio: 0.5 }) });
    await byShare.run(100, (endpoint) => (endpoint === "a" ? busy : 5));
    expect(byShare.of("a").state).toBe("ejected");
    expect(byShare.events.of("load-balance.ejected")[0]?.ejectMs).toBe(40_000);
  });

  it("goes out of use for slow answers where the trip looks at them", async () => {
    const trip = () => timeWindow({ minCalls: 3, slowMs: 50, slowRatio: 0.5 });
    const { run, of, events } = balanced(2, { trip, decayMs: 1 });
    await run(40, (endpoint) => (endpoint === "a" ? 50 : 49));
    expect(of("a").ejections).toBe(1);
    expect(of("b").ejections).toBe(0);
    expect(events.of("load-balance.ejected")[0]?.cause).toBeUndefined();
  });

  it("tells its trip what is slow, and nothing else", async () => {
    const told: string[] = [];
    const record = (result: string) => {
      told.push(result);
      return false;
    };
    const { run, calls, clock } = balanced(1, { trip: () => ({ slowMs: 50, record, reset: () => {} }) });
    for (const outcome of [49, 50, down]) await run(1, () => outcome);
    const late = calls.attempt(async () => {
      await clock.sleep(60);
      throw down;
    });
    await clock.advance(60);
    await late;
    expect(told).toEqual(["success", "slow", "failure", "failure"]);
  });

  it("learns nothing from calls that began before, nor from what says nothing", async () => {
    const { calls, run, of, clock, balance } = balanced(2, { trip: () => consecutiveFailures({ maxFailures: 1 }) });
    const { operation, runs } = manualOperation();
    const went: string[] = [];
    const old = () => watch(calls.execute((context) => (went.push(balance.of(context)), operation(context))));
    await run(4, () => 5);
    const watched = [old(), old()];
    await run(20, (endpoint) => (endpoint === "a" ? down : 5));
    expect(of("a").state).toBe("ejected");
    runs[went.indexOf("a")]?.resolve("late");
    await clock.settle();
    expect(of("a").state).toBe("ejected");
    runs[went.indexOf("b")]?.reject(down);
    await clock.settle();
    expect(watched.map(({ state }) => state)).toContain("rejected");
    // It fails for the first time while the other is out.
    expect(of("b")).toMatchObject({ state: "healthy", ejections: 0 });
    await clock.advance(of("a").ejectedForMs);
    const cancelled = balanced(2, { trip: () => consecutiveFailures({ maxFailures: 1 }) });
    await cancelled.calls.attempt(() => Promise.reject(down), { isIgnored: () => true });
    expect(cancelled.balance.ejected).toBe(0);
  });

  it("is tried by another call when a trial says nothing, or does not come back", async () => {
    const one = () => consecutiveFailures({ maxFailures: 1 });
    const { calls, balance, run, of, clock } = balanced(2, { trip: one, ejectMs: 100, decayMs: 10 });
    await run(10, (endpoint) => (endpoint === "a" ? down : 5));
    await clock.advance(of("a").ejectedForMs);
    /** A trial that its caller gives up. */
    const giveUp = async () => {
      const before = of("a").picked;
      await until(
        () => of("a").picked > before,
        async () => {
          const controller = new AbortController();
          const call = calls.attempt(
            (context) =>
              balance.of(context) === "b" ||
              new Promise((_, reject) => context.signal.addEventListener("abort", () => reject(down))),
            { signal: controller.signal },
          );
          controller.abort(new Error("left"));
          await call;
          await clock.settle();
        },
      );
    };
    await giveUp();
    await giveUp();
    expect(of("a")).toMatchObject({ state: "probing", inFlight: 0, ejections: 1 });
    const hanging = manualOperation();
    await until(
      () => of("a").inFlight === 1,
      async () => {
        void calls.execute((context) => (balance.of(context) === "a" ? hanging.operation(context) : "fine"));
      },
    );
    const picked = of("a").picked;
    for (let i = 0; i < 20; i++) await calls.attempt(() => "fine");
    expect(of("a").picked).toBe(picked);
    await clock.advance(100);
    await until(
      () => of("a").state === "healthy",
      () => calls.attempt(() => "fine"),
    );
    expect(of("a").picked).toBe(picked + 1);
  });
});

describe("loadBalance.update", () => {
  it("keeps what is known of the endpoints that stay", async () => {
    const { run, of, balance, clock } = balanced(3, { trip: () => consecutiveFailures({ maxFailures: 1 }) });
    await run(30, (endpoint) => (endpoint === "b" ? down : 5));
    const known = of("a");
    balance.update(["d", "b", "a", "a"]);
    expect(balance.snapshot().map(({ name, state }) => `${name} ${state}`)).toEqual([
      "d healthy",
      "b ejected",
      "a healthy",
      "a healthy",
    ]);
    expect(of("a")).toEqual(known);
    expect(of("d")).toMatchObject({ picked: 0, latencyMs: undefined });
    const went = await run(30, () => 5);
    expect(share(went, "d")).toBeGreaterThan(3);
    expect(share(went, "b") + share(went, "c")).toBe(0);
    await clock.advance(0);
    expect(balance.ejected).toBe(1);
  });

  it("puts endpoints back into use of which too many would be out, the first to come back first", async () => {
    const { run, of, balance, clock } = balanced(6, {
      trip: () => consecutiveFailures({ maxFailures: 1 }),
      ejectMs: 1000,
    });
    for (const bad of ["a", "b", "c"]) {
      await until(
        () => of(bad).state !== "healthy",
        () => run(1, (endpoint) => (endpoint === bad ? down : 5)),
      );
      await clock.advance(20);
    }
    expect(balance.ejected).toBe(3);
    balance.update(["c", "b", "a", "d"]);
    expect(balance.ejected).toBe(2);
    expect(of("a").state).toBe("healthy");
    balance.update(["c", "b"]);
    expect(balance.ejected).toBe(1);
    expect(of("b").state).toBe("healthy");
    balance.update(["c"]);
    expect(balance.ejected).toBe(0);
    expect(await run(1, () => 5)).toBe("c");
  });

  it("lets calls to an endpoint that is gone end, and learns nothing from them", async () => {
    const { calls, balance, clock, of } = balanced(2, { trip: () => consecutiveFailures({ maxFailures: 1 }) });
    const { operation, run } = manualOperation();
    let went = "";
    const call = watch(calls.execute((context) => ((went = balance.of(context)), operation(context))));
    balance.update(["x", "y"]);
    run(0).reject(down);
    await clock.settle();
    expect(call.error).toBe(down);
    expect(balance.ejected).toBe(0);
    balance.update([went, "x"]);
    expect(of(went)).toMatchObject({ inFlight: 0, picked: 0, ejections: 0 });
  });

  it("refuses an empty list, and leaves the old one", () => {
    const { balance } = balanced(2);
    expect(() => balance.update([])).toThrow(
      "`loadBalance.update` must be given an array that is not empty, got an array",
    );
    expect(() => balance.update("a" as never)).toThrow("`loadBalance.update` must be given an array that is not empty");
    expect(balance.snapshot()).toHaveLength(2);
  });
});

describe("loadBalance: attempts of one call", () => {
  const again = (maxAttempts: number) => retry({ maxAttempts, backoff: constantBackoff({ delayMs: 0 }) });

  it("go to other endpoints as long as there are any, and then not to the last one", async () => {
    for (let seed = 0; seed < 20; seed++) {
      const never = () => consecutiveFailures({ maxFailures: 1000 });
      const random = new SeededRandom(seed);
      const { run } = balanced(3, { random, trip: never }, again(6));
      const went = await run(1, () => down);
      expect(new Set(went.slice(0, 3)).size).toBe(3);
      expect(went).toHaveLength(6);
      for (let i = 1; i < 6; i++) expect(went[i]).not.toBe(went[i - 1]);
    }
  });

  it("go to the same endpoint when it is the only one in use", async () => {
    const { run, of } = balanced(2, { trip: () => consecutiveFailures({ maxFailures: 1 }) }, again(3));
    await until(
      () => of("a").ejections > 0,
      () => run(1, (endpoint) => (endpoint === "a" ? down : 5)),
    );
    expect(await run(1, () => down)).toBe("bbb");
    expect(await balanced(1, {}, again(3)).run(1, () => down)).toBe("aaa");
  });

  it("go to other endpoints when they run beside each other", async () => {
    for (let seed = 0; seed < 20; seed++) {
      /** Sends two more attempts down beside the first. */
      const beside: Policy = {
        kind: "beside",
        repeats: true,
        enter(call: Call, at) {
          void Promise.resolve().then(() => {
            for (let i = 0; i < 2; i++) {
              call.attempt++;
              runInside(call, at, () => {});
            }
          });
          return "pass";
        },
        leave: () => "pass",
      };
      const { calls, balance, clock, of } = balanced(3, { random: new SeededRandom(seed) }, beside);
      let went = new Set<string>();
      // One is much slower: it is chosen only because the others are not.
      const operation = async (context: OperationContext) => {
        const endpoint = balance.of(context);
        went.add(endpoint);
        await clock.sleep(endpoint === "c" ? 500 : 5);
      };
      for (let i = 0; i < 3; i++) {
        went = new Set();
        const call = calls.execute(operation);
        await clock.advance(500);
        await call;
        expect(went.size).toBe(3);
      }
      expect(of("c").latencyMs).toBeGreaterThan(400);
    }
  });

  it("have no endpoint any more once another attempt has begun", async () => {
    const { calls, balance } = balanced(2, {}, again(2));
    const { operation, runs, run } = manualOperation();
    const call = watch(calls.execute(operation));
    run(0).reject(down);
    await until(
      () => runs.length > 1,
      () => Promise.resolve(),
    );
    expect(() => balance.of(run(0).context)).toThrow(
      "`loadBalance.of` must be given the context of the attempt that runs",
    );
    expect(["a", "b"]).toContain(balance.of(run(1).context));
    run(1).resolve("done");
    await until(
      () => call.state === "fulfilled",
      () => Promise.resolve(),
    );
    expect(["a", "b"]).toContain(balance.of(run(1).context));
  });

  it("that another one has beaten still tell that they are slow", async () => {
    class Beaten extends HeadgateError {
      override readonly name = "SupersededError";
      override readonly message = "beaten";
    }
    const beaten = new Beaten("ERR_SUPERSEDED", "hedge");
    const random = new Pairs(2);
    const { calls, of, clock, run } = balanced(2, { random });
    random.draw(0, 1);
    await run(1, () => 10);
    random.draw(0, 1);
    const options = { isIgnored: (result: unknown) => result === beaten };
    const { operation, run: runs } = manualOperation();
    random.draw(1, 0);
    await run(1, () => 10);
    random.draw(0, 1);
    const failed = rejectionOf(calls.execute(operation, options));
    await clock.advance(300);
    runs(0).reject(beaten);
    expect(await failed).toBe(beaten);
    expect(of("a").latencyMs).toBe(300);
    // What was cut off sooner says nothing.
    const { operation: another, run: more } = manualOperation();
    const sooner = rejectionOf(calls.execute((context) => another(context), options));
    await clock.advance(1);
    more(0).reject(beaten);
    await sooner;
    expect(of("a").latencyMs).toBeGreaterThan(299);
  });

  it("that their caller has given up tell nothing", async () => {
    const { calls, of, clock, run } = balanced(1);
    await run(1, () => 10);
    const controller = new AbortController();
    const call = watch(calls.execute(manualOperation().operation, { signal: controller.signal }));
    await clock.advance(300);
    controller.abort(new Error("left"));
    await clock.settle();
    expect(call.state).toBe("rejected");
    expect(of("a").latencyMs).toBeLessThan(10);
  });
});
