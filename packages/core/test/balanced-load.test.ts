// Endpoints under an open load in virtual time: what matters is where the calls go, and how many of them suffer.
import { loadBalance, pipeline, retry } from "@headgate/core";
import { SeededRandom, TestClock } from "@headgate/core/testing";
import { describe, expect, it } from "vitest";

const seeds = [1, 2, 3];
const down = new Error("down");

const times = { decayMs: 3000, ejectMs: 1000, maxEjectMs: 4000 };

/** 200 calls a second, at random times, to endpoints a to d, which take so long or fail. */
function load(seed: number, outcomeOf: (endpoint: string, nowMs: number) => number | Error, maxAttempts = 1) {
  const clock = new TestClock();
  const random = new SeededRandom(seed);
  const balance = loadBalance({ endpoints: ["a", "b", "c", "d"], ...times, clock, random });
  const again = retry({ maxAttempts, clock, random });
  const calls = pipeline({ name: "shop", clock }, again, balance);
  const went = new Map<string, number>();
  let failed = 0;
  return {
    balance,
    get failed() {
      return failed;
    },
    of: (name: string) => balance.snapshot().find((endpoint) => endpoint.name === name)!,
    seconds: async (count: number) => {
      went.clear();
      failed = 0;
      const untilMs = clock.now() + count * 1000;
      while (clock.now() < untilMs) {
        await clock.advance(-Math.log(1 - random.next()) * 5);
        void calls
          .attempt(async (context) => {
            const endpoint = balance.of(context);
            went.set(endpoint, (went.get(endpoint) ?? 0) + 1);
            const outcome = outcomeOf(endpoint, clock.now());
            await clock.sleep(outcome instanceof Error ? 1 : outcome * (0.5 + random.next()));
            if (outcome instanceof Error) throw outcome;
          })
          .then(({ ok }) => (failed += ok ? 0 : 1));
      }
      const sum = [...went.values()].reduce((all, each) => all + each, 0);
      return { shareOf: (name: string) => (went.get(name) ?? 0) / sum, sum };
    },
  };
}

describe.each(seeds)("calls spread over four endpoints (seed %i)", (seed) => {
  it("go to all alike when these are alike", async () => {
    const { seconds } = load(seed, () => 20);
    const { shareOf } = await seconds(5);
    for (const name of "abcd") expect(shareOf(name)).toBeGreaterThan(0.15);
  });

  it("mostly keep away from one that is ten times as slow", async () => {
    const { seconds } = load(seed, (endpoint) => (endpoint === "d" ? 200 : 20));
    await seconds(2);
    const { shareOf } = await seconds(5);
    expect(shareOf("d")).toBeLessThan(0.04);
    expect(shareOf("d")).toBeGreaterThan(0);
  });

  it("keep away from one that becomes slow, and come back when it is quick again", async () => {
    let dMs = 20;
    const { seconds } = load(seed, (endpoint) => (endpoint === "d" ? dMs : 20));
    await seconds(2);
    dMs = 500;
    await seconds(1);
    expect((await seconds(5)).shareOf("d")).toBeLessThan(0.04);
    dMs = 20;
    await seconds(10);
    expect((await seconds(5)).shareOf("d")).toBeGreaterThan(0.15);
  });

  it("are kept from one that fails, which is tried from time to time and comes back", async () => {
    let bad = true;
    const balanced = load(seed, (endpoint) => (endpoint === "d" && bad ? down : 20));
    const { seconds, of } = balanced;
    await seconds(1);
    expect(of("d")).toMatchObject({ state: "ejected", ejections: 1 });
    const { shareOf } = await seconds(12);
    expect(shareOf("d")).toBeLessThan(0.004);
    expect(of("d").ejections).toBeGreaterThan(2);
    expect(balanced.failed).toBeLessThan(10);
    bad = false;
    await seconds(5);
    expect(of("d").state).toBe("healthy");
    expect((await seconds(5)).shareOf("d")).toBeGreaterThan(0.15);
  });

  it("reach another endpoint by a retry: nobody sees one that fails", async () => {
    const balanced = load(seed, (endpoint) => (endpoint === "d" ? down : 20), 2);
    await balanced.seconds(5);
    expect(balanced.failed).toBe(0);
    expect(balanced.of("d").ejections).toBeGreaterThan(0);
  });

  it("go on when all endpoints fail", async () => {
    const { seconds, balance } = load(seed, () => down);
    const { sum } = await seconds(5);
    expect(sum).toBeGreaterThan(900);
    expect(balance.ejected).toBe(2);
  });
});
