import { circuitBreaker, loadBalance, type LoadBalanceOptions, pipeline, timeout } from "@headgate/core";
import { TestClock } from "@headgate/core/testing";
import { describe, expect, it } from "vitest";
import { balanced, Pairs, share } from "../test/support/balanced.ts";
import { manualOperation, watch } from "../test/support/operations.ts";

const down = new Error("down");

describe("loadBalance", () => {
  it("gives each attempt its endpoint, of whatever type it is", async () => {
    const endpoints = [new URL("https://a.example/"), new URL("https://b.example/")];
    const balance = loadBalance({ endpoints });
    const went = await pipeline("shop", balance).execute((context) => new URL("/orders", balance.of(context)).href);
    expect(["https://a.example/orders", "https://b.example/orders"]).toContain(went);
    expect(balance.snapshot().map(({ name }) => name)).toEqual(["https://a.example/", "https://b.example/"]);
    const clients = loadBalance({ endpoints: [{ port: 1 }], nameOf: ({ port }, i) => `${i}:${port}` });
    expect(await pipeline("shop", clients).execute((context) => clients.of(context).port)).toBe(1);
    expect(clients.snapshot()[0]?.name).toBe("0:1");
    expect(loadBalance({ endpoints: [{}, {}] }).snapshot()[1]?.name).toBe("#1");
  });

  it("spreads calls over endpoints that are alike", async () => {
    const { run } = balanced(4);
    const went = await run(400, () => 5);
    for (const endpoint of "abcd") expect(share(went, endpoint)).toBeGreaterThan(60);
  });

  it("takes of two that are drawn the one with fewer calls under way", async () => {
    const random = new Pairs(3);
    const { calls, balance, run, of } = balanced(3, { random });
    random.draw(0, 1);
    random.draw(1, 2);
    random.draw(2, 0);
    expect(await run(3, () => 10)).toBe("abc");
    const { operation } = manualOperation();
    const went: string[] = [];
    for (const [first, second] of [
      [0, 1],
      [0, 1],
      [1, 0],
      [0, 2],
      [1, 0],
    ] as const) {
      random.draw(first, second);
      void calls.execute((context) => {
        went.push(balance.of(context));
        return operation(context);
      });
    }
    expect(went).toEqual(["a", "b", "a", "c", "b"]);
    expect(of("b")).toMatchObject({ inFlight: 2, picked: 3 });
  });

  it("believes a slow call at once and quick ones little by little", async () => {
    const random = new Pairs(1);
    const { run, of, clock } = balanced(1, { random, decayMs: 1000 });
    expect(of("a").latencyMs).toBeUndefined();
    await run(1, () => 10);
    await run(1, () => 500);
    expect(of("a").latencyMs).toBe(500);
    await run(1, () => 10);
    const kept = Math.exp(-0.01);
    expect(of("a").latencyMs).toBeCloseTo(500 * kept + 10 * (1 - kept), 9);
    const before = of("a").latencyMs as number;
    // Fades while nobody calls, so that a slow endpoint is tried again.
    await clock.advance(1000);
    expect(of("a").latencyMs).toBeCloseTo(before / Math.E, 9);
  });

  it("sends one call, not all, to an endpoint that nobody knows", async () => {
    const random = new Pairs(2);
    const { calls, balance, run } = balanced(2, { random });
    random.draw(0, 1);
    await run(1, () => 1000);
    const went: string[] = [];
    for (let i = 0; i < 3; i++) {
      random.draw(0, 1);
      void calls.execute((context) => {
        went.push(balance.of(context));
        return manualOperation().operation(context);
      });
    }
    expect(went).toEqual(["b", "a", "a"]);
  });

  it("spreads calls over endpoints that nobody knows", async () => {
    const random = new Pairs(2);
    const { calls, of } = balanced(2, { random });
    for (const [first, second] of [
      [0, 1],
      [0, 1],
      [0, 1],
      [0, 1],
      [1, 0],
      [1, 0],
    ] as const) {
      random.draw(first, second);
      void calls.execute(manualOperation().operation);
    }
    expect([of("a").inFlight, of("b").inFlight]).toEqual([3, 3]);
  });

  it("takes an endpoint whose call fails for no better than it was, nor than the slowest", async () => {
    const random = new Pairs(2);
    const { run, of, clock } = balanced(2, { random });
    random.draw(0, 1);
    await run(1, () => 20);
    random.draw(1, 0);
    await run(1, () => 5);
    await clock.advance(20_000);
    const next = async (endpoint: string, outcome: number | Error) => {
      const before = of(endpoint).picked;
      while (of(endpoint).picked === before) await run(1, (went) => (went === endpoint ? outcome : 1));
    };
    expect(of("a").latencyMs).toBeLessThan(3);
    await next("a", down);
    expect(of("a").latencyMs).toBeCloseTo(20, 1);
    await next("b", 400);
    await next("a", down);
    expect(of("a").latencyMs).toBeGreaterThan(300);
  });

  it("is not attracted by failures that come quickly", async () => {
    const { run, of } = balanced(3, { maxEjectedRatio: 0 });
    const went = await run(300, (endpoint) => ({ a: down, b: 20, c: 40 })[endpoint] as number | Error);
    expect(share(went, "a")).toBeLessThanOrEqual(share(went, "c") + 20);
    expect(share(went, "b")).toBeGreaterThan(150);
    expect(of("a").latencyMs).toBeGreaterThan(30);
  });

  describe("calls under way", () => {
    it("count until their work has really ended", async () => {
      const clock = new TestClock();
      const balance = loadBalance({ endpoints: ["a"], clock });
      const calls = pipeline({ name: "slow", clock }, balance, timeout({ timeoutMs: 10, clock }));
      const inFlight = () => balance.snapshot()[0]?.inFlight;
      const { operation, run } = manualOperation();
      const abandoned = watch(calls.execute(operation));
      await clock.advance(10);
      expect(abandoned.state).toBe("rejected");
      expect(inFlight()).toBe(1);
      run(0).resolve("late");
      await clock.settle();
      expect(inFlight()).toBe(0);
      const release = await calls.execute((context) => context.hold());
      expect(inFlight()).toBe(1);
      expect(balance.busy).toBe(true);
      release();
      expect(inFlight()).toBe(0);
      expect(balance.busy).toBe(false);
    });

    it("are over when the caller leaves and the operation heeds it, or a policy inside refuses", async () => {
      const breaker = circuitBreaker();
      breaker.setMode("forced-open");
      const balance = loadBalance({ endpoints: ["a"] });
      const inFlight = () => balance.snapshot()[0]?.inFlight;
      await pipeline("refused", balance, breaker).attempt(() => 1);
      expect(inFlight()).toBe(0);
      const controller = new AbortController();
      const left = pipeline("left", balance).attempt(
        ({ signal }) =>
          new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason as Error))),
        { signal: controller.signal },
      );
      expect(inFlight()).toBe(1);
      controller.abort(new Error("left"));
      await left;
      await Promise.resolve();
      expect(inFlight()).toBe(0);
    });

    it("are taken back after the lease when they never end", async () => {
      const { calls, clock, run, of } = balanced(1, { leaseMs: 1000 });
      const { operation, run: runs } = manualOperation();
      const killed = watch(calls.execute(operation));
      await clock.advance(999);
      await run(1, () => 0);
      expect(of("a").inFlight).toBe(1);
      await clock.advance(1);
      await run(1, () => 0);
      expect(of("a").inFlight).toBe(0);
      runs(0).resolve("after all");
      await clock.settle();
      expect(killed.state).toBe("fulfilled");
      expect(of("a").inFlight).toBe(0);
    });
  });

  it("says what it does", () => {
    expect(pipeline("shop", loadBalance({ endpoints: [1, 2], name: "shards" })).describe()).toContain(
      'load-balance  "shards", 2 endpoints, out of use at 5 failures in a row, for 30000 ms',
    );
  });

  it("has no endpoint for what does not run behind it", async () => {
    const balance = loadBalance({ endpoints: ["a"] });
    const stray = (context: never) => () => balance.of(context);
    await pipeline("other").execute((context) =>
      expect(stray(context as never)).toThrow("`loadBalance.of` must be given"),
    );
    expect(stray(undefined as never)).toThrow("`loadBalance.of` must be given");
    expect(stray({} as never)).toThrow("`loadBalance.of` must be given");
  });

  it.each<[Partial<LoadBalanceOptions<string>>, string]>([
    [{ endpoints: [] }, "`loadBalance.endpoints` must be an array that is not empty, got an array"],
    [{ endpoints: "a" as never }, "`loadBalance.endpoints` must be an array that is not empty"],
    [{ name: "" }, "`loadBalance.name` must be a string that is not empty"],
    [{ nameOf: "a" as never }, "`loadBalance.nameOf` must be a function"],
    [{ trip: {} as never }, "`loadBalance.trip` must be a function, got an object"],
    [{ trip: () => ({}) as never }, "`loadBalance.trip` must be a function that makes a trip"],
    [{ ejectMs: 0 }, "`loadBalance.ejectMs` must be a number above 0"],
    [{ ejectFactor: 0.5 }, "`loadBalance.ejectFactor` must be a number of at least 1"],
    [{ ejectMs: 10, maxEjectMs: 9 }, "`loadBalance.maxEjectMs` must be a number of at least 10"],
    [{ ejectJitter: 1.1 }, "`loadBalance.ejectJitter` must be a number of at least 0 and at most 1"],
    [{ healthyMs: -1 }, "`loadBalance.healthyMs` must be a number of at least 0"],
    [{ maxEjectedRatio: 1.1 }, "`loadBalance.maxEjectedRatio` must be a number of at least 0 and at most 1"],
    [{ decayMs: 0 }, "`loadBalance.decayMs` must be a number above 0"],
    [{ leaseMs: 0 }, "`loadBalance.leaseMs` must be a number above 0"],
    [{ clock: {} as never }, "`loadBalance.clock` must be a clock"],
    [{ random: {} as never }, "`loadBalance.random` must be a source of chance"],
  ])("names an option that is out of bounds: %j", (options, message) => {
    expect(() => loadBalance({ endpoints: ["a"], ...options })).toThrow(message);
  });
});
