import { pipeline, retryBudget, type RetryPermit } from "@headgate/core";
import { TestClock } from "@headgate/core/testing";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { propertyRuns, propertyTimeoutMs } from "../test/support/property-runs.ts";
import { Call } from "./call.ts";

const step = fc.oneof(
  { weight: 4, arbitrary: fc.constant({ type: "start" as const }) },
  { weight: 3, arbitrary: fc.constant({ type: "end" as const }) },
  { weight: 5, arbitrary: fc.constant({ type: "retry" as const }) },
  { weight: 4, arbitrary: fc.record({ type: fc.constant("release" as const), which: fc.nat() }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant("wait" as const), ms: fc.integer({ min: 1, max: 1500 }) }) },
);

const settings = fc.record({
  ratio: fc.constantFrom(0, 0.1, 0.2, 0.5, 1),
  windowMs: fc.constantFrom(10, 1000, 3000),
  minPerSecond: fc.constantFrom(0, 1, 2.5),
  minConcurrent: fc.integer({ min: 0, max: 3 }),
});

/** The same in the plainest way: everything that has happened, with its time. */
class Model {
  readonly calls: number[] = [];
  readonly retries: { readonly atMs: number; ended: boolean }[] = [];
  inFlight = 0;
  readonly #windowMs: number;
  readonly #now: () => number;

  constructor(windowMs: number, now: () => number) {
    this.#windowMs = windowMs;
    this.#now = now;
  }

  recent = (atMs: number): boolean => {
    const bucketOf = (ms: number) => Math.floor(ms / (this.#windowMs / 10));
    return bucketOf(this.#now()) - bucketOf(atMs) < 10;
  };

  get callsInWindow(): number {
    return this.calls.filter(this.recent).length;
  }

  get retriesInWindow(): number {
    return this.retries.filter(({ atMs }) => this.recent(atMs)).length;
  }

  get retrying(): number {
    return this.retries.filter(({ atMs, ended }) => !ended && this.recent(atMs)).length;
  }
}

describe("retryBudget", () => {
  it(
    "decides as its definition does, whatever has happened before",
    () => {
      fc.assert(
        fc.property(settings, fc.array(step, { maxLength: 80 }), (options, steps) => {
          const clock = new TestClock();
          const budget = retryBudget({ ...options, clock });
          const model = new Model(options.windowMs, () => clock.now());
          const permits: { readonly permit: RetryPermit; readonly retry: { ended: boolean } }[] = [];
          const call = new Call(pipeline({ name: "calls", clock }), () => {}, {});
          const take = () => {
            const inWindow = options.ratio * model.callsInWindow + (options.minPerSecond * options.windowMs) / 1000;
            const calls = Math.min(model.inFlight, model.callsInWindow);
            const atOnce = Math.max(options.minConcurrent, options.ratio * calls);
            const allowed = model.retriesInWindow + 1 <= inWindow + 1e-9 && model.retrying + 1 <= atOnce + 1e-9;
            const permit = budget.tryAcquire(call);
            expect(permit !== false).toBe(allowed);
            if (typeof permit === "boolean") return;
            const retry = { atMs: clock.now(), ended: false };
            model.retries.push(retry);
            permits.push({ permit, retry });
          };
          for (const step of steps) {
            if (step.type === "wait") clock.jump(step.ms);
            else if (step.type === "start") {
              budget.callStarted?.(call);
              model.calls.push(clock.now());
              model.inFlight++;
            } else if (step.type === "end" && model.inFlight > 0) {
              budget.callEnded?.();
              model.inFlight--;
            } else if (step.type === "release" && permits.length > 0) {
              const [taken] = permits.splice(step.which % permits.length, 1);
              taken?.permit.release();
              if (taken !== undefined) taken.retry.ended = true;
            } else if (step.type === "retry") take();
            expect([budget.callsInFlight, budget.retriesInFlight]).toEqual([model.inFlight, model.retrying]);
          }
        }),
        propertyRuns(0.2),
      );
    },
    propertyTimeoutMs,
  );
});
