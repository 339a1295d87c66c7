import {
  type FailedCall,
  type FallbackHandler,
  type Policy,
  ConcurrencyLimitError,
  circuitBreaker,
  concurrencyLimit,
  constantBackoff,
  consecutiveFailures,
  fallback,
  pipeline,
  retry,
  timeout,
} from "@headgate/core";
import { EventRecorder, TestClock } from "@headgate/core/testing";
import { describe, expect, it } from "vitest";
import { heldTimers } from "../test/support/leftovers.ts";
import { manualOperation, rejectionOf, watch } from "../test/support/operations.ts";
import { itRefuses } from "../test/support/options.ts";

const failure = new Error("down");
const fails = () => Promise.reject(failure);

/** A policy that notes the outcomes that come up through its place. */
function outcomes(): Policy & { readonly seen: string[] } {
  const seen: string[] = [];
  return { kind: "outcomes", seen, leave: (call) => (seen.push(call.outcome), "pass") };
}

/** A handler that goes on until the test settles it. */
function manualHandler() {
  const handled: { failed: FailedCall; resolve(value: unknown): void; reject(error: unknown): void }[] = [];
  const handler: FallbackHandler = (failed) =>
    new Promise((resolve, reject) => {
      handled.push({ failed, resolve, reject });
    });
  return { handler, handled };
}

/** A handler that tells how often it was asked: one that throws would only be passed over. */
function countedHandler(): FallbackHandler & { runs: number } {
  const handler = Object.assign(
    (): string => {
      handler.runs++;
      return "instead";
    },
    { runs: 0 },
  );
  return handler;
}

describe("fallback", () => {
  it("leaves a call that succeeds alone", async () => {
    const never = countedHandler();
    const guarded = pipeline("fine", fallback({ handlers: [never] }));
    expect(await guarded.execute(() => "itself")).toBe("itself");
    expect(await guarded.execute(async () => undefined)).toBe(undefined);
    expect(never.runs).toBe(0);
  });

  it.each<[string, FallbackHandler]>([
    ["returns", () => "instead"],
    ["resolves to", async () => "instead"],
  ])("answers with what its handler %s, and tells the policies further out of a success", async (_, handler) => {
    const outer = outcomes();
    const inner = outcomes();
    const policy = fallback({ handlers: [handler] });
    const guarded = pipeline("answered", outer, policy, inner);
    expect(await guarded.execute(fails)).toBe("instead");
    expect(await guarded.attempt(fails)).toEqual({ ok: true, value: "instead", outcome: "success" });
    expect([outer.seen, inner.seen]).toEqual([
      ["success", "success"],
      ["failure", "failure"],
    ]);
    expect(policy.used).toBe(2);
  });

  it("tells a handler the failure, how it counts, how often the call ran and until when there is time", async () => {
    const clock = new TestClock(1000);
    const seen: FailedCall[] = [];
    const handler = (failed: FailedCall) => seen.push(failed);
    const guarded = pipeline(
      { name: "told", clock },
      timeout({ timeoutMs: 500, clock }),
      fallback({ handlers: [handler] }),
      retry({ maxAttempts: 2, backoff: constantBackoff({ delayMs: 0 }), clock }),
    );
    await guarded.execute(fails);
    await guarded.execute(() => 503, { isOverload: (result) => result === 503 });
    expect(seen).toMatchObject([
      { result: failure, threw: true, outcome: "failure", attempts: 2, handlerResults: [] },
      { result: 503, threw: false, outcome: "dropped", attempts: 2, handlerResults: [] },
    ]);
    let deadline: number | undefined;
    const timed = pipeline(
      { name: "timed", clock },
      fallback({ handlers: [(failed) => (deadline = failed.deadline)] }),
      timeout({ timeoutMs: 1, clock }),
    );
    await timed.execute(fails);
    expect(deadline).toBe(Number.POSITIVE_INFINITY);
    await timed.execute(fails, { deadline: 1200 });
    expect(deadline).toBe(1200);
    expect(await heldTimers(clock)).toBe(0);
  });

  it("goes on to the next handler when one fails, sooner or later, and tells it why", async () => {
    const { observer, events } = new EventRecorder();
    const [first, second] = [new Error("first"), new Error("second")];
    const told: unknown[] = [];
    const never = countedHandler();
    const handlers: FallbackHandler[] = [
      () => {
        throw first;
      },
      async () => {
        throw second;
      },
      ({ result, handlerResults }) => {
        told.push(result, ...handlerResults);
        return "third";
      },
      never,
    ];
    const guarded = pipeline({ name: "chain", observer }, fallback({ handlers }));
    expect(await guarded.execute(fails)).toBe("third");
    expect(told).toEqual([failure, first, second]);
    expect(never.runs).toBe(0);
    const about = { pipeline: "chain", result: failure };
    expect(events.slice(0, -1)).toEqual([
      { type: "fallback.failed", ...about, handler: 0, handlerResult: first },
      { type: "fallback.failed", ...about, handler: 1, handlerResult: second },
      { type: "fallback.used", ...about, handler: 2 },
    ]);
  });

  it.each([
    [
      "throw",
      [
        () => {
          throw new Error("first");
        },
      ],
    ],
    ["reject", [async () => Promise.reject(new Error("first")), async () => Promise.reject(new Error("second"))]],
  ] as const)("gives the caller the call's own failure when all its handlers %s", async (_, handlers) => {
    const outer = outcomes();
    const policy = fallback({ handlers });
    const guarded = pipeline("exhausted", outer, policy);
    expect(await rejectionOf(guarded.execute(fails))).toBe(failure);
    expect(outer.seen).toEqual(["failure"]);
    expect([policy.used, policy.exhausted]).toEqual([0, 1]);
  });

  it("takes a value that `isFailure` recognises for no answer, and gives the call's own failed value", async () => {
    const discarded: number[] = [];
    const options = {
      isFailure: (status: number) => status >= 500,
      discard: (status: number) => discarded.push(status),
    };
    const outer = outcomes();
    const guarded = pipeline("values", outer, fallback({ handlers: [() => 501, async () => 502] }));
    expect(await guarded.execute(() => 500, options)).toBe(500);
    expect(outer.seen).toEqual(["failure"]);
    expect(discarded).toEqual([501, 502]);
  });

  it("discards the failed value that it replaces, but not one that a handler hands on", async () => {
    const discarded: number[] = [];
    const options = {
      isFailure: (status: number) => status >= 500,
      discard: (status: number) => discarded.push(status),
    };
    expect(await pipeline("a", fallback({ handlers: [() => 200] })).execute(() => 500, options)).toBe(200);
    expect(discarded).toEqual([500]);
    const same = pipeline("b", fallback({ handlers: [({ result }) => result] }));
    expect(await same.execute(() => 503, options)).toBe(503);
    expect(discarded).toEqual([500]);
  });

  it("goes on to the next handler when `isFailure` throws about the answer of one", async () => {
    const broken = new Error("broken predicate");
    const told: unknown[] = [];
    const isFailure = (value: string) => {
      if (value === "first") throw broken;
      return false;
    };
    const handlers = [() => "first", ({ handlerResults }: FailedCall) => (told.push(...handlerResults), "second")];
    expect(await pipeline("predicate", fallback({ handlers })).execute(fails, { isFailure })).toBe("second");
    expect(told).toEqual([broken]);
  });

  it("answers refusals of our own policies and timeouts inside", async () => {
    const clock = new TestClock();
    const breaker = circuitBreaker({ trip: consecutiveFailures({ maxFailures: 1 }), openMs: 1000, clock });
    const limit = concurrencyLimit({ maxConcurrent: 1, clock });
    const seen: unknown[] = [];
    const handler = ({ result, outcome }: FailedCall) => (seen.push([(result as { code?: string }).code, outcome]), 0);
    const answered = fallback({ handlers: [handler] });
    const guarded = pipeline({ name: "refused", clock }, answered, timeout({ timeoutMs: 10, clock }), limit, breaker);
    const { operation } = manualOperation<number>();
    const slow = watch(guarded.execute(operation));
    await guarded.execute(fails);
    await clock.advance(10);
    await pipeline("open", fallback({ handlers: [handler] }), breaker).execute(fails);
    expect(slow.value).toBe(0);
    expect(seen).toEqual([
      ["ERR_CONCURRENCY_LIMIT", "ignored"],
      ["ERR_TIMEOUT", "dropped"],
      ["ERR_CIRCUIT_OPEN", "ignored"],
    ]);
    expect(await heldTimers(clock)).toBe(0);
  });

  it("hands on how long a policy inside will go on refusing, when no handler has an answer", async () => {
    const refused: Policy = {
      kind: "refusing",
      enter: (call) => call.refuse(() => new ConcurrencyLimitError("full", 1, 0), 25),
    };
    const seen: unknown[] = [];
    const outer: Policy = { kind: "outer", leave: (call) => (seen.push(call.outcome, call.refusedForMs), "pass") };
    const handlers = [() => Promise.reject(new Error("no"))];
    const error = await rejectionOf(pipeline("refused", outer, fallback({ handlers }), refused).execute(() => 1));
    expect(error).toMatchObject({ code: "ERR_CONCURRENCY_LIMIT", pipeline: "refused" });
    expect(seen).toEqual(["ignored", 25]);
  });

  it("asks `shouldFallback` which failures it is to answer", async () => {
    const asked: unknown[] = [];
    const shouldFallback = ({ result }: FailedCall) => (asked.push(result), result !== failure);
    const guarded = pipeline("choosy", fallback({ handlers: [() => "instead"], shouldFallback }));
    const other = new Error("other");
    expect(await rejectionOf(guarded.execute(fails))).toBe(failure);
    expect(await guarded.execute(() => Promise.reject(other))).toBe("instead");
    expect(asked).toEqual([failure, other]);
  });

  it("rejects with what `shouldFallback` throws", async () => {
    const broken = new Error("broken predicate");
    const shouldFallback = (): never => {
      throw broken;
    };
    const guarded = pipeline("broken", fallback({ handlers: [() => 1], shouldFallback }));
    expect(await rejectionOf(guarded.execute(fails))).toBe(broken);
  });

  it("never answers a call that its caller has aborted", async () => {
    const reason = new Error("left");
    const never = countedHandler();
    const guarded = pipeline("left", fallback({ handlers: [never], shouldFallback: () => true }));
    const controller = new AbortController();
    const { operation, run } = manualOperation();
    const call = watch(guarded.execute(operation, { signal: controller.signal }));
    controller.abort(reason);
    await new TestClock().settle();
    run(0).reject(failure);
    expect(call.error).toBe(reason);
    const own = new AbortController();
    const selfMade = guarded.execute(() => (own.abort(reason), fails()), { signal: own.signal });
    expect(await rejectionOf(selfMade)).toBe(reason);
    const thrown = new AbortController();
    const throwing = (): never => {
      thrown.abort(reason);
      throw failure;
    };
    await rejectionOf(guarded.execute(throwing, { signal: thrown.signal }));
    expect(never.runs).toBe(0);
  });

  it("ends at once, and aborts the handler's signal with the caller's reason, when the caller leaves", async () => {
    const clock = new TestClock();
    const { handler, handled } = manualHandler();
    const never = countedHandler();
    const discarded: unknown[] = [];
    const guarded = pipeline("leaving", timeout({ clock }), fallback({ handlers: [handler, never] }));
    const controller = new AbortController();
    const call = watch(
      guarded.execute(fails, { signal: controller.signal, discard: (value) => discarded.push(value) }),
    );
    await clock.settle();
    const [{ failed, resolve }] = handled as [(typeof handled)[0]];
    expect(failed.signal.aborted).toBe(false);
    const reason = new Error("left");
    controller.abort(reason);
    await clock.settle();
    expect(failed.signal.reason).toBe(reason);
    expect(call.error).toBe(reason);
    resolve("late");
    await clock.settle();
    expect(discarded).toEqual(["late"]);
    expect(never.runs).toBe(0);
    expect(await heldTimers(clock)).toBe(0);
  });

  it("ends a handler at the deadline of a timeout further out, and drops what comes later", async () => {
    const clock = new TestClock();
    const { handler, handled } = manualHandler();
    const never = countedHandler();
    const policy = fallback({ handlers: [handler, never] });
    const guarded = pipeline({ name: "late", clock }, timeout({ timeoutMs: 50, clock }), policy);
    const call = watch(guarded.execute(fails));
    await clock.settle();
    const [{ failed, reject }] = handled as [(typeof handled)[0]];
    const { signal } = failed;
    await clock.advance(50);
    expect(call.error).toMatchObject({ code: "ERR_TIMEOUT" });
    expect(signal.reason).toBe(call.error);
    reject(new Error("late"));
    await clock.settle();
    expect([policy.used, policy.exhausted]).toEqual([0, 0]);
    expect(never.runs).toBe(0);
    expect(await heldTimers(clock)).toBe(0);
  });

  it("gives a handler that reads its signal only after the call has ended one that has aborted", async () => {
    const clock = new TestClock();
    const { handler, handled } = manualHandler();
    const guarded = pipeline(
      { name: "late", clock },
      timeout({ timeoutMs: 50, clock }),
      fallback({ handlers: [handler] }),
    );
    const call = watch(guarded.execute(fails));
    await clock.advance(50);
    expect(handled[0]?.failed.signal.reason).toBe(call.error);
  });

  it("asks no further handler when one has ended the call itself, and discards what that returns", async () => {
    const reason = new Error("left");
    const value = { stale: true };
    const endings: FallbackHandler[] = [
      () => value,
      () => {
        throw new Error("late");
      },
    ];
    for (const ending of endings) {
      const controller = new AbortController();
      const discarded: unknown[] = [];
      const first: FallbackHandler = async () => {
        throw new Error("first");
      };
      const leaving: FallbackHandler = (failed) => {
        controller.abort(reason);
        return ending(failed);
      };
      const never = countedHandler();
      const policy = fallback({ handlers: [first, leaving, never] });
      const { observer, events } = new EventRecorder();
      const guarded = pipeline({ name: "left", observer }, policy);
      const options = { signal: controller.signal, discard: (given: unknown) => discarded.push(given) };
      expect(await rejectionOf(guarded.execute(fails, options))).toBe(reason);
      expect(never.runs).toBe(0);
      expect(discarded).toEqual(ending === endings[0] ? [value] : []);
      expect(policy).toMatchObject({ used: 0, exhausted: 0 });
      expect(events.map(({ type }) => type)).toEqual(["fallback.failed", "pipeline.settled"]);
    }
  });

  it("discards nothing that was thrown", async () => {
    const discarded: unknown[] = [];
    const discard = (value: unknown) => discarded.push(value);
    const failing: FallbackHandler = () => Promise.reject(new Error("handler"));
    const guarded = pipeline("thrown", fallback({ handlers: [failing, () => "instead"] }));
    expect(await guarded.execute(fails, { discard })).toBe("instead");
    const left = manualHandler();
    const controller = new AbortController();
    const call = watch(
      pipeline("left", fallback({ handlers: [left.handler] })).execute(fails, { discard, signal: controller.signal }),
    );
    await Promise.resolve();
    await Promise.resolve();
    controller.abort(new Error("left"));
    left.handled[0]?.reject(new Error("late"));
    await new TestClock().settle();
    expect(call.state).toBe("rejected");
    expect(discarded).toEqual([]);
  });

  it("leaves alone what says nothing about the dependency, and restores the failure between handlers", async () => {
    const never = countedHandler();
    const ignoring = pipeline("ignored", fallback({ handlers: [never] }));
    expect(await rejectionOf(ignoring.execute(fails, { isIgnored: () => true }))).toBe(failure);
    expect(never.runs).toBe(0);
    const seen = outcomes();
    const handlers: FallbackHandler[] = [() => 429, () => 503];
    const guarded = pipeline("restored", seen, fallback({ handlers }));
    const isOverload = (result: unknown) => result === 429 || result === 503;
    expect(await guarded.attempt(fails, { isOverload })).toEqual({ ok: false, error: failure, outcome: "failure" });
    expect(seen.seen).toEqual(["failure"]);
  });

  it("gives every handler of a call the same signal", async () => {
    const signals: AbortSignal[] = [];
    const reading: FallbackHandler = (failed) => {
      signals.push(failed.signal, failed.signal);
      throw failure;
    };
    await rejectionOf(pipeline("signals", fallback({ handlers: [reading, reading] })).execute(fails));
    expect(new Set(signals).size).toBe(1);
    expect(signals[0]?.aborted).toBe(false);
  });

  it("runs the handlers of each call apart, and again for the next call", async () => {
    const clock = new TestClock();
    const { handler, handled } = manualHandler();
    const guarded = pipeline("apart", fallback({ handlers: [handler] }));
    const calls = [1, 2].map((n) => watch(guarded.execute(() => Promise.reject(new Error(`failure ${n}`)))));
    await clock.settle();
    handled[1]?.resolve("second");
    handled[0]?.reject(new Error("no"));
    await clock.settle();
    expect(calls[0]?.error).toMatchObject({ message: "failure 1" });
    expect(calls[1]?.value).toBe("second");
  });

  it("says how many handlers it has", () => {
    expect(fallback({ handlers: [() => 1] }).describe?.()).toBe("1 handler");
    expect(fallback({ handlers: [() => 1, () => 2] }).describe?.()).toBe("2 handlers");
  });

  itRefuses(
    [
      () => fallback({ handlers: undefined as never }),
      "`fallback.handlers` must be an array of at least one function, got undefined",
    ],
    [() => fallback({ handlers: [] }), "`fallback.handlers` must be an array of at least one function, got an array"],
    [() => fallback({ handlers: [() => 1, 2 as never] }), "`fallback.handlers[1]` must be a function, got 2"],
    [
      () => fallback({ handlers: [() => 1], shouldFallback: true as never }),
      "`fallback.shouldFallback` must be a function, got true",
    ],
  );
});
