import {
  adaptiveThrottle,
  AdaptiveThrottleError,
  circuitBreaker,
  concurrencyLimit,
  consecutiveFailures,
  constantBackoff,
  countWindow,
  type Call,
  fallback,
  type HeadgateEvent,
  hedge,
  InvalidOptionError,
  loadBalance,
  type OperationContext,
  pipeline,
  loadShed,
  rateLimit,
  toPriority,
  retry,
  retryBudget,
  timeout,
} from "@headgate/core";
import { TestClock } from "@headgate/core/testing";
import { describe, expect, it } from "vitest";
import { createTelemetry, type Metric, type Telemetry } from "./index.ts";

function metric(telemetry: Telemetry, name: string): Metric {
  const found = telemetry.collect().find((one) => one.name === name);
  if (!found) throw new Error(`no metric ${name}`);
  return found;
}

/** Points as `{ "value,value": number }`, attribute values joined; histograms give their count. */
function points(telemetry: Telemetry, name: string): Record<string, number> {
  return Object.fromEntries(
    metric(telemetry, name).points.map((point) => [
      Object.values(point.attributes).join(","),
      "count" in point ? point.count : point.value,
    ]),
  );
}

/** A call of this pipeline has ended, with an error if one is given. */
function settle(telemetry: Telemetry, name: string, error?: unknown, durationMs = 3): void {
  const outcome = error === undefined ? "success" : "failure";
  const call = { outcome, threw: error !== undefined, result: error, attempt: 1, elapsedMs: () => durationMs };
  telemetry.meterOf(name).settled(call as unknown as Call);
}

const fail = () => {
  throw new RangeError("no");
};

describe("createTelemetry", () => {
  it("counts a known mix of calls through a real pipeline", async () => {
    const clock = new TestClock();
    const telemetry = createTelemetry();
    const breaker = circuitBreaker({
      name: "stock",
      clock,
      openMs: 1000,
      trip: consecutiveFailures({ maxFailures: 5 }),
    });
    const limit = concurrencyLimit({ name: "stock-limit", clock, maxConcurrent: 1, maxQueue: 1, maxWaitMs: 50 });
    telemetry.watch(breaker);
    telemetry.watch(limit);
    const stock = pipeline(
      { name: "stock", clock, meter: telemetry },
      timeout({ timeoutMs: 300, clock }),
      retry({ maxAttempts: 3, clock, backoff: constantBackoff({ delayMs: 10 }) }),
      breaker,
      limit,
      timeout({ timeoutMs: 100, clock }),
    );
    const run = (operation: (context: OperationContext) => unknown, options = {}) =>
      Promise.allSettled([stock.execute(async (context) => operation(context), options)]);

    // Three successes: 0 ms, 20 ms, and 10 ms with one retry.
    await run(() => 1);
    const slow = run(() => clock.sleep(20));
    await clock.advance(20);
    await slow;
    let failures = 1;
    const retried = run(() => (failures-- > 0 ? fail() : 1));
    await clock.advance(10);
    await retried;

    // One runs, one waits in vain, one finds the queue full, and the one that runs is cancelled.
    const caller = new AbortController();
    const running = run(() => clock.sleep(90), { signal: caller.signal });
    const waiting = run(() => 1);
    const refused = run(() => 1);
    await clock.settle();
    expect(points(telemetry, "concurrency.active")).toEqual({ "stock-limit": 1 });
    expect(points(telemetry, "concurrency.queued")).toEqual({ "stock-limit": 1 });
    expect(points(telemetry, "concurrency.limit")).toEqual({ "stock-limit": 1 });
    await clock.advance(60);
    caller.abort();
    await clock.advance(40);
    await Promise.all([running, waiting, refused]);

    // Two attempts reach their deadline, the third that of the call.
    const hanging = run(({ signal }) => clock.sleep(1000, signal));
    await clock.advance(300);
    await hanging;
    expect(points(telemetry, "timeout.fired")).toEqual({
      "stock,total": 1,
      "stock,attempt": 2,
      "stock,upstream_deadline": 0,
    });

    expect(points(telemetry, "async.pipeline.success")).toEqual({ stock: 3 });
    expect(points(telemetry, "async.pipeline.failure")).toEqual({
      "stock,ERR_CONCURRENCY_LIMIT": 2,
      "stock,ERR_TIMEOUT": 1,
    });
    expect(points(telemetry, "async.pipeline.latency")).toEqual({
      "stock,success": 3,
      "stock,cancelled": 1,
      "stock,rejected_concurrency,ERR_CONCURRENCY_LIMIT": 2,
      "stock,timeout,ERR_TIMEOUT": 1,
    });
    expect(points(telemetry, "retry.attempt")).toEqual({ "stock,retry,RangeError": 1, "stock,retry,ERR_TIMEOUT": 2 });
    expect(points(telemetry, "concurrency.rejected")).toEqual({
      "stock-limit,full": 1,
      "stock-limit,timeout": 1,
      "stock-limit,displaced": 0,
      "stock-limit,weight": 0,
    });
    expect(points(telemetry, "concurrency.active")).toEqual({ "stock-limit": 0 });
    const latency = metric(telemetry, "async.pipeline.latency");
    expect(latency.points[0]).toMatchObject({ sum: 0.03, bucketCounts: [1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0] });
    const attempts = metric(telemetry, "retry.attempts");
    expect(attempts.points[0]).toMatchObject({ sum: 4, count: 3, bucketCounts: [2, 1, 0, 0, 0, 0] });
    expect(clock.pending).toBe(0);
  });

  it("counts what a breaker does and reads the state it is in when asked", async () => {
    const clock = new TestClock();
    const telemetry = createTelemetry();
    const trip = consecutiveFailures({ maxFailures: 1 });
    const breaker = circuitBreaker({ name: "b", clock, openMs: 1000, trip });
    telemetry.watch(breaker);
    const calls = pipeline({ name: "p", clock, meter: telemetry }, breaker);
    const status = () => points(telemetry, "circuit.breaker.status");
    const transitions = () =>
      ["open", "half_open", "closed"].map((state) => points(telemetry, `circuit.breaker.${state}`)["b,local"]);

    expect(status()).toEqual({ "b,closed": 1, "b,open": 0, "b,half_open": 0, "b,forced_open": 0, "b,disabled": 0 });
    expect(transitions()).toEqual([0, 0, 0]);
    await calls.execute(fail).catch(() => {});
    await calls.execute(fail).catch(() => {});
    expect(status()).toEqual({ "b,closed": 0, "b,open": 1, "b,half_open": 0, "b,forced_open": 0, "b,disabled": 0 });
    clock.jump(1000);
    // No call has come: nothing has happened, but this is what a call would find.
    expect(status()).toEqual({ "b,closed": 0, "b,open": 0, "b,half_open": 1, "b,forced_open": 0, "b,disabled": 0 });
    expect(transitions()).toEqual([1, 0, 0]);
    await calls.execute(() => 1);
    expect(status()).toEqual({ "b,closed": 1, "b,open": 0, "b,half_open": 0, "b,forced_open": 0, "b,disabled": 0 });
    expect(transitions()).toEqual([1, 1, 1]);
    expect(points(telemetry, "circuit.breaker.rejected")).toEqual({ b: 1 });
    expect(points(telemetry, "async.pipeline.latency")).toEqual({
      "p,success": 1,
      "p,failure,RangeError": 1,
      "p,rejected_breaker,ERR_CIRCUIT_OPEN": 1,
    });
  });

  it("tells attempt timeouts, retries and exhausted calls apart", async () => {
    const clock = new TestClock();
    const telemetry = createTelemetry();
    const calls = pipeline(
      { name: "p", clock, meter: telemetry },
      retry({ maxAttempts: 3, clock, backoff: constantBackoff({ delayMs: 0 }) }),
      timeout({ timeoutMs: 10, clock }),
    );
    const result = calls.execute(() => new Promise(() => {})).catch(() => {});
    await clock.advance(30);
    await result;
    expect(points(telemetry, "timeout.fired")).toEqual({ "p,total": 0, "p,attempt": 3, "p,upstream_deadline": 0 });
    expect(points(telemetry, "retry.attempt")).toEqual({ "p,retry,ERR_TIMEOUT": 2 });
    expect(points(telemetry, "retry.exhausted")).toEqual({ p: 1 });
    expect(metric(telemetry, "retry.attempts").points).toEqual([
      {
        attributes: { "pipeline.name": "p", "pipeline.outcome": "timeout" },
        count: 1,
        sum: 3,
        bucketCounts: [0, 0, 1, 0, 0, 0],
      },
    ]);
  });

  it("puts a value on a boundary into the bucket below it", () => {
    const telemetry = createTelemetry();
    for (const durationMs of [5, 5.1, 10_000, 10_001]) {
      settle(telemetry, "p", undefined, durationMs);
    }
    const [point] = metric(telemetry, "async.pipeline.latency").points;
    expect(point).toMatchObject({ count: 4, bucketCounts: [1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1] });
  });

  it("takes nothing off a sum when the clock was set back", () => {
    const telemetry = createTelemetry();
    settle(telemetry, "p", undefined, 1000);
    settle(telemetry, "p", undefined, -400);
    expect(metric(telemetry, "async.pipeline.latency").points[0]).toMatchObject({ count: 2, sum: 1 });
  });

  it("calls what the caller ended cancelled, whatever its reason", async () => {
    const telemetry = createTelemetry();
    const calls = pipeline({ name: "p", meter: telemetry });
    await calls.execute(() => 1, { signal: AbortSignal.abort(new TypeError("mine")) }).catch(() => {});
    expect(points(telemetry, "async.pipeline.latency")).toEqual({ "p,cancelled": 1 });
    expect(points(telemetry, "async.pipeline.failure")).toEqual({});
  });

  it("counts a returned value that is a failure", async () => {
    const telemetry = createTelemetry();
    const calls = pipeline({ name: "p", meter: telemetry });
    await calls.execute(() => 500, { isFailure: (status) => status >= 500 });
    expect(points(telemetry, "async.pipeline.latency")).toEqual({ "p,failure,_OTHER": 1 });
  });

  it("keeps 200 names apart and counts the rest together", () => {
    const telemetry = createTelemetry();
    for (let i = 0; i < 300; i++) settle(telemetry, `p${i}`);
    settle(telemetry, "_OTHER");
    const successes = points(telemetry, "async.pipeline.success");
    expect(Object.keys(successes)).toHaveLength(201);
    expect(successes["p199"]).toBe(1);
    expect(successes["_OTHER"]).toBe(101);
    for (let i = 0; i < 300; i++) {
      telemetry.watch(concurrencyLimit({ name: `l${i}`, maxConcurrent: 2 }));
      telemetry.watch(circuitBreaker({ name: `b${i}` }));
    }
    expect(points(telemetry, "concurrency.limit")).toMatchObject({ l199: 2, _OTHER: 200 });
    expect(Object.keys(points(telemetry, "circuit.breaker.status"))).toHaveLength(5 * 201);
    expect(points(telemetry, "circuit.breaker.status")["_OTHER,closed"]).toBe(100);
  });

  it("keeps the first 20 foreign kinds of errors apart, and our own codes always", () => {
    const telemetry = createTelemetry();
    for (let i = 0; i < 30; i++) {
      settle(telemetry, "p", Object.assign(new Error("x"), { name: `E${i}Error` }));
    }
    for (const odd of ["text", 7, null, {}, Object.assign(new Error("x"), { name: 4 })]) {
      settle(telemetry, "p", odd);
    }
    settle(telemetry, "p", Object.assign(new Error("x"), { name: "ERR_TIMEOUT" }));
    settle(telemetry, "p", new InvalidOptionError("a.b", "a number", "7"));
    const failures = points(telemetry, "async.pipeline.failure");
    expect(Object.keys(failures)).toHaveLength(21);
    expect(failures["p,E19Error"]).toBe(1);
    expect(failures["p,_OTHER"]).toBe(17);
  });

  it("counts a call whose error cannot be looked at", () => {
    const telemetry = createTelemetry();
    const trap = new Proxy(new Error("x"), {
      get() {
        throw new Error("hands off");
      },
    });
    settle(telemetry, "p", trap);
    expect(points(telemetry, "async.pipeline.failure")).toEqual({ "p,_OTHER": 1 });
  });

  it("ignores events that it does not know", () => {
    const telemetry = createTelemetry();
    const { observer } = telemetry.meterOf("p");
    const before = telemetry.collect();
    observer?.({ type: "something.new", pipeline: "p" } as unknown as HeadgateEvent);
    observer?.({ type: "operation.abandoned", pipeline: "p", attempt: 1 });
    expect(telemetry.collect()).toEqual(before);
  });

  it("refuses to watch what is neither a breaker nor a limit", () => {
    const telemetry = createTelemetry();
    expect(() => telemetry.watch(retry() as never)).toThrow(
      "`telemetry.watch` must be a pipeline, a circuit breaker, a concurrency limit, a rate limit, a load shedder, an adaptive throttle or a load balance, got retry",
    );
  });

  it("adds up limits that share a name, and counts one that is watched twice once", () => {
    const telemetry = createTelemetry();
    const limit = concurrencyLimit({ name: "l", maxConcurrent: 3 });
    telemetry.watch(limit);
    telemetry.watch(limit);
    telemetry.watch(concurrencyLimit({ name: "l", maxConcurrent: 4 }));
    expect(points(telemetry, "concurrency.limit")).toEqual({ l: 7 });
  });

  it("gives points no other attributes than their metric declares", () => {
    const telemetry = createTelemetry();
    telemetry.watch(circuitBreaker());
    telemetry.watch(concurrencyLimit({ maxConcurrent: 1 }));
    settle(telemetry, "p", new Error("x"));
    telemetry.meterOf("p").observer?.({ type: "retry.scheduled", pipeline: "p", attempt: 2, delayMs: 0, result: 1 });
    for (const { name, attributes, points: all } of telemetry.collect()) {
      for (const point of all) expect(attributes, name).toEqual(expect.arrayContaining(Object.keys(point.attributes)));
    }
  });

  it("reads a pipeline and its policies until it is told to stop, and keeps their totals then", async () => {
    const clock = new TestClock();
    const telemetry = createTelemetry();
    const breaker = circuitBreaker({ name: "b", clock, trip: countWindow({ calls: 4 }) });
    const limit = concurrencyLimit({ name: "l", clock, maxConcurrent: 1, maxQueue: 1 });
    const rate = rateLimit({ name: "r", clock, limit: 3 });
    const calls = pipeline({ name: "p", clock, meter: telemetry }, rate, breaker, limit);
    const stop = telemetry.watch(calls);
    const running = calls.execute(() => clock.sleep(20));
    const waiting = calls.execute(fail).catch(() => {});
    expect(points(telemetry, "async.pipeline.active")).toEqual({ p: 2 });
    await clock.advance(20);
    await running;
    await waiting;
    const full = calls.execute(() => clock.sleep(5));
    const refused = await calls.attempt(() => 1);
    expect(refused.outcome).toBe("ignored");
    await clock.advance(5);
    await full;
    breaker.setMode("forced-open");
    expect(points(telemetry, "concurrency.queue.duration")).toEqual({ l: 1 });
    expect(metric(telemetry, "concurrency.queue.duration").points[0]).toMatchObject({ sum: 0.02 });
    expect(metric(telemetry, "circuit.breaker.failure.ratio").points[0]).toMatchObject({ value: 1 / 3 });
    expect(points(telemetry, "circuit.breaker.slow.ratio")).toEqual({});
    expect(points(telemetry, "circuit.breaker.status")).toMatchObject({ "b,open": 0, "b,forced_open": 1 });
    const totals = () => ["rate_limiter.requests", "circuit.breaker.open"].map((name) => points(telemetry, name));
    const counted = [
      { "r,acquired": 3, "r,rejected": 1, "r,degraded_open": 0 },
      { "b,local": 0, "b,manual": 1 },
    ];
    expect(totals()).toEqual(counted);
    expect(points(telemetry, "async.pipeline.latency")).toMatchObject({ "p,rejected_rate_limit,ERR_RATE_LIMIT": 1 });
    stop();
    stop();
    expect(totals()).toEqual(counted);
    expect(points(telemetry, "concurrency.limit")).toEqual({});
    expect(points(telemetry, "async.pipeline.active")).toEqual({ p: 0 });
    expect(clock.pending).toBe(0);
  });

  it("counts hedges among the attempts, and those that have won", async () => {
    const clock = new TestClock();
    const telemetry = createTelemetry();
    const calls = pipeline({ name: "p", meter: telemetry, clock }, hedge({ delayMs: 10, clock }));
    await calls.execute(() => 1);
    expect(points(telemetry, "hedge.won")).toEqual({});
    for (const winner of [1, 2]) {
      const call = calls.execute(({ attempt }) => clock.sleep(attempt === winner ? 15 : 1000));
      await clock.advance(25);
      await call;
    }
    expect(points(telemetry, "retry.attempt")).toEqual({ "p,hedge": 2 });
    expect(points(telemetry, "hedge.won")).toEqual({ p: 1 });
    expect(points(telemetry, "retry.attempts")).toEqual({ "p,success": 3 });
    expect(metric(telemetry, "retry.attempts").points).toMatchObject([{ sum: 5 }]);
    expect(points(telemetry, "retry.budget.denied")).toEqual({ p: 0 });
  });

  it("tells whom a load shedder turned away, and what pressed", async () => {
    const clock = new TestClock();
    const telemetry = createTelemetry();
    const busy = { name: "event loop", read: () => 0.25 };
    const random = { next: () => 0 };
    const shed = loadShed({ name: "s", signals: [busy, { name: "calm", read: () => -1 }], clock, random });
    const stop = telemetry.watch(pipeline({ name: "p", clock, meter: telemetry }, shed));
    const calls = pipeline({ name: "p", clock, meter: telemetry }, shed);
    const priority = toPriority("sheddable-plus");
    while (shed.rejected < 3) {
      clock.jump(100);
      await calls.attempt(() => 1, { priority });
    }
    const rejected = () => points(telemetry, "load_shed.rejected");
    expect(rejected()).toMatchObject({ "s,sheddable_plus,event loop": 3, "s,critical,calm": 0 });
    expect(Object.keys(rejected())).toHaveLength(10);
    expect(points(telemetry, "load_shed.pressure.ratio")).toEqual({ "s,event loop": 0.25, "s,calm": 0 });
    expect(points(telemetry, "async.pipeline.failure")).toEqual({ "p,ERR_LOAD_SHED": 3 });
    expect(points(telemetry, "async.pipeline.latency")).toMatchObject({ "p,rejected_shed,ERR_LOAD_SHED": 3 });
    telemetry.watch(loadShed({ name: "s", signals: [{ name: "event loop", read: () => 0.75 }], clock }));
    expect(points(telemetry, "load_shed.pressure.ratio")).toEqual({ "s,event loop": 0.75, "s,calm": 0 });
    stop();
    expect(rejected()).toMatchObject({ "s,sheddable_plus,event loop": 3, "s,critical,calm": 0 });
  });

  it("counts calls whose caller's time was up", async () => {
    const clock = new TestClock();
    const telemetry = createTelemetry();
    const calls = pipeline({ name: "p", clock, meter: telemetry });
    const late = calls.execute(() => clock.sleep(50), { deadline: 10 }).catch(() => {});
    await clock.advance(50);
    await late;
    await calls.execute(() => 1, { deadline: 10 }).catch(() => {});
    await calls.execute(() => 1, { signal: AbortSignal.abort(new Error("left")) }).catch(() => {});
    expect(points(telemetry, "timeout.fired")).toEqual({ "p,total": 0, "p,attempt": 0, "p,upstream_deadline": 2 });
    expect(points(telemetry, "async.pipeline.latency")).toEqual({ "p,cancelled": 3 });
  });

  it("tells hedges that were not sent, and why", async () => {
    const clock = new TestClock();
    const telemetry = createTelemetry();
    const denied = () => points(telemetry, "hedge.denied");
    const nothing = retryBudget({ ratio: 0, minPerSecond: 0, minConcurrent: 0, clock });
    const poor = pipeline({ name: "poor", meter: telemetry, clock }, hedge({ delayMs: 10, budget: nothing, clock }));
    expect(denied()).toEqual({});
    const slow = poor.execute(() => clock.sleep(50));
    await clock.advance(50);
    await slow;
    expect(denied()).toEqual({ "poor,budget": 1, "poor,push_back": 0 });
    expect(points(telemetry, "hedge.won")).toEqual({ poor: 0 });
    expect(points(telemetry, "retry.attempt")).toEqual({});
    const told = { name: "told", meter: telemetry, clock, retryAfterMs: () => -1 };
    const asked = pipeline(told, hedge({ delayMs: 10, maxAttempts: 3, budget: false, clock }));
    const call = asked.execute(async ({ attempt }) => {
      await clock.sleep(attempt === 1 ? 15 : 50);
      if (attempt === 1) throw new Error("not again");
      return "answered";
    });
    await clock.advance(100);
    expect(await call).toBe("answered");
    expect(denied()).toMatchObject({ "told,budget": 0, "told,push_back": 1 });
    expect(points(telemetry, "retry.attempt")).toEqual({ "told,hedge": 1 });
    expect(clock.pending).toBe(0);
  });

  it("tells what adaptive throttles refuse, and how much of it", async () => {
    const clock = new TestClock();
    const telemetry = createTelemetry();
    const throttle = adaptiveThrottle({ name: "t", minCalls: 1, clock, random: { next: () => 0 } });
    const isOverload = () => true;
    const calls = pipeline({ name: "p", meter: telemetry, clock, isOverload }, throttle);
    const stop = telemetry.watch(calls);
    expect(points(telemetry, "adaptive_throttle.rejected")).toEqual({ t: 0 });
    for (let i = 0; i < 9; i++) await calls.attempt(fail);
    expect(throttle.rejected).toBeGreaterThan(0);
    expect(points(telemetry, "adaptive_throttle.rejected")).toEqual({ t: throttle.rejected });
    expect(points(telemetry, "adaptive_throttle.reject.ratio")).toEqual({ t: throttle.rejectRatio });
    telemetry.watch(adaptiveThrottle({ name: "t", clock }));
    expect(points(telemetry, "adaptive_throttle.reject.ratio")).toEqual({ t: throttle.rejectRatio });
    stop();
    expect(points(telemetry, "adaptive_throttle.rejected")).toEqual({ t: throttle.rejected });
    expect(points(telemetry, "adaptive_throttle.reject.ratio")).toEqual({ t: 0 });
  });

  it("tells how often endpoints go out of use, and how many are", async () => {
    const clock = new TestClock();
    const telemetry = createTelemetry();
    const trip = () => consecutiveFailures({ maxFailures: 1 });
    const balance = loadBalance({ name: "l", endpoints: ["a", "b"], trip, ejectMs: 1000, clock });
    const calls = pipeline({ name: "p", meter: telemetry, clock }, balance);
    const stop = telemetry.watch(calls);
    const ejections = () => points(telemetry, "load_balance.ejections");
    const endpoints = () => points(telemetry, "load_balance.endpoints");
    expect([ejections(), endpoints()]).toEqual([{ l: 0 }, { "l,healthy": 2, "l,ejected": 0, "l,probing": 0 }]);
    await calls.attempt(fail);
    expect([ejections(), endpoints()]).toEqual([{ l: 1 }, { "l,healthy": 1, "l,ejected": 1, "l,probing": 0 }]);
    clock.jump(1000);
    expect(endpoints()).toEqual({ "l,healthy": 1, "l,ejected": 0, "l,probing": 1 });
    // A total never falls, also when the endpoint that it came from is gone.
    balance.update(["c"]);
    expect([ejections(), endpoints()]).toEqual([{ l: 1 }, { "l,healthy": 1, "l,ejected": 0, "l,probing": 0 }]);
    stop();
    expect([ejections(), endpoints()]).toEqual([{ l: 1 }, {}]);
  });

  it("counts what an adaptive throttle refuses as shed", () => {
    const telemetry = createTelemetry();
    settle(telemetry, "p", new AdaptiveThrottleError("p", 0.5));
    expect(points(telemetry, "async.pipeline.latency")).toEqual({ "p,rejected_shed,ERR_ADAPTIVE_THROTTLE": 1 });
  });

  it("tells what a fallback has answered from what succeeded", async () => {
    const telemetry = createTelemetry();
    const calls = pipeline({ name: "p", meter: telemetry }, fallback({ handlers: [() => "spare"] }));
    await calls.execute(() => "own");
    expect(await calls.execute(fail)).toBe("spare");
    await calls.execute(() => "own");
    expect(points(telemetry, "async.pipeline.latency")).toEqual({ "p,success": 2, "p,fallback": 1 });
    expect(points(telemetry, "async.pipeline.success")).toEqual({ p: 3 });
    expect(points(telemetry, "fallback.used")).toEqual({ p: 1 });
  });

  it("calls a failed value that has an HTTP status by its class", async () => {
    const telemetry = createTelemetry();
    const isFailure = ({ status }: { status: number }) => status >= 400;
    const calls = pipeline({ name: "p", meter: telemetry });
    for (const status of [503, 500, 404, 999, Number.NaN])
      await calls.execute(() => ({ status }), { isFailure: () => isFailure({ status }) || status !== status });
    expect(points(telemetry, "async.pipeline.failure")).toEqual({ "p,5xx": 2, "p,4xx": 1, "p,_OTHER": 2 });
  });

  it("keeps 2,500 names and 2,500 kinds of errors within its bounds", () => {
    const telemetry = createTelemetry();
    for (let i = 0; i < 2500; i++) {
      settle(telemetry, `p${i}`, Object.assign(new Error("x"), { name: `E${i}Error` }));
      telemetry.watch(concurrencyLimit({ name: `l${i}`, maxConcurrent: 1 }));
      telemetry.watch(rateLimit({ name: `r${i}`, limit: 1 }));
      telemetry.watch(circuitBreaker({ name: `b${i}` }));
    }
    for (const { name, points: all } of telemetry.collect()) expect(all.length, name).toBeLessThanOrEqual(5 * 201);
    const failures = points(telemetry, "async.pipeline.failure");
    expect(Object.values(failures).reduce((sum, value) => sum + value)).toBe(2500);
    expect(new Set(Object.keys(failures).map((key) => key.split(",")[1])).size).toBe(21);
  });
});
