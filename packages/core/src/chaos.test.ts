import {
  chaos,
  ChaosError,
  type ChaosOptions,
  circuitBreaker,
  concurrencyLimit,
  consecutiveFailures,
  constantBackoff,
  type Injection,
  pipeline,
  retry,
  timeout,
} from "@headgate/core";
import { EventRecorder, SeededRandom, TestClock } from "@headgate/core/testing";
import { describe, expect, it } from "vitest";
import { heldTimers } from "../test/support/leftovers.ts";
import { rejectionOf, watch } from "../test/support/operations.ts";
import { itRefuses } from "../test/support/options.ts";

/** Every call is hit, unless told otherwise. */
function setUp(inject: Injection, options: Partial<ChaosOptions> = {}) {
  const clock = new TestClock();
  const events = new EventRecorder();
  const monkey = chaos({ name: "monkey", rate: 1, inject, random: new SeededRandom(1), clock, ...options });
  const guarded = pipeline({ name: "calls", clock, observer: events.observer }, monkey);
  return { clock, events, monkey, guarded };
}

const fails: Injection = { type: "failure" };

/** How many of so many calls fail. */
async function failuresOf(guarded: ReturnType<typeof setUp>["guarded"], calls: number, key?: string): Promise<number> {
  let failures = 0;
  for (let i = 0; i < calls; i++) if (!(await guarded.attempt(() => i, { key })).ok) failures++;
  return failures;
}

describe("chaos", () => {
  it("fails a call without running it, and tells", async () => {
    const { events, guarded, monkey } = setUp(fails);
    const error = await rejectionOf(guarded.execute(() => expect.unreachable()));
    expect(error).toBeInstanceOf(ChaosError);
    expect(error).toMatchObject({
      code: "ERR_CHAOS",
      policy: "chaos",
      chaos: "monkey",
      injection: "failure",
      refusal: false,
      message: 'The call failed on purpose (chaos "monkey")',
    });
    expect(events.events[0]).toEqual({
      type: "chaos.injected",
      pipeline: "calls",
      name: "monkey",
      injection: "failure",
      attempt: 1,
    });
    expect(monkey.injected).toBe(1);
  });

  it("fails with an error of one's own, made for each call", async () => {
    const made = new Error("503");
    const { guarded } = setUp({ type: "failure", error: (call) => (call.options.key === "a" ? made : "other") });
    expect(await rejectionOf(guarded.execute(() => 1, { key: "a" }))).toBe(made);
    expect(await rejectionOf(guarded.execute(() => 1))).toBe("other");
  });

  it("counts a failure like one of the dependency: outside it retries run and breakers open", async () => {
    const { clock, events, monkey } = setUp(fails);
    const breaker = circuitBreaker({ trip: consecutiveFailures({ maxFailures: 2 }), clock });
    const again = retry({ maxAttempts: 2, backoff: constantBackoff({ delayMs: 0 }), clock });
    const guarded = pipeline({ name: "calls", clock, observer: events.observer }, again, breaker, monkey);
    expect(await guarded.attempt(() => 1)).toMatchObject({ ok: false, outcome: "failure" });
    expect(breaker.state).toBe("open");
    expect(events.of("chaos.injected").map(({ attempt }) => attempt)).toEqual([1, 2]);
  });

  it("returns a value in the operation's place, judged like any other", async () => {
    const { clock, monkey } = setUp({ type: "value", value: () => ({ status: 503 }) });
    const isOverload = (result: unknown) => (result as { status: number }).status === 503;
    const guarded = pipeline({ name: "calls", clock, isOverload }, monkey);
    const result = await guarded.attempt(() => ({ status: 200 }));
    expect(result).toEqual({ ok: true, value: { status: 503 }, outcome: "dropped" });
  });

  it("starts the operation later", async () => {
    const { clock, guarded } = setUp({ type: "latency", delayMs: 20 });
    const call = watch(guarded.execute(() => clock.now()));
    await clock.advance(19);
    expect(call.state).toBe("pending");
    await clock.advance(1);
    expect(call.value).toBe(20);
    expect(await heldTimers(clock)).toBe(0);
  });

  it("draws a delay for each call, and does not wait for one of 0 or less", async () => {
    const delays = [5, 0, -1];
    const { clock, guarded } = setUp({ type: "latency", delayMs: () => delays.shift() ?? 0 });
    const call = watch(guarded.execute(() => clock.now()));
    expect(await guarded.execute(() => clock.now())).toBe(0);
    expect(await guarded.execute(() => clock.now())).toBe(0);
    await clock.advance(5);
    expect(call.value).toBe(5);
  });

  it("hangs until the caller leaves, at once then", async () => {
    const { clock, guarded } = setUp({ type: "hang" });
    const controller = new AbortController();
    const call = watch(guarded.execute(() => expect.unreachable(), { signal: controller.signal }));
    await clock.advance(1000);
    expect(call.state).toBe("pending");
    controller.abort("left");
    await clock.settle();
    expect(call.error).toBe("left");
    expect(clock.pending).toBe(0);
  });

  it.each([{ type: "hang" } as const, { type: "latency", delayMs: 1000 } as const])(
    "runs into a timeout with $type, and holds no permit after it",
    async (inject) => {
      const { clock, monkey } = setUp(inject);
      const limit = concurrencyLimit({ maxConcurrent: 1, clock });
      const guarded = pipeline({ name: "calls", clock }, timeout({ timeoutMs: 10, clock }), limit, monkey);
      const call = watch(guarded.execute(() => expect.unreachable()));
      await clock.advance(10);
      expect(call.error).toMatchObject({ code: "ERR_TIMEOUT" });
      expect([limit.inUse, await heldTimers(clock)]).toEqual([0, 0]);
    },
  );

  it("does not hang for ever: it fails in the end", async () => {
    const { clock, guarded } = setUp({ type: "hang", maxHangMs: 50 });
    const call = watch(guarded.attempt(() => expect.unreachable()));
    await clock.advance(49);
    expect(call.state).toBe("pending");
    await clock.advance(1);
    expect(call.value).toMatchObject({
      ok: false,
      outcome: "failure",
      error: { injection: "hang", message: 'The call hung and was given up (chaos "monkey")' },
    });
    const byDefault = setUp({ type: "hang" });
    const given = watch(byDefault.guarded.execute(() => 1));
    await byDefault.clock.advance(60_000);
    expect(given.state).toBe("rejected");
  });

  it("hits the share of calls that the rate says, the same ones for the same seed", async () => {
    const hits = async (seed: number) => {
      const { guarded } = setUp(fails, { rate: 0.2, random: new SeededRandom(seed) });
      const results: boolean[] = [];
      for (let i = 0; i < 1000; i++) results.push((await guarded.attempt(() => i)).ok);
      return results;
    };
    const first = await hits(1);
    expect(first.filter((ok) => !ok).length).toBeGreaterThan(150);
    expect(first.filter((ok) => !ok).length).toBeLessThan(250);
    expect(await hits(1)).toEqual(first);
    expect(await hits(2)).not.toEqual(first);
  });

  it("lets the rate depend on the call", async () => {
    const { guarded } = setUp(fails, { rate: (call) => (call.options.key === "canary" ? 1 : 0) });
    expect(await failuresOf(guarded, 5, "canary")).toBe(5);
    expect(await failuresOf(guarded, 5)).toBe(0);
  });

  it("draws once for a call that it delays, and never hits at a rate of 0, whatever is drawn", async () => {
    let drawn = 0;
    const random = { next: () => (drawn++, 0) };
    const { clock, monkey, guarded } = setUp({ type: "latency", delayMs: 10 }, { random });
    const call = watch(guarded.execute(() => "late"));
    await clock.advance(10);
    expect(call.value).toBe("late");
    expect([drawn, monkey.injected]).toEqual([1, 1]);
    expect(await failuresOf(setUp(fails, { rate: 0, random }).guarded, 3)).toBe(0);
  });

  it("names its error", async () => {
    const error = await rejectionOf(setUp(fails).guarded.execute(() => 1));
    expect(error).toMatchObject({ name: "ChaosError", code: "ERR_CHAOS" });
  });

  it("never hits at a rate of 0, and not by a rate that is no number", async () => {
    expect(await failuresOf(setUp(fails, { rate: 0 }).guarded, 20)).toBe(0);
    expect(await failuresOf(setUp(fails, { rate: () => Number.NaN }).guarded, 20)).toBe(0);
  });

  it("is switched off by its property and by the option, while it runs", async () => {
    let on = true;
    const { guarded, monkey } = setUp(fails, { enabled: () => on });
    expect(await failuresOf(guarded, 1)).toBe(1);
    on = false;
    expect(await failuresOf(guarded, 1)).toBe(0);
    on = true;
    monkey.enabled = false;
    expect(await failuresOf(guarded, 1)).toBe(0);
    monkey.enabled = true;
    expect(await failuresOf(guarded, 1)).toBe(1);
    expect(monkey.injected).toBe(2);
    const off = setUp(fails, { enabled: false });
    expect(off.monkey.enabled).toBe(false);
    expect(await failuresOf(off.guarded, 1)).toBe(0);
  });

  it("describes itself", () => {
    expect(setUp(fails, { rate: 0.05 }).monkey.describe?.()).toBe("failure in 5 % of calls");
    expect(setUp(fails, { rate: () => 1 }).monkey.describe?.()).toBe("failure by the call");
  });

  describe("drip", () => {
    const drips: Injection = { type: "drip", chunkDelayMs: 10 };

    /** A stream of these chunks, and what it was cancelled with. */
    function source(...chunks: string[]) {
      const cancelled: unknown[] = [];
      const stream = new ReadableStream<string>({
        pull: (controller) => {
          const chunk = chunks.shift();
          if (chunk === undefined) controller.close();
          else controller.enqueue(chunk);
        },
        cancel: (reason) => void cancelled.push(reason),
      });
      return { stream, cancelled };
    }

    it("lets each chunk of a stream come later", async () => {
      const { clock, events, guarded } = setUp(drips);
      const reader = (await guarded.execute(() => source("a", "b").stream)).getReader();
      expect(clock.pending).toBe(0);
      const seen: string[] = [];
      const read = async () => {
        for (let { done, value } = await reader.read(); !done; { done, value } = await reader.read())
          seen.push(`${value}@${clock.now()}`);
        seen.push(`end@${clock.now()}`);
      };
      const reading = watch(read());
      await clock.advance(30);
      expect(seen).toEqual(["a@10", "b@20", "end@30"]);
      expect(reading.state).toBe("fulfilled");
      expect(events.types).toEqual(["chaos.injected", "pipeline.settled"]);
      expect(clock.pending).toBe(0);
    });

    it("stops waiting at once when the stream is cancelled, and cancels the source", async () => {
      const { clock, guarded } = setUp(drips);
      const { stream, cancelled } = source("a", "b");
      const reader = (await guarded.execute(() => stream)).getReader();
      const read = watch(reader.read());
      await clock.settle();
      expect(clock.pending).toBe(1);
      await reader.cancel("enough");
      expect(clock.pending).toBe(0);
      expect(cancelled).toEqual(["enough"]);
      await clock.settle();
      expect(read.value).toEqual({ done: true, value: undefined });
    });

    it("hands an error of the source on", async () => {
      const { clock, guarded } = setUp(drips);
      const failure = new Error("cut off");
      const stream = new ReadableStream({ pull: (controller) => controller.error(failure) });
      const read = watch((await guarded.execute(() => stream)).getReader().read());
      await clock.advance(10);
      expect(read.error).toBe(failure);
    });

    it("slows down the body of a response, which keeps its status and headers", async () => {
      const { clock, guarded } = setUp(drips);
      const body = new ReadableStream<Uint8Array>({
        pull: (controller) => controller.enqueue(Uint8Array.of(clock.now())),
      });
      const response = await guarded.execute(() => new Response(body, { status: 201, headers: { "x-a": "1" } }));
      expect([response.status, response.headers.get("x-a")]).toEqual([201, "1"]);
      const reader = (response.body as ReadableStream<Uint8Array>).getReader();
      const read = watch(reader.read());
      await clock.advance(9);
      expect(read.state).toBe("pending");
      await clock.advance(1);
      expect(read.value?.value?.length).toBe(1);
      await reader.cancel();
      expect(clock.pending).toBe(0);
    });

    it("slows down an async iterable", async () => {
      const { clock, guarded } = setUp(drips);
      async function* numbers() {
        yield* [1, 2];
      }
      const seen: string[] = [];
      const read = async () => {
        for await (const number of await guarded.execute(() => numbers())) seen.push(`${number}@${clock.now()}`);
      };
      watch(read());
      await clock.advance(30);
      expect(seen).toEqual(["1@10", "2@20"]);
    });

    it("leaves alone what does not stream, and what was thrown", async () => {
      const { guarded } = setUp(drips);
      const value = { plain: true };
      expect(await guarded.execute(() => value)).toBe(value);
      expect(await guarded.execute(() => undefined)).toBe(undefined);
      const empty = new Response(null, { status: 204 });
      expect(await guarded.execute(() => empty)).toBe(empty);
      const failure = new Error("down");
      expect(await rejectionOf(guarded.execute(() => Promise.reject(failure)))).toBe(failure);
    });
  });

  const inject = fails;
  itRefuses(
    [() => chaos({ rate: 2, inject }), "`chaos.rate` must be a number of at least 0 and at most 1, got 2"],
    [() => chaos({ inject } as never), "`chaos.rate` must be a number of at least 0 and at most 1, got undefined"],
    [() => chaos({ rate: 1, inject, name: "" }), '`chaos.name` must be a string that is not empty, got ""'],
    [() => chaos({ rate: 1, inject, enabled: "on" as never }), '`chaos.enabled` must be a function, got "on"'],
    [
      () => chaos({ rate: 1 } as never),
      '`chaos.inject.type` must be "latency", "failure", "value", "hang" or "drip", got undefined',
    ],
    [
      () => chaos({ rate: 1, inject: { type: "latency", delayMs: -1 } }),
      "`chaos.inject.delayMs` must be a number of at least 0 and at most 2147483647, got -1",
    ],
    [
      () => chaos({ rate: 1, inject: { type: "failure", error: "x" as never } }),
      '`chaos.inject.error` must be a function, got "x"',
    ],
    [
      () => chaos({ rate: 1, inject: { type: "value", value: 1 as never } }),
      "`chaos.inject.value` must be a function, got 1",
    ],
    [
      () => chaos({ rate: 1, inject: { type: "hang", maxHangMs: Number.POSITIVE_INFINITY } }),
      "`chaos.inject.maxHangMs` must be a number above 0 and at most 2147483647, got Infinity",
    ],
    [
      () => chaos({ rate: 1, inject: { type: "drip", chunkDelayMs: 0 } }),
      "`chaos.inject.chunkDelayMs` must be a number above 0 and at most 2147483647, got 0",
    ],
  );
});
