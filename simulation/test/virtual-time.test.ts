import { SeededRandom } from "@headgate/core/testing";
import { describe, expect, it } from "vitest";
import { bimodal, exponential, Server } from "../src/server.ts";
import { VirtualTime } from "../src/virtual-time.ts";

describe("VirtualTime", () => {
  it("runs events in order of time, then of planning, and nothing beyond the end", async () => {
    const time = new VirtualTime();
    const ran: string[] = [];
    for (const [atMs, name] of [
      [30, "c"],
      [10, "a"],
      [10, "b"],
      [50, "late"],
    ] as const)
      time.at(atMs, () => ran.push(`${name}@${time.now()}`));
    await time.run(40);
    expect(ran).toEqual(["a@10", "b@10", "c@30"]);
    expect(time.now()).toBe(40);
    await time.run(60);
    expect(ran.at(-1)).toBe("late@50");
  });

  it("waits for everything that an event sets off, however long the chain of promises", async () => {
    const time = new VirtualTime();
    const ran: string[] = [];
    time.at(1, () => {
      void (async () => {
        for (let i = 0; i < 1000; i++) await Promise.resolve();
        ran.push("chain");
      })();
    });
    time.at(2, () => ran.push("next"));
    await time.run(3);
    expect(ran).toEqual(["chain", "next"]);
  });

  it("keeps its order over many events, some of which are cancelled", async () => {
    const time = new VirtualTime();
    const random = new SeededRandom(7);
    const ran: number[] = [];
    for (let i = 0; i < 5000; i++) {
      const timer = time.at(random.next() * 1000, () => ran.push(time.now()));
      if (i % 3 === 0) timer.cancel();
    }
    await time.run(1000);
    expect(ran).toHaveLength(3333);
    expect(ran).toEqual(ran.toSorted((a, b) => a - b));
  });

  it("sleeps until the signal aborts, and passes on what an event throws", async () => {
    const time = new VirtualTime();
    const controller = new AbortController();
    const slept = time.sleep(100, controller.signal).catch((error: unknown) => error);
    time.at(10, () => controller.abort("enough"));
    await time.run(20);
    expect(await slept).toBe("enough");
    time.at(30, () => {
      throw new Error("broken");
    });
    await expect(time.run(40)).rejects.toThrow("broken");
  });
});

describe("Server", () => {
  const serve = async (workers: number, jobs: number, change?: (server: Server, time: VirtualTime) => void) => {
    const time = new VirtualTime();
    const server = new Server(time, new SeededRandom(1), workers, () => 10);
    const ends: number[] = [];
    for (let i = 0; i < jobs; i++) void server.serve().then(() => ends.push(time.now()));
    change?.(server, time);
    await time.run(1000);
    return ends;
  };

  it("works on as much at once as it has workers, first come, first served", async () => {
    expect(await serve(2, 5)).toEqual([10, 10, 20, 20, 30]);
  });

  it("is slower for what starts from then on", async () => {
    const slowDown = (server: Server, time: VirtualTime) => void time.at(5, () => (server.slowness = 3));
    expect(await serve(1, 2, slowDown)).toEqual([10, 40]);
  });

  it("finishes nothing while it hangs", async () => {
    const hang = (server: Server, time: VirtualTime) => {
      server.hanging = true;
      time.at(100, () => (server.hanging = false));
    };
    expect(await serve(1, 2, hang)).toEqual([100, 110]);
  });

  it("gives up work whose client has gone", async () => {
    const time = new VirtualTime();
    const server = new Server(time, new SeededRandom(1), 1, () => 10);
    const controller = new AbortController();
    const gone = server.serve(controller.signal).catch((error: unknown) => error);
    let endMs = 0;
    void server.serve().then(() => (endMs = time.now()));
    time.at(4, () => controller.abort("gone"));
    await time.run(100);
    expect(await gone).toBe("gone");
    expect(endMs).toBe(14);
  });

  it("has work of the length that it is said to have", () => {
    const random = new SeededRandom(3);
    const mean = (service: (random: SeededRandom) => number) =>
      Array.from({ length: 20_000 }, () => service(random)).reduce((sum, ms) => sum + ms, 0) / 20_000;
    expect(mean(exponential(50))).toBeGreaterThan(48);
    expect(mean(exponential(50))).toBeLessThan(52);
    expect(mean(bimodal(10, 400, 0.1))).toBeGreaterThan(46);
    expect(mean(bimodal(10, 400, 0.1))).toBeLessThan(52);
  });
});
