import { circuitBreaker, consecutiveFailures, pipeline, rateLimit } from "@headgate/core";
import { TestClock } from "@headgate/core/testing";
import { describe, expect, it } from "vitest";
import { FakeContext, FakeNamespace, FakeState } from "../test/support/fakes.ts";
import { itRefuses, missing } from "../test/support/options.ts";
import { durableState } from "./durable-state.ts";
import type { DurableStateOptions } from "./durable-state.ts";
import { HeadgateState } from "./headgate-state.ts";

/** One object, and isolates that share it. */
function world() {
  const clock = new TestClock(1_000_000);
  const state = new FakeState();
  const namespace = new FakeNamespace(missing);
  const restart = (): HeadgateState => {
    const object = new HeadgateState(state, undefined, clock);
    namespace.handle = async (request) => {
      await state.ready;
      return object.fetch(request);
    };
    return object;
  };
  return { clock, state, namespace, restart, object: restart() };
}

function isolate(
  { clock, namespace }: ReturnType<typeof world>,
  options: Partial<DurableStateOptions> & { maxOpenMs?: number } = {},
) {
  const { maxOpenMs = 10_000, ...rest } = options;
  const trip = consecutiveFailures({ maxFailures: 1 });
  const breaker = circuitBreaker({ name: "api", trip, openMs: Math.min(5000, maxOpenMs), maxOpenMs, clock });
  const errors: unknown[] = [];
  const shared = durableState({
    namespace,
    breakers: [breaker],
    clock,
    onError: (error) => errors.push(error),
    ...rest,
  });
  const calls = pipeline({ name: "calls", clock }, breaker);
  const context = new FakeContext();
  const sync = async (): Promise<void> => {
    shared.sync(context);
    await clock.settle();
    await context.ended();
  };
  const call = (operation: () => unknown): Promise<unknown> => calls.execute(operation).catch(() => "failed");
  const fail = (): Promise<unknown> =>
    call(() => {
      throw new Error("down");
    });
  return { breaker, shared, context, errors, sync, fail, succeed: () => call(() => "up") };
}

/** Answers of the object arrive when the function that is given back is called. */
function answerLate({ namespace }: ReturnType<typeof world>): () => void {
  const { handle } = namespace;
  const { promise, resolve } = Promise.withResolvers<void>();
  namespace.handle = async (request) => {
    const response = await handle(request);
    await promise;
    return response;
  };
  return resolve;
}

describe("durableState", () => {
  it("spreads an opening and its closing, and resets no breaker for what it has said itself", async () => {
    const all = world();
    const [a, b] = [isolate(all), isolate(all)];
    await a.sync();
    await a.fail();
    await a.sync();
    await b.sync();
    expect([b.breaker.state, b.breaker.snapshot().openForMs, b.shared.applied, b.breaker.opened]).toEqual([
      "open",
      5000,
      1,
      0,
    ]);
    expect(a.shared.applied).toBe(0);
    all.clock.jump(5000);
    await a.succeed();
    await a.sync();
    expect(b.breaker.state).toBe("half-open");
    await b.sync();
    expect([a.breaker.state, b.breaker.state]).toEqual(["closed", "closed"]);
  });

  it("gives a new isolate what an earlier one knew, also after the object has started anew", async () => {
    const all = world();
    const a = isolate(all);
    await a.fail();
    await a.sync();
    all.restart();
    all.clock.jump(2000);
    const next = isolate(all);
    await next.sync();
    expect(next.breaker.snapshot()).toMatchObject({ state: "open", openForMs: 3000, openings: 1 });
  });

  it("opens for no longer than the own breaker may", async () => {
    const all = world();
    const [a, b] = [isolate(all), isolate(all, { maxOpenMs: 700 })];
    await a.fail();
    await a.sync();
    await b.sync();
    expect(b.breaker.snapshot().openForMs).toBe(700);
  });

  it("leaves a breaker as it is when `accept` objects", async () => {
    const all = world();
    const seen: string[] = [];
    const accept = ((_, { state }) => (seen.push(state), false)) as NonNullable<DurableStateOptions["accept"]>;
    const [a, b] = [isolate(all), isolate(all, { accept })];
    await a.fail();
    await a.sync();
    await b.sync();
    expect([seen, b.breaker.state, b.shared.applied]).toEqual([["open"], "closed", 0]);
  });

  it("does not let an isolate that is behind end an outage that has begun anew", async () => {
    const all = world();
    const [a, b] = [isolate(all), isolate(all)];
    await a.fail();
    await a.sync();
    await b.sync();
    all.clock.jump(5000);
    await a.fail();
    await a.sync();
    await b.succeed();
    expect(b.breaker.state).toBe("closed");
    await b.sync();
    expect([a.breaker.state, b.breaker.state]).toEqual(["open", "open"]);
  });

  it("keeps what its breaker has found while a message was under way", async () => {
    const all = world();
    const [a, b] = [isolate(all), isolate(all)];
    // The object knows of an outage that is over, and answers so.
    await a.fail();
    await a.sync();
    all.clock.jump(5000);
    await a.succeed();
    await a.sync();
    all.clock.jump(1);
    const resolve = answerLate(all);
    b.shared.sync(b.context);
    await all.clock.settle();
    await b.fail();
    resolve();
    await b.context.ended();
    expect(b.breaker.state).toBe("open");
    await b.sync();
    all.clock.jump(1000);
    await a.sync();
    expect(a.breaker.state).toBe("open");
  });

  it("sends when what it knows is old, or when there is something new, and one message at a time", async () => {
    const all = world();
    const a = isolate(all);
    await a.sync();
    await a.sync();
    expect(all.namespace.messages).toBe(1);
    all.clock.jump(1000);
    a.shared.sync(a.context);
    a.shared.sync(a.context);
    await a.context.ended();
    expect(all.namespace.messages).toBe(2);
    await a.fail();
    await a.sync();
    expect([all.namespace.messages, all.clock.pending]).toEqual([3, 0]);
  });

  it("goes on without an object that fails, asks it less and less often, and tells it all afterwards", async () => {
    const all = world();
    const [a, b] = [isolate(all), isolate(all)];
    const { handle } = all.namespace;
    all.namespace.handle = async () => new Response("broken", { status: 500 });
    await a.fail();
    await a.sync();
    expect([a.breaker.state, a.shared.failures]).toEqual(["open", 1]);
    expect(String(a.errors[0])).toBe("Error: The Durable Object answers 500: broken");
    all.clock.jump(1999);
    await a.sync();
    expect(a.shared.failures).toBe(1);
    all.clock.jump(1);
    await a.sync();
    expect(a.shared.failures).toBe(2);
    all.namespace.handle = handle;
    all.clock.jump(2500);
    await a.sync();
    expect(a.shared.refreshes).toBe(0);
    all.clock.jump(1500 - 1100);
    await a.fail();
    all.clock.jump(1100);
    await a.fail();
    await a.sync();
    await b.sync();
    expect([a.shared.refreshes, b.breaker.state]).toEqual([1, "open"]);
  });

  it("waits for an answer no longer than its time, and for a killed request neither", async () => {
    const all = world();
    const a = isolate(all, { timeoutMs: 100 });
    all.namespace.handle = () => new Promise(() => {});
    a.shared.sync(a.context);
    await all.clock.advance(100);
    await a.context.ended();
    expect(a.errors).toEqual([expect.objectContaining({ code: "ERR_TIMEOUT", timeoutMs: 100 })]);
    all.clock.jump(2000);
    a.shared.sync(a.context);
    await all.clock.settle();
    all.clock.dropTimers();
    all.clock.jump(1099);
    a.shared.sync(a.context);
    expect(all.namespace.messages).toBe(2);
    all.clock.jump(1);
    a.shared.sync(a.context);
    await all.clock.settle();
    expect(all.namespace.messages).toBe(3);
  });

  it("takes an answer of another version for a failure", async () => {
    const all = world();
    const a = isolate(all);
    all.namespace.handle = async () => Response.json({ version: 2, circuits: [], limits: [] });
    await a.sync();
    expect(String(a.errors[0])).toBe("TypeError: A message of version 1 was expected, not 2");
  });

  itRefuses(
    [
      () => durableState({ namespace: missing }),
      "`durableState.namespace` must be the binding of a Durable Object, with `idFromName` and `get`, got undefined",
    ],
    [
      () => durableState({ namespace: world().namespace, breakers: [circuitBreaker(), circuitBreaker()] }),
      '`durableState.breakers` must be breakers with names of their own, each of at most 512 characters, got "default"',
    ],
    [
      () => durableState({ namespace: world().namespace, refreshMs: 0 }),
      "`durableState.refreshMs` must be a number above 0 and at most 2147483647, got 0",
    ],
  );
});

describe("durableState.rateLimitBackend", () => {
  function limited(all: ReturnType<typeof world>) {
    const each = isolate(all);
    const backend = each.shared.rateLimitBackend("api");
    return { ...each, limit: rateLimit({ limit: 10, windowMs: 60_000, backend, clock: all.clock }) };
  }

  it("decides at once, and counts the others from the next message on", async () => {
    const all = world();
    const [a, b] = [limited(all), limited(all)];
    expect(await a.limit.tryAcquire("k", 7)).toMatchObject({ allowed: true, remaining: 3 });
    expect(await b.limit.tryAcquire("k", 2)).toMatchObject({ allowed: true, remaining: 8 });
    await a.sync();
    await b.sync();
    expect(await b.limit.tryAcquire("k", 2)).toMatchObject({ allowed: false, remaining: 1 });
    expect(await b.limit.tryAcquire("other", 9)).toMatchObject({ allowed: true });
  });

  it("counts once what goes through while a message is under way", async () => {
    const all = world();
    const [a, b] = [limited(all), limited(all)];
    await a.limit.tryAcquire("k", 5);
    const arrive = answerLate(all);
    a.shared.sync(a.context);
    await all.clock.settle();
    await a.limit.tryAcquire("k", 2);
    arrive();
    await a.context.ended();
    expect(await a.limit.tryAcquire("k", 4)).toMatchObject({ allowed: false, remaining: 3 });
    all.clock.jump(1000);
    await a.sync();
    await b.limit.tryAcquire("k", 1);
    await b.sync();
    expect(await b.limit.tryAcquire("k", 3)).toMatchObject({ allowed: false, remaining: 2 });
  });

  it("never counts more than an empty burst, and forgets nothing that failed to arrive", async () => {
    const all = world();
    const [a, b] = [limited(all), limited(all)];
    const { handle } = all.namespace;
    all.namespace.handle = () => Promise.reject(new Error("gone"));
    await a.limit.tryAcquire("k", 9);
    await b.limit.tryAcquire("k", 9);
    await a.sync();
    all.namespace.handle = handle;
    all.clock.jump(2000);
    await a.sync();
    await b.sync();
    const refused = await b.limit.tryAcquire("k", 10);
    expect(refused).toMatchObject({ allowed: false, remaining: 0, resetMs: 60_000, retryAfterMs: 60_000 });
  });
});

describe("HeadgateState", () => {
  it("refuses what is no message of its version", async () => {
    const { object } = world();
    const post = (body: string) => object.fetch(new Request("https://x.invalid/", { method: "POST", body }));
    const bodies = ["", "{}", '{"version":1}', '{"version":1,"circuits":[{"name":"a","epoch":-1}],"limits":[]}'];
    const answers = await Promise.all(bodies.map(post));
    expect(answers.map(({ status }) => status)).toEqual([400, 400, 400, 400]);
    expect((await object.fetch(new Request("https://x.invalid/"))).status).toBe(405);
  });

  it("forgets what is over when its alarm rings, and sets another one for what is not", async () => {
    const all = world();
    const a = isolate(all);
    await a.fail();
    await a.sync();
    const { storage } = all.state;
    expect([[...storage.stored.keys()], storage.alarmMs]).toEqual([["circuit:api"], 1_000_000 + 3_600_000]);
    all.clock.jump(3_600_000);
    await all.object.alarm();
    expect([storage.stored.size, storage.alarmMs]).toEqual([1, 1_000_000 + 7_200_000]);
    all.clock.jump(3_600_000);
    storage.alarmMs = null;
    await all.object.alarm();
    expect([storage.stored.size, storage.alarmMs]).toEqual([0, null]);
  });
});
