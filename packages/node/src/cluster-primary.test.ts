// The primary alone, in virtual time, with workers that are none.
import { EventEmitter } from "node:events";
import type { Worker } from "node:cluster";
import { TestClock } from "@headgate/core/testing";
import { afterEach, describe, expect, it } from "vitest";
import type { ClusterEvent, ClusterOptions } from "./cluster.ts";
import { ClusterPrimary } from "./cluster-primary.ts";
import type { MergeableMetric } from "@headgate/core/metrics";

const signals = ["SIGTERM", "SIGINT", "SIGHUP"] as const;

afterEach(() => {
  for (const signal of signals) process.removeAllListeners(signal);
});

class FakeWorker extends EventEmitter {
  static lastPid = 0;
  readonly received: { headgate: string; id?: number; [more: string]: unknown }[] = [];
  readonly process = {
    pid: ++FakeWorker.lastPid,
    send: (message: { headgate: string }) => this.received.push(message),
    kill: (signal: string) => this.emit("exit", null, signal),
  };

  say(headgate: string, more: object = {}): void {
    this.emit("message", { headgate, ...more });
  }

  crash(): void {
    this.emit("exit", 7, null);
  }
}

function count(value: number): MergeableMetric[] {
  return [
    { name: "requests", kind: "counter", unit: "{request}", points: [{ attributes: {}, value }] },
    { name: "active", kind: "up-down-counter", unit: "{request}", points: [{ attributes: {}, value: 1 }] },
  ];
}

const valuesOf = (metrics: readonly MergeableMetric[]) =>
  Object.fromEntries(metrics.map(({ name, points }) => [name, points[0]?.value]));

function made(options: Partial<ClusterOptions> = {}) {
  const clock = new TestClock();
  const workers: FakeWorker[] = [];
  const events: ClusterEvent[] = [];
  const exits: number[] = [];
  const settings = {
    workers: 1,
    startTimeoutMs: 1000,
    stopTimeoutMs: 2000,
    collectTimeoutMs: 100,
    restartMinMs: 500,
    restartMaxMs: 3000,
    healthyMs: 60_000,
    onEvent: (event: ClusterEvent) => events.push(event),
    exit: (code: number) => exits.push(code),
    clock,
    ...options,
  };
  const primary = new ClusterPrimary(settings, () => {
    const worker = new FakeWorker();
    workers.push(worker);
    return worker as unknown as Worker;
  });
  const typesOf = () => events.map(({ type }) => type.replace("cluster.", ""));
  return { primary, clock, workers, events, exits, typesOf };
}

async function running(options: Partial<ClusterOptions> = {}) {
  const cluster = made(options);
  const started = cluster.primary.start();
  for (const worker of cluster.workers) worker.say("ready");
  await started;
  const last = () => cluster.workers.at(-1) as FakeWorker;
  return { ...cluster, last };
}

describe("ClusterPrimary", () => {
  it("doubles the wait with each crash, up to a bound, and begins anew after a healthy time", async () => {
    const { clock, last, events } = await running({ startTimeoutMs: 10_000 });
    for (let crash = 0; crash < 5; crash++) {
      last().crash();
      await clock.advance(3000);
      last().say("ready");
    }
    await clock.advance(59_999);
    last().crash();
    await clock.advance(3000);
    last().say("ready");
    await clock.advance(60_000);
    last().crash();
    await clock.settle();
    const delays = events.flatMap((event) => (event.type === "cluster.worker-restarting" ? [event.delayMs] : []));
    expect(delays).toEqual([500, 1000, 2000, 3000, 3000, 3000, 500]);
  });

  it("starts a crashed worker when its wait is over and not before", async () => {
    const { clock, workers, primary } = await running();
    const [first] = workers;
    first?.crash();
    await clock.advance(499);
    expect([workers.length, primary.pids]).toEqual([1, []]);
    await clock.advance(1);
    workers[1]?.say("ready");
    expect(primary.pids).toEqual([workers[1]?.process.pid]);
  });

  it("kills a worker that does not get ready, and tries again", async () => {
    const { clock, last, typesOf } = await running();
    last().crash();
    await clock.advance(500 + 1000);
    expect(typesOf().slice(3)).toEqual(["worker-killed", "worker-exited", "worker-restarting"]);
  });

  it("starts no one any more once it stops", async () => {
    const { clock, workers, primary, exits } = await running();
    workers[0]?.crash();
    await clock.settle();
    await primary.stop("test");
    await clock.advance(10_000);
    expect([workers.length, exits, clock.pending]).toEqual([1, [0], 0]);
  });

  it("tells workers why they stop and kills those that do not", async () => {
    const { clock, workers, primary, typesOf, exits } = await running({ workers: 2 });
    const stopped = primary.stop("SIGTERM");
    expect(primary.stop("again")).toBe(stopped);
    expect(workers.map(({ received }) => received)).toEqual(
      [1, 2].map(() => [{ headgate: "stop", trigger: "SIGTERM", reload: false }]),
    );
    workers[0]?.emit("exit", 0, null);
    await clock.advance(1999);
    expect(exits).toEqual([]);
    await clock.advance(1);
    await stopped;
    expect(typesOf().slice(2)).toEqual(["worker-exited", "worker-killed", "worker-exited"]);
    expect([exits, clock.pending]).toEqual([[0], 0]);
  });

  it("fails to start, and stops the others, when a worker fails to", async () => {
    const { primary, workers, clock } = made({ workers: 2 });
    const started = primary.start().catch((error: unknown) => error);
    workers[0]?.say("ready");
    workers[1]?.say("failed", { message: "no configuration" });
    workers[1]?.crash();
    await clock.settle();
    expect(workers[0]?.received).toEqual([expect.objectContaining({ headgate: "stop" })]);
    workers[0]?.emit("exit", 0, null);
    expect(await started).toMatchObject({ message: "no configuration" });
    expect(signals.map((signal) => process.listenerCount(signal))).toEqual([0, 0, 0]);
    expect([workers.length, clock.pending]).toEqual([2, 0]);
  });

  it("replaces a worker only when its successor is ready", async () => {
    const { primary, workers, clock, typesOf } = await running();
    const reloaded = primary.reload();
    expect(primary.reload()).toBe(reloaded);
    await clock.settle();
    expect(workers[0]?.received).toEqual([]);
    workers[1]?.say("ready");
    await clock.settle();
    expect(workers[0]?.received).toEqual([{ headgate: "stop", trigger: "reload", reload: true }]);
    expect(primary.pids).toEqual([workers[1]?.process.pid]);
    workers[0]?.emit("exit", 0, null);
    await reloaded;
    await clock.advance(10_000);
    expect(workers).toHaveLength(2);
    expect(typesOf().at(-1)).toBe("reloaded");
  });

  it("keeps the workers that it has when a successor does not start", async () => {
    const { primary, workers, clock, typesOf } = await running({ workers: 2 });
    const reloaded = primary.reload().catch((error: unknown) => error);
    workers[2]?.crash();
    expect(await reloaded).toMatchObject({ message: "A worker ended before it listened (code 7)" });
    await clock.advance(10_000);
    expect(primary.pids).toEqual([workers[0]?.process.pid, workers[1]?.process.pid]);
    expect([workers.length, typesOf().at(-1)]).toEqual([3, "reload-failed"]);
  });

  it("adds up what workers count and keeps the totals of those that have ended", async () => {
    const { primary, workers, clock } = await running({ workers: 2 });
    const collect = async (...values: (number | undefined)[]) => {
      const collected = primary.collect();
      const live = workers.slice(-2);
      live.forEach((worker, i) => {
        if (values[i] !== undefined)
          worker.say("snapshot", { id: worker.received.at(-1)?.id, metrics: count(values[i]) });
      });
      await clock.advance(100);
      return valuesOf(await collected);
    };
    expect(await collect(2, 3)).toEqual({ requests: 5, active: 2 });
    // Who does not answer in time stands for what it said last.
    expect(await collect(4, undefined)).toEqual({ requests: 7, active: 2 });
    workers[0]?.crash();
    expect(valuesOf(await primaryAfter(primary, clock))).toEqual({ requests: 7, active: 1 });
    expect(clock.pending).toBe(1);
  });

  it("counts a worker once that ends while it is asked", async () => {
    const { primary, workers, clock } = await running();
    const collected = primary.collect();
    workers[0]?.say("snapshot", { id: undefined, metrics: count(9) });
    workers[0]?.emit("exit", 0, null);
    await clock.settle();
    expect(valuesOf(await collected)).toEqual({ requests: 9 });
    expect(valuesOf(await primary.collect())).toEqual({ requests: 9 });
  });

  it("answers a worker that asks for the metrics of all", async () => {
    const { workers, clock } = await running();
    const [worker] = workers;
    worker?.say("collect-all", { id: 5 });
    await clock.settle();
    worker?.say("snapshot", { id: worker.received.at(-1)?.id, metrics: count(1) });
    await clock.settle();
    expect(worker?.received.at(-1)).toEqual({ headgate: "merged", id: 5, metrics: count(1) });
  });

  it("lets a worker go that has stopped", async () => {
    const { workers, primary } = await running();
    void primary.stop("test");
    workers[0]?.say("stopped");
    expect(workers[0]?.received.at(-1)).toEqual({ headgate: "released" });
  });

  it("is not hurt by who listens to its events", async () => {
    const { primary, workers } = await running({
      onEvent: () => {
        throw new Error("no");
      },
    });
    expect(primary.pids).toEqual([workers[0]?.process.pid]);
  });

  it("leaves messages alone that are an application's own", async () => {
    const { workers, primary } = await running();
    workers[0]?.emit("message", "ready");
    workers[0]?.emit("message", null);
    workers[0]?.emit("message", { ready: true });
    expect(primary.pids).toHaveLength(1);
  });
});

async function primaryAfter(primary: ClusterPrimary, clock: TestClock): Promise<MergeableMetric[]> {
  const collected = primary.collect();
  await clock.advance(100);
  return collected;
}
