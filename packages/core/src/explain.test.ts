import { describe, expect, it } from "vitest";
import {
  circuitBreaker,
  concurrencyLimit,
  consecutiveFailures,
  constantBackoff,
  explain,
  HeadgateError,
  pipeline,
  retry,
  timeout,
} from "./index.ts";
import { TestClock } from "./testing/index.ts";

const failure = new Error("reset");
const fail = () => Promise.reject(failure);
const thrownBy = (call: Promise<unknown>): Promise<unknown> =>
  call.then(
    () => expect.fail("did not throw"),
    (error: unknown) => error,
  );

class BareError extends HeadgateError {
  override get name(): string {
    return "BareError";
  }

  override get message(): string {
    return "of no policy";
  }
}

describe("explain", () => {
  it("names the operation as the one who decided when its error came through", async () => {
    const error = await thrownBy(pipeline("orders", circuitBreaker()).execute(() => Promise.reject(new Error("own"))));
    expect(explain(error)).toEqual({
      pipeline: "orders",
      decidedBy: "operation",
      outcome: "failure",
      attempts: 1,
      earlier: [],
    });
  });

  it("keeps the error as it was thrown", async () => {
    const frozen = Object.freeze(new Error("frozen"));
    expect(await thrownBy(pipeline("orders").execute(() => Promise.reject(frozen)))).toBe(frozen);
    expect(explain(frozen)?.pipeline).toBe("orders");
    expect(Object.keys(frozen)).toEqual([]);
  });

  it("names the policy that refused, and counts no attempt", async () => {
    const guarded = pipeline("orders", circuitBreaker({ trip: consecutiveFailures({ maxFailures: 1 }) }));
    await thrownBy(guarded.execute(fail));
    expect(explain(await thrownBy(guarded.execute(fail)))).toMatchObject({
      decidedBy: "circuit-breaker",
      outcome: "ignored",
      attempts: 0,
    });
  });

  it("names the timeout", async () => {
    const clock = new TestClock();
    const slow = pipeline({ name: "slow", clock }, timeout({ timeoutMs: 10, clock }));
    const error = thrownBy(slow.execute(() => new Promise(() => {})));
    await clock.advance(10);
    expect(explain(await error)).toMatchObject({ decidedBy: "timeout", outcome: "dropped", attempts: 1 });
  });

  it("names the caller", async () => {
    const controller = new AbortController();
    const left = pipeline("left").execute(() => new Promise(() => {}), { signal: controller.signal });
    const reason = new Error("left");
    controller.abort(reason);
    expect(explain(await thrownBy(left))).toMatchObject({ decidedBy: "caller", outcome: "ignored" });
    expect(explain(reason)?.pipeline).toBe("left");
  });

  it("tells the attempts and what the earlier ones ended with", async () => {
    const errors = [new Error("first"), new Error("second"), new Error("third")];
    const tried = pipeline("tried", retry({ maxAttempts: 3, backoff: constantBackoff({ delayMs: 0 }) }));
    const error = await thrownBy(tried.execute(({ attempt }) => Promise.reject(errors[attempt - 1])));
    expect(error).toBe(errors[2]);
    expect(explain(error)).toMatchObject({ attempts: 3, earlier: errors.slice(0, 2) });
  });

  it("tells of the outermost pipeline that saw the error", async () => {
    const inner = pipeline("inner", concurrencyLimit({ maxConcurrent: 1 }));
    const error = await thrownBy(pipeline("outer").execute(() => inner.execute(fail)));
    expect(explain(error)).toMatchObject({ pipeline: "outer", decidedBy: "operation" });
  });

  it("names the operation for an error of its own that comes after the caller has left, and for thrown functions", async () => {
    const controller = new AbortController();
    const own = new Error("own");
    const call = pipeline("late").execute(
      () => {
        controller.abort(new Error("left"));
        throw own;
      },
      { signal: controller.signal },
    );
    expect(await thrownBy(call)).toBe(own);
    expect(explain(own)).toMatchObject({ decidedBy: "operation", outcome: "failure" });
    const thrown: unknown = () => {};
    await thrownBy(pipeline("odd").execute(() => Promise.reject(thrown)));
    expect(explain(thrown)).toMatchObject({ pipeline: "odd", decidedBy: "operation" });
  });

  it("names the operation for what it throws, though it looks as if a policy had", async () => {
    const alike = Object.assign(new Error("alike"), { pipeline: "orders", policy: "timeout" });
    await thrownBy(pipeline("orders").execute(() => Promise.reject(alike)));
    expect(explain(alike)?.decidedBy).toBe("operation");
    const inner = pipeline("inner", circuitBreaker({ trip: consecutiveFailures({ maxFailures: 1 }) }));
    await thrownBy(inner.execute(fail));
    const refused = await thrownBy(pipeline("outer").execute(() => inner.execute(fail)));
    expect(explain(refused)).toMatchObject({ pipeline: "outer", decidedBy: "operation" });
    const late = pipeline("late").execute(() => 1, { deadline: Number.NaN });
    expect(explain(await thrownBy(late))).toMatchObject({ decidedBy: "operation", outcome: "ignored" });
    const bare = Object.assign(new BareError("ERR_BARE"), { pipeline: "bare" });
    await thrownBy(pipeline("bare").execute(() => Promise.reject(bare)));
    expect(explain(bare)?.decidedBy).toBe("operation");
  });

  it("knows nothing of other errors and of what is no object", async () => {
    expect(explain(new Error("elsewhere"))).toBeUndefined();
    const text: unknown = "text";
    await thrownBy(pipeline("strings").execute(() => Promise.reject(text)));
    for (const other of ["text", undefined, null, 1]) expect(explain(other)).toBeUndefined();
  });
});
