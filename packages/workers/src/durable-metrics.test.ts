import type { Clock, ClockTimer } from "@headgate/core";
import { TestClock } from "@headgate/core/testing";
import { describe, expect, it } from "vitest";
import { FakeContext, FakeNamespace, FakeState } from "../test/support/fakes.ts";
import { active, calls, latency, type Counted, totalsOf } from "../test/support/metrics.ts";
import { itRefuses, missing } from "../test/support/options.ts";
import { durableMetrics, type DurableMetricsOptions } from "./durable-metrics.ts";
import { HeadgateMetrics } from "./headgate-metrics.ts";
import type { MetricLike } from "./metric-message.ts";

/** One object of one shard, which keeps its storage when it restarts. */
function world() {
  const clock = new TestClock(1_000_000);
  const state = new FakeState();
  const namespace = new FakeNamespace(missing);
  const restart = (): HeadgateMetrics => {
    const object = new HeadgateMetrics(state, undefined, { clock, timer: clock });
    namespace.handle = async (request) => {
      await state.ready;
      return object.fetch(request);
    };
    return object;
  };
  return { clock, state, namespace, restart, object: restart() };
}

function isolate({ clock, namespace }: ReturnType<typeof world>, options: Partial<DurableMetricsOptions> = {}) {
  const counted: Counted = { ok: 0, failed: 0, active: 0, more: [] };
  const errors: unknown[] = [];
  const metrics = durableMetrics({
    namespace,
    shards: 1,
    collect: (): MetricLike[] => [calls(counted), latency(counted), active({ value: counted.active }), ...counted.more],
    clock,
    onError: (error) => errors.push(error),
    ...options,
  });
  const context = new FakeContext();
  /** A request that counts and ends, and its flush with as much time as it needs. */
  const request = async (count: (counted: Counted) => void = () => {}): Promise<void> => {
    count(counted);
    metrics.flush(context, Promise.resolve());
    let isOver = false;
    void context.ended().then(() => {
      isOver = true;
    });
    for (let seconds = 0; seconds < 20; seconds++) {
      await turns();
      if (isOver) return;
      await clock.advance(1000);
    }
    throw new Error("The flush has not ended within 20 s");
  };
  return { counted, metrics, context, errors, request };
}

/** As long as bodies take to be read, which on Workers is more than a microtask. Virtual time stands still meanwhile. */
async function turns(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setTimeout(resolve));
}

/** The clock of a request that may be killed: its timers are gone with it. */
class KillableClock implements Clock {
  readonly #clock: Clock;
  readonly #timers = new Set<ClockTimer>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  now(): number {
    return this.#clock.now();
  }

  after(delayMs: number, callback: () => void): ClockTimer {
    const timer = this.#clock.after(delayMs, callback);
    this.#timers.add(timer);
    return timer;
  }

  sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => void this.after(delayMs, resolve));
  }

  kill(): void {
    for (const timer of this.#timers) timer.cancel();
  }
}

/** Loses what the function chooses: `"answer"` after the object has taken the message, `"message"` before. */
function lose({ namespace }: ReturnType<typeof world>, what: () => "answer" | "message" | undefined): void {
  const { handle } = namespace;
  namespace.handle = async (request) => {
    const lost = request.method === "POST" ? what() : undefined;
    if (lost === "message") throw new Error("The message is lost");
    const response = await handle(request);
    if (lost === "answer") throw new Error("The answer is lost");
    return response;
  };
}

describe("durableMetrics", () => {
  it("adds up what several isolates have counted, and what is now in each", async () => {
    const all = world();
    const [a, b] = [isolate(all), isolate(all)];
    await a.request((counted) => {
      counted.ok = 3;
      counted.failed = 1;
      counted.active = 2;
    });
    await b.request((counted) => {
      counted.ok = 4;
      counted.active = 1;
    });
    await a.request((counted) => {
      counted.ok = 5;
      counted.active = 0;
    });
    const metrics = await b.metrics.collect();
    expect(totalsOf(metrics)).toEqual({ ok: 9, failed: 1, active: 1, latency: [10, 9, 1] });
    expect([a.metrics.flushes, b.metrics.flushes, a.metrics.failures, a.errors]).toEqual([2, 1, 0, []]);
  });

  it("sends a message again whose answer is lost, and the object counts it once", async () => {
    const all = world();
    let losses = 2;
    lose(all, () => (losses-- > 0 ? "answer" : undefined));
    const a = isolate(all);
    await a.request((counted) => {
      counted.ok = 7;
    });
    expect([a.metrics.flushes, a.metrics.failures, all.namespace.messages]).toEqual([1, 0, 3]);
    expect(totalsOf(await a.metrics.collect())).toMatchObject({ ok: 7 });
  });

  it("goes on after flushes that failed, whichever way the messages were lost", async () => {
    const all = world();
    let lost: "answer" | "message" | undefined = "answer";
    lose(all, () => lost);
    const a = isolate(all);
    await a.request((counted) => (counted.ok = 1));
    lost = "message";
    await a.request((counted) => (counted.ok = 2));
    expect([a.metrics.flushes, a.metrics.failures, a.errors.length]).toEqual([0, 2, 2]);
    lost = undefined;
    await a.request((counted) => (counted.ok = 4));
    expect(totalsOf(await a.metrics.collect())).toMatchObject({ ok: 4, latency: [4, 4, 0] });
  });

  it("makes up for a flush whose request was killed, before or after the object had the message", async () => {
    for (const reached of [true, false]) {
      const all = world();
      const clock = new KillableClock(all.clock);
      const a = isolate(all, { clock });
      const { handle } = all.namespace;
      all.namespace.handle = async (request) => {
        if (reached) await handle(request);
        return new Promise(() => {});
      };
      a.counted.ok = 1;
      a.metrics.flush(new FakeContext());
      await turns();
      clock.kill();
      all.namespace.handle = handle;
      await a.request((counted) => (counted.ok = 2));
      expect(all.namespace.messages).toBe(3);
      expect(totalsOf(await a.metrics.collect())).toMatchObject({ ok: 2, latency: [2, 2, 0] });
      expect([a.metrics.flushes, a.metrics.failures]).toEqual([1, 0]);
    }
  });

  it("makes up for a flush that was killed while it waited for its time", async () => {
    const all = world();
    const clock = new KillableClock(all.clock);
    const a = isolate(all, { clock });
    a.counted.ok = 1;
    a.metrics.flush(a.context);
    await turns();
    for (let i = 2; i < 5; i++) {
      a.counted.ok = i;
      a.metrics.flush(new FakeContext());
      await all.clock.advance(9000);
      clock.kill();
      await all.clock.advance(1000);
    }
    expect(all.namespace.messages).toBe(1);
    await a.request();
    expect(totalsOf(await a.metrics.collect())).toMatchObject({ ok: 4 });
  });

  it("is not held up by two flushes at once", async () => {
    const all = world();
    const a = isolate(all);
    const { handle } = all.namespace;
    const { promise: later, resolve } = Promise.withResolvers<void>();
    all.namespace.handle = async (request) => {
      const response = await handle(request);
      await later;
      return response;
    };
    a.counted.ok = 1;
    a.metrics.flush(a.context);
    await turns();
    a.counted.ok = 2;
    const collected = a.metrics.collect();
    await turns();
    resolve();
    expect(totalsOf(await collected)).toMatchObject({ ok: 2, latency: [2, 2, 0] });
    await a.context.ended();
    expect(totalsOf(await a.metrics.collect())).toMatchObject({ ok: 2, latency: [2, 2, 0] });
  });

  it("goes on with the same totals when the object has restarted", async () => {
    const all = world();
    const a = isolate(all);
    await a.request((counted) => (counted.ok = 2));
    let lost: "answer" | undefined = "answer";
    lose(all, () => lost);
    await a.request((counted) => (counted.ok = 5));
    lost = undefined;
    all.restart();
    await a.request((counted) => (counted.ok = 6));
    expect(totalsOf(await a.metrics.collect())).toMatchObject({ ok: 6, latency: [6, 6, 0] });
  });

  it("counts an isolate that comes back as a new one, and keeps what the old one has counted", async () => {
    const all = world();
    const before = isolate(all);
    await before.request((counted) => {
      counted.ok = 5;
      counted.active = 3;
    });
    const after = isolate(all);
    await after.request((counted) => (counted.ok = 2));
    await all.clock.advance(300_000);
    await after.request((counted) => (counted.ok = 3));
    expect(totalsOf(await after.metrics.collect())).toMatchObject({ ok: 8, active: 0 });
  });

  it("sends at once, and then one flush for all requests of an interval", async () => {
    const all = world();
    const { counted, metrics, context } = isolate(all);
    const end = async (): Promise<void> => {
      counted.ok++;
      metrics.flush(context, Promise.reject(new Error("The client has left")));
      await turns();
    };
    await end();
    expect(all.namespace.messages).toBe(1);
    for (let i = 0; i < 5; i++) await end();
    await all.clock.advance(9999);
    expect(all.namespace.messages).toBe(1);
    await all.clock.advance(1);
    await turns();
    await context.ended();
    expect([all.namespace.messages, metrics.flushes]).toEqual([2, 2]);
    expect(totalsOf(await metrics.collect())).toMatchObject({ ok: 6 });
  });

  it("sends nothing while there is nothing new", async () => {
    const all = world();
    const a = isolate(all);
    await a.request((counted) => (counted.ok = 1));
    await a.request();
    await a.request();
    expect(all.namespace.messages).toBe(1);
  });

  it("ends a flush in time when the object hangs", async () => {
    const all = world();
    all.namespace.handle = () => new Promise(() => {});
    const a = isolate(all, { timeoutMs: 1000 });
    a.counted.ok = 1;
    a.metrics.flush(a.context);
    await all.clock.advance(1000);
    await a.context.ended();
    expect(a.metrics.failures).toBe(1);
    expect(a.errors).toMatchObject([{ code: "ERR_TIMEOUT" }]);
    expect(all.clock.pending).toBe(0);
  });

  it("shows no part of the totals when an object does not answer", async () => {
    const all = world();
    const a = isolate(all, { shards: 3, timeoutMs: 1000 });
    await a.request((counted) => (counted.ok = 1));
    const { handle } = all.namespace;
    all.namespace.handle = async (request) =>
      request.method === "GET" ? Promise.reject(new Error("down")) : handle(request);
    const collected = a.metrics.collect();
    const failed = expect(collected).rejects.toThrow("down");
    await all.clock.advance(1000);
    await failed;
  });

  it("spreads isolates over the shards, each staying with its own", async () => {
    const all = world();
    const isolates = Array.from({ length: 40 }, () => isolate(all, { shards: 2, name: "m" }));
    for (const { request } of isolates) await request((counted) => (counted.ok = 1));
    expect([...all.namespace.names].sort()).toEqual(["m-0", "m-1"]);
  });

  it("tells more series than one message takes in several", async () => {
    const all = world();
    const a = isolate(all);
    const points = Array.from({ length: 1200 }, (_, i) => ({ attributes: { key: `k${i}` }, value: i + 1 }));
    await a.request((counted) => counted.more.push({ ...calls(counted), name: "many", points }));
    expect(all.namespace.messages).toBe(3);
    const many = (await a.metrics.collect()).find(({ name }) => name === "many");
    expect(many?.points.length).toBe(1200);
    expect(many?.points.reduce((sum, { value = 0 }) => sum + value, 0)).toBe(720_600);
  });

  it("keeps the number of series within the object's bound, and every count", async () => {
    const all = world();
    const a = isolate(all);
    const points = Array.from({ length: 2500 }, (_, i) => ({ attributes: { key: `k${i}`, kind: "x" }, value: 1 }));
    await a.request((counted) => counted.more.push({ ...calls(counted), name: "many", points }));
    await a.request((counted) => {
      counted.more[0] = { ...calls(counted), name: "many", points: points.map((point) => ({ ...point, value: 2 })) };
    });
    const many = (await a.metrics.collect()).find(({ name }) => name === "many");
    expect(many?.points.length).toBe(2001);
    expect(many?.points.at(-1)).toEqual({ attributes: { key: "_OTHER", kind: "_OTHER" }, value: 1000 });
    expect(many?.points.reduce((sum, { value = 0 }) => sum + value, 0)).toBe(5000);
  });

  it("cuts long values of attributes, and adds up what is the same then", async () => {
    const all = world();
    const a = isolate(all);
    const long = "x".repeat(256);
    const points = [1, 2].map((i) => ({ attributes: { key: `${long}${i}` }, value: i }));
    await a.request((counted) => counted.more.push({ ...calls(counted), name: "long", points }));
    const found = (await a.metrics.collect()).find(({ name }) => name === "long");
    expect(found?.points).toEqual([{ attributes: { key: long }, value: 3 }]);
  });

  it("makes another message of what the object has refused", async () => {
    const all = world();
    const { handle } = all.namespace;
    all.namespace.handle = async () => new Response("another version", { status: 400 });
    const a = isolate(all);
    await a.request((counted) => (counted.ok = 1));
    expect([all.namespace.messages, String(a.errors[0])]).toEqual([
      1,
      "RefusedError: The Durable Object answers 400: another version",
    ]);
    all.namespace.handle = handle;
    await a.request((counted) => (counted.ok = 2));
    expect(totalsOf(await a.metrics.collect())).toMatchObject({ ok: 2 });
  });

  it("reports a context that takes no work, and never throws", () => {
    const all = world();
    const a = isolate(all);
    const context = {
      waitUntil: () => {
        throw new Error("The request has ended");
      },
    };
    a.metrics.flush(context);
    expect(String(a.errors[0])).toBe("Error: The request has ended");
  });

  const make = (options: Partial<DurableMetricsOptions>) => () =>
    durableMetrics({ namespace: new FakeNamespace(missing), collect: () => [], ...options });
  itRefuses(
    [
      make({ namespace: missing }),
      "`durableMetrics.namespace` must be the binding of a Durable Object, with `idFromName` and `get`, got undefined",
    ],
    [make({ collect: missing }), "`durableMetrics.collect` must be a function, got undefined"],
    [make({ name: "" }), '`durableMetrics.name` must be a string that is not empty, got ""'],
    [make({ shards: 0 }), "`durableMetrics.shards` must be an integer from 1 to 64, got 0"],
    [make({ intervalMs: 30_000 }), "`durableMetrics.intervalMs` must be a number above 0 and at most 20000, got 30000"],
    [
      make({ intervalMs: 100, timeoutMs: 200 }),
      "`durableMetrics.timeoutMs` must be a number above 0 and at most 100, got 200",
    ],
    [make({ onError: "log" as never }), '`durableMetrics.onError` must be a function, got "log"'],
  );
});
