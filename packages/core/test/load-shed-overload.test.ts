// Load shedding before a server that has too much to do: seeded, in virtual time, with open arrivals.
import {
  concurrencyLimit,
  latencySignal,
  limitSignal,
  loadShed,
  type LoadShed,
  pipeline,
  type Policy,
  type PriorityClass,
  type QueueOrder,
  queueWaitSignal,
  toPriority,
} from "@headgate/core";
import { SeededRandom, TestClock } from "@headgate/core/testing";
import { describe, expect, it } from "vitest";

/** Ten workers of 50 ms: 200 calls per second. */
const workers = 10;
const meanMs = 50;

interface Arrival {
  readonly priorityClass: PriorityClass;
  readonly tenant: string;
}

interface Scenario {
  readonly seed: number;
  /** Calls per second at this time. */
  readonly rate: (nowMs: number) => number;
  readonly lastsMs: number;
  /** What comes before that is not counted. */
  readonly fromMs: number;
  readonly arrival: (chance: number) => Arrival;
  readonly build: (clock: TestClock, random: SeededRandom) => { readonly shed: LoadShed; readonly rest: Policy[] };
  /** Where work waits that nothing limits. */
  readonly unbounded?: boolean;
}

interface Tally {
  sent: number;
  served: number;
}

async function play(scenario: Scenario) {
  const clock = new TestClock();
  const random = new SeededRandom(scenario.seed);
  const { shed, rest } = scenario.build(clock, random);
  const guarded = pipeline({ name: "service", clock }, shed, ...rest);
  const server = concurrencyLimit({ maxConcurrent: workers, maxQueue: 1_000_000, maxWaitMs: 1_000_000, clock });
  const tallies = new Map<string, Tally>();
  const tallyOf = (name: string): Tally => {
    const tally = tallies.get(name) ?? { sent: 0, served: 0 };
    tallies.set(name, tally);
    return tally;
  };
  const latencies: number[] = [];
  const exponential = (mean: number) => -Math.log(1 - random.next()) * mean;
  const calls: Promise<void>[] = [];
  const call = async ({ priorityClass, tenant }: Arrival, counted: boolean) => {
    const startMs = clock.now();
    const workMs = exponential(meanMs);
    const result = await guarded.attempt(
      async () => {
        const permit = scenario.unbounded ? await server.acquire() : undefined;
        await clock.sleep(workMs);
        permit?.release();
      },
      { priority: toPriority(priorityClass), key: tenant },
    );
    if (!counted) return;
    for (const tally of [tallyOf(priorityClass), tallyOf(tenant), tallyOf("all")]) {
      tally.sent++;
      if (result.ok) tally.served++;
    }
    if (result.ok) latencies.push(clock.now() - startMs);
  };
  while (clock.now() < scenario.lastsMs) {
    await clock.advance(exponential(1000 / scenario.rate(clock.now())));
    calls.push(call(scenario.arrival(random.next()), clock.now() >= scenario.fromMs));
  }
  await clock.advance(60_000);
  await Promise.all(calls);
  const share = (name: string) => tallyOf(name).served / tallyOf(name).sent;
  const seconds = (scenario.lastsMs - scenario.fromMs) / 1000;
  latencies.sort((a, b) => a - b);
  return {
    shed,
    share,
    tallyOf,
    perSecond: tallyOf("all").served / seconds,
    medianMs: latencies[latencies.length >> 1] ?? 0,
    timers: clock.pending,
  };
}

const behindLimit =
  (order: QueueOrder): Scenario["build"] =>
  (clock, random) => {
    const limit = concurrencyLimit({ maxConcurrent: workers, maxQueue: 2 * workers, maxWaitMs: 2000, order, clock });
    return { shed: loadShed({ signals: [limitSignal(limit)], clock, random }), rest: [limit] };
  };

/** A queue so long that its length says nothing. */
const behindQueue =
  (order: QueueOrder): Scenario["build"] =>
  (clock, random) => {
    const limit = concurrencyLimit({ maxConcurrent: workers, maxQueue: 1000, maxWaitMs: 5000, order, clock });
    return { shed: loadShed({ signals: [queueWaitSignal(limit)], clock, random }), rest: [limit] };
  };

/** A fifth is critical, half is sheddable. */
const mixed = (chance: number): Arrival => {
  const priorityClass = chance < 0.2 ? "critical" : chance < 0.5 ? "normal" : "sheddable";
  return { priorityClass, tenant: "" };
};

describe("loadShed before a server with twice the load that it can take", () => {
  it.each([1, 2, 3, 4, 5])("serves what is critical and sheds what is sheddable (seed %d)", async (seed) => {
    const arrivals = { seed, rate: () => 400, lastsMs: 15_000, fromMs: 3000, arrival: mixed };
    const { share, perSecond, medianMs, timers } = await play({ ...arrivals, build: behindLimit("priority") });
    expect(share("critical")).toBeGreaterThanOrEqual(0.99);
    expect(share("normal")).toBeGreaterThan(0.7);
    expect(share("sheddable")).toBeLessThan(0.15);
    expect(perSecond).toBeGreaterThan(175);
    expect(medianMs).toBeLessThan(2 * meanMs);
    expect(timers).toBe(0);
  });

  it.each([1, 2, 3].flatMap((seed) => (["fifo", "priority", "lifo"] as const).map((order) => [seed, order] as const)))(
    "does so by how long the oldest waits, behind a queue that nobody has sized (seed %d, %s)",
    async (seed, order) => {
      const arrivals = { seed, rate: () => 400, lastsMs: 15_000, fromMs: 3000, arrival: mixed };
      const { share, perSecond, medianMs, timers } = await play({ ...arrivals, build: behindQueue(order) });
      expect(share("critical")).toBeGreaterThan(0.97);
      expect(share("normal")).toBeGreaterThan(0.65);
      expect(share("sheddable")).toBeLessThan(0.15);
      expect(perSecond).toBeGreaterThan(165);
      expect(medianMs).toBeLessThan(2 * meanMs);
      expect(timers).toBe(0);
    },
  );

  it.each([1, 2, 3])("gives tenants that ask for ten and for one their fair shares (seed %d)", async (seed) => {
    const arrival = (chance: number): Arrival => ({
      priorityClass: "normal",
      tenant: chance < 10 / 11 ? "large" : "small",
    });
    const arrivals = { seed, rate: () => 400, lastsMs: 15_000, fromMs: 3000, arrival };
    const { share, perSecond } = await play({ ...arrivals, build: behindLimit("fifo") });
    // 36 of 400 are the small tenant's: less than half of 200, which is its fair share. What is left is the large one's.
    expect(share("small")).toBeGreaterThan(0.95);
    expect(share("large")).toBeGreaterThan(0.35);
    expect(share("large")).toBeLessThan(0.5);
    expect(perSecond).toBeGreaterThan(175);
  });

  it("holds with latency alone what no limit holds", async () => {
    const latency: Scenario["build"] = (clock, random) => ({
      shed: loadShed({ signals: [latencySignal()], clock, random }),
      rest: [],
    });
    const arrivals = { seed: 1, lastsMs: 30_000, fromMs: 14_000, arrival: mixed, unbounded: true };
    const rate = (nowMs: number) => (nowMs < 10_000 ? 120 : 400);
    const { share, perSecond, medianMs } = await play({ ...arrivals, rate, build: latency });
    expect(share("critical")).toBeGreaterThan(0.95);
    expect(share("sheddable")).toBeLessThan(0.25);
    expect(perSecond).toBeGreaterThan(150);
    expect(medianMs).toBeLessThan(4 * meanMs);
  });
});

describe("loadShed before a server that keeps up", () => {
  it.each([
    ["three fifths", 120, 0],
    // So few workers have bursts of real overload then.
    ["four fifths", 160, 0.01],
  ])("lets (almost) everybody in at %s of what it can take", async (_name, perSecond, most) => {
    const arrivals = { rate: () => perSecond, lastsMs: 30_000, fromMs: 0, arrival: mixed };
    for (const seed of [1, 2, 3]) {
      const { shed, share } = await play({ ...arrivals, seed, build: behindLimit("fifo") });
      expect(shed.rejected / (shed.rejected + shed.admitted)).toBeLessThanOrEqual(most);
      expect(share("critical")).toBe(1);
    }
  });

  it("lets almost everybody in by how long the oldest waits as well", async () => {
    for (const seed of [1, 2, 3]) {
      for (const [rate, most] of [
        [120, 0.001],
        [160, 0.02],
      ] as const) {
        const arrivals = { seed, rate: () => rate, lastsMs: 30_000, fromMs: 0, arrival: mixed };
        const { shed } = await play({ ...arrivals, build: behindQueue("fifo") });
        expect(shed.rejected / (shed.rejected + shed.admitted)).toBeLessThanOrEqual(most);
      }
    }
  });

  it("is over an overload a few seconds after it has ended", async () => {
    const rate = (nowMs: number) => (nowMs < 8000 ? 400 : 100);
    const arrivals = { seed: 1, rate, lastsMs: 20_000, fromMs: 13_000, arrival: mixed };
    const { share } = await play({ ...arrivals, build: behindLimit("fifo") });
    expect(share("all")).toBe(1);
  });
});
