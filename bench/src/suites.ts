// What is compared: tables of cases, each with the bare operation first. In every table the pipeline is timeout 1 s >
// retry, 4 attempts without delay > circuit breaker over the last 100 calls > 200 calls at once.
import { concurrencyLimit, type Observer, type Pipeline, pipeline, timeout } from "@headgate/core";
import * as Effect from "effect/Effect";
import pLimit from "p-limit";
import { type FourPoliciesOptions, fourPolicies } from "./four-policies.ts";
import { fused } from "./fused.ts";
import { type Case, gate } from "./harness.ts";
import { effectOf, OpossumBreaker } from "./peers.ts";
import { cockatielPolicy } from "./workerd/cockatiel.ts";

export interface Suite {
  readonly title: string;
  readonly note?: string;
  readonly cases: readonly Case[];
}

interface HeadgateOptions extends FourPoliciesOptions {
  readonly name?: string;
  readonly observer?: Observer;
}

function headgate({ name = "benchmark", observer, ...options }: HeadgateOptions = {}): Pipeline {
  return pipeline({ name, observer }, ...fourPolicies(options));
}

function byHand() {
  return fused({
    timeoutMs: 1000,
    maxAttempts: 4,
    maxConcurrent: 200,
    windowCalls: 100,
    maxFailures: 50,
    openMs: 30_000,
  });
}

const succeed = async () => 1;
const readSignal = async ({ signal }: { readonly signal: AbortSignal }) => signal.aborted;
const failure = new Error("The operation failed");
const fail = async () => {
  throw failure;
};

/** The names by which the targets find their figures. */
export const names = {
  bare: "bare",
  fused: "the four policies by hand, fused",
  headgate: "**Headgate**",
  signal: "**Headgate**, caller's signal, operation reads `signal`",
  result: "**Headgate**, `attempt()`",
  cockatiel: "cockatiel",
  opossum: "opossum",
  pLimit: "p-limit",
} as const;

export async function success(): Promise<Suite> {
  const hand = byHand();
  const four = headgate();
  let events = 0;
  const observed = headgate({ observer: () => void events++ });
  const different = Array.from({ length: 12 }, (_, i) => ({
    pipeline: headgate({ name: `pipeline-${i}`, maxConcurrent: 200 + i }),
    hand: byHand(),
    operation: new Function(`return async () => ${i};`)() as () => Promise<number>,
  }));
  const parent = new AbortController().signal;
  const policy = cockatielPolicy();
  const opossum = new OpossumBreaker(succeed);
  const effect = await effectOf(succeed);
  return {
    title: "Success, one call after another",
    note: "opossum has no retry. effect runs an effect that is built once. The bare call is `await operation()`.",
    cases: [
      { name: names.bare, call: succeed },
      { name: names.fused, call: () => hand(succeed) },
      { name: "the same by hand, operation reads `signal`", call: () => hand(readSignal) },
      {
        name: "the same by hand, 12 functions and operations in turn",
        call: (i) => {
          const one = different[i % 12] as (typeof different)[number];
          return one.hand(one.operation);
        },
      },
      { name: names.headgate, call: () => four.execute(succeed) },
      { name: names.signal, call: () => four.execute(readSignal, { signal: parent }) },
      { name: "Headgate with an observer", call: () => observed.execute(succeed) },
      {
        name: "Headgate, 12 pipelines and operations in turn",
        call: (i) => {
          const one = different[i % 12] as (typeof different)[number];
          return one.pipeline.execute(one.operation);
        },
      },
      { name: names.cockatiel, call: () => policy.execute(succeed) },
      { name: "cockatiel, caller's signal, operation reads `signal`", call: () => policy.execute(readSignal, parent) },
      { name: names.opossum, call: () => opossum.current.fire(), before: () => opossum.renew() },
      { name: "effect", call: () => Effect.runPromise(effect) },
    ],
  };
}

/** What each further policy costs: the same pipeline with one policy more, without a timeout. */
export const stack = ["no policy", "+ retry", "+ circuit breaker", "+ concurrency limit"] as const;

export async function stacked(): Promise<Suite> {
  const [, ...policies] = fourPolicies();
  const pipelines = policies.map((_, i) => pipeline(`stack-${i}`, ...policies.slice(0, i + 1)));
  const none = pipeline("none");
  const cases = [none, ...pipelines].map((one, i) => ({
    name: stack[i] as string,
    call: () => one.execute(succeed),
  }));
  return {
    title: "Success, one policy more each time, no timeout",
    cases: [{ name: names.bare, call: succeed }, ...cases],
  };
}

/** One timeout, and a total and an attempt timeout in one pipeline. */
export const timeouts = { one: "one timeout", two: "a total and an attempt timeout" } as const;

export async function twoTimeouts(): Promise<Suite> {
  const one = pipeline("one", ...fourPolicies());
  const two = pipeline("two", ...fourPolicies(), timeout({ timeoutMs: 500 }));
  return {
    title: "Success, total and attempt timeout",
    cases: [
      { name: names.bare, call: succeed },
      { name: timeouts.one, call: () => one.execute(succeed) },
      { name: timeouts.two, call: () => two.execute(succeed) },
    ],
  };
}

export async function queued(): Promise<Suite> {
  const wait = () => gate.promise;
  const four = headgate({ maxQueue: 800 });
  const policy = cockatielPolicy();
  const effect = await effectOf(wait);
  const inFlight = 1000;
  return {
    title: "Success, 1,000 calls in flight, 800 of them queued",
    note: "The bare call is an async function around the operation; it queues nothing: all 1,000 run.",
    cases: [
      { name: names.bare, inFlight, call: awaitGate },
      { name: names.headgate, inFlight, call: () => four.execute(wait) },
      { name: names.cockatiel, inFlight, call: () => policy.execute(wait) },
      { name: "effect", inFlight, call: () => Effect.runPromise(effect) },
    ],
  };
}

export async function limited(): Promise<Suite> {
  const inFlight = 100_000;
  const limit = pipeline("limited", concurrencyLimit({ maxConcurrent: 10, maxQueue: inFlight, maxWaitMs: 60_000 }));
  const pLimited = pLimit(10);
  return {
    title: "100,000 calls behind a limit of 10",
    cases: [
      { name: names.bare, inFlight, call: succeed },
      { name: names.headgate, inFlight, call: () => limit.execute(succeed) },
      { name: names.pLimit, inFlight, call: () => pLimited(succeed) },
    ],
  };
}

export async function refused(): Promise<Suite> {
  const open = headgate({ maxFailures: 1 });
  await open.execute(fail).catch(() => {});
  const policy = cockatielPolicy({ maxFailures: 1 });
  await policy.execute(fail).catch(() => {});
  const opossum = new OpossumBreaker(succeed);
  opossum.current.open();
  const rejects = true;
  return {
    title: "Refused by an open breaker",
    note: "The bare call is a `throw` in an async function, of an error that exists already; everybody else makes one. opossum and cockatiel's errors carry a stack.",
    cases: [
      { name: names.bare, rejects, call: fail },
      { name: names.headgate, rejects, call: () => open.execute(succeed) },
      { name: names.result, call: () => open.attempt(succeed) },
      { name: names.cockatiel, rejects, call: () => policy.execute(succeed) },
      { name: names.opossum, rejects, call: () => opossum.current.fire() },
    ],
  };
}

export async function failing(): Promise<Suite> {
  const never = { maxFailures: 1e9, maxConcurrent: 1000 };
  const four = headgate(never);
  const policy = cockatielPolicy(never);
  const effect = await effectOf(fail, never);
  const kind = { inFlight: 1000, rejects: true };
  return {
    title: "Failure, 4 attempts without delay, 1,000 calls in flight",
    note: "The bare call is a loop. In flight because cockatiel waits for a timer of at least 1 ms before each retry: one after another its calls take over 3 ms.",
    cases: [
      { name: names.bare, ...kind, call: tryFourTimes },
      { name: names.headgate, ...kind, call: () => four.execute(fail) },
      { name: names.cockatiel, ...kind, call: () => policy.execute(fail) },
      { name: "effect", ...kind, call: () => Effect.runPromise(effect) },
    ],
  };
}

async function awaitGate(): Promise<void> {
  await gate.promise;
}

async function tryFourTimes(): Promise<never> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await fail();
    } catch (error) {
      if (attempt === 4) throw error;
    }
  }
}
