import { describe, expect, it } from "vitest";
import { constantBackoff } from "./backoff.ts";
import type { OperationContext } from "./attempt.ts";
import { InvalidOptionError } from "./errors.ts";
import { resilientFetch } from "./fetch/index.ts";
import { pipeline } from "./pipeline.ts";
import { retry } from "./retry.ts";
import { TestClock } from "./testing/index.ts";
import { timeout } from "./timeout.ts";
import type { Tracer } from "./tracer.ts";

function noted(): Tracer & { readonly told: string[] } {
  const told: string[] = [];
  const traced = new Set<unknown>();
  const begun = new Set<OperationContext>();
  return {
    told,
    trace(name, operation) {
      told.push(`${name} begins`);
      const run = (attempt: OperationContext) => {
        begun.add(attempt);
        told.push(`attempt ${attempt.attempt} begins`);
        return operation(attempt);
      };
      traced.add(run);
      return run;
    },
    attemptEnded(attempt, { outcome }) {
      const known = begun.delete(attempt) ? "" : " unknown";
      told.push(`attempt ${attempt.attempt} ends:${known} ${outcome}`);
    },
    settled(call) {
      told.push(`call ends: ${call.outcome}${traced.has(call.operation) ? "" : " unknown"}`);
    },
  };
}

const backoff = constantBackoff({ delayMs: 0 });

describe("Tracer", () => {
  it("is told of a call, of each attempt and of their ends, in order", async () => {
    const clock = new TestClock();
    const tracer = noted();
    const policies = [retry({ maxAttempts: 3, backoff, clock }), timeout({ timeoutMs: 100, clock })];
    const calls = pipeline({ name: "p", clock, tracer }, ...policies);
    const late = Promise.withResolvers<number>();
    const running = calls.execute(async ({ attempt }) => {
      if (attempt === 1) throw new Error("down");
      return attempt === 2 ? late.promise : 7;
    });
    await clock.advance(100);
    expect(await running).toBe(7);
    late.resolve(0);
    await clock.advance(0);
    expect(tracer.told).toEqual([
      "p begins",
      "attempt 1 begins",
      "attempt 1 ends: failure",
      "attempt 2 begins",
      "attempt 2 ends: dropped",
      "attempt 3 begins",
      "attempt 3 ends: success",
      "call ends: success",
    ]);
  });

  it("is told of one that ends at once, and of one that its caller does not want any more", async () => {
    const tracer = noted();
    const calls = pipeline({ name: "p", tracer });
    await calls.execute(() => 7);
    await calls.execute(() => 7, { signal: AbortSignal.abort() }).catch(() => {});
    expect(tracer.told).toEqual([
      "p begins",
      "attempt 1 begins",
      "attempt 1 ends: success",
      "call ends: success",
      "p begins",
      "call ends: ignored",
    ]);
  });

  it("changes nothing when it throws", async () => {
    const broken = () => {
      throw new Error("broken");
    };
    const calls = pipeline({ name: "p", tracer: { trace: broken, attemptEnded: broken, settled: broken } });
    expect(await calls.execute(() => 7)).toBe(7);
    const halfBroken = pipeline({
      name: "p",
      tracer: { trace: (_, operation) => operation, attemptEnded: broken, settled: broken },
    });
    expect(await halfBroken.execute(async () => 8)).toBe(8);
  });

  it("must be one", () => {
    expect(() => pipeline({ name: "p", tracer: {} as Tracer })).toThrow(InvalidOptionError);
  });

  it("is that of the requests of resilientFetch, as its meter counts them", async () => {
    const tracer = noted();
    const settled: string[] = [];
    const meter = { meterOf: () => ({ settled: ({ outcome }: { outcome: string }) => void settled.push(outcome) }) };
    const fetch = async () => new Response("yes");
    await resilientFetch({ fetch, tracer, meter, name: "p" })("http://a.example/");
    const given = pipeline({ name: "p", tracer, meter });
    await resilientFetch({ fetch, pipeline: given })("http://a.example/");
    const once = ["p begins", "attempt 1 begins", "attempt 1 ends: success", "call ends: success"];
    expect(tracer.told).toEqual([...once, ...once]);
    expect(settled).toEqual(["success", "success"]);
  });
});
