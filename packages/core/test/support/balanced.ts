// Calls that are spread over endpoints, and what became of them.
import { loadBalance, type LoadBalanceOptions, pipeline, type Policy } from "@headgate/core";
import { EventRecorder, SeededRandom, TestClock } from "@headgate/core/testing";

/** Counts as an answer of overload. */
export const busy = Object.assign(new Error("busy"), { retryAfterMs: 40_000 });

/** Chance of which endpoints are compared: pairs of places among so many. */
export class Pairs {
  readonly #length: number;
  readonly #drawn: number[] = [];

  constructor(length: number) {
    this.#length = length;
  }

  draw(first: number, second: number): void {
    const length = this.#length;
    const further = (second - first - 1 + length) % length;
    this.#drawn.push(first / length, (further + 0.5) / (length - 1));
  }

  next(): number {
    return this.#drawn.shift() ?? 0;
  }
}

/** Endpoints a, b, … in a pipeline, behind these policies. */
export function balanced(count: number, options: Partial<LoadBalanceOptions<string>> = {}, ...outside: Policy[]) {
  const clock = new TestClock(1000);
  const events = new EventRecorder();
  const endpoints = ["a", "b", "c", "d", "e", "f"].slice(0, count);
  const balance = loadBalance({ endpoints, name: "shards", clock, random: new SeededRandom(1), ...options });
  const isOverload = (result: unknown): boolean => result === busy;
  const calls = pipeline({ name: "shop", clock, observer: events.observer, isOverload }, ...outside, balance);
  const of = (name: string) => balance.snapshot().find((endpoint) => endpoint.name === name)!;
  /** Calls one after the other, whose attempts take so many milliseconds or fail; gives where they went. */
  const run = async (times: number, outcomeOf: (endpoint: string) => number | Error): Promise<string> => {
    let went = "";
    for (let i = 0; i < times; i++) {
      let tookMs = 0;
      const call = calls.attempt(async (context) => {
        const endpoint = balance.of(context);
        went += endpoint;
        const outcome = outcomeOf(endpoint);
        if (outcome instanceof Error) throw outcome;
        tookMs = outcome;
        await clock.sleep(tookMs);
        return endpoint;
      });
      await clock.settle();
      await clock.advance(tookMs);
      await call;
    }
    return went;
  };
  return { clock, events, balance, calls, of, run };
}

/** How many of the calls went to this endpoint. */
export const share = (went: string, endpoint: string): number => went.split(endpoint).length - 1;
