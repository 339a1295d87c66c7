import { cache, pipeline, TimeoutError } from "@headgate/core";
import { TestClock } from "@headgate/core/testing";
import { background } from "@headgate/workers";
import { describe, expect, it } from "vitest";
import { FakeContext } from "../test/support/fakes.ts";
import { itRefuses, missing } from "../test/support/options.ts";

const never = (): Promise<never> => new Promise(() => {});

function start(options: { maxConcurrent?: number; timeoutMs?: number } = {}) {
  const context = new FakeContext();
  const clock = new TestClock();
  const errors: unknown[] = [];
  const work = background(context, { clock, onError: (error) => errors.push(error), ...options });
  return { context, clock, errors, work };
}

describe("background", () => {
  it("keeps the request alive until a task has ended, and counts it", async () => {
    const { context, clock, work } = start();
    const { promise, resolve } = Promise.withResolvers<void>();
    expect(work.run(() => promise)).toBe(true);
    let ended = false;
    void context.ended().then(() => (ended = true));
    await clock.settle();
    expect([work.running, work.done, ended]).toEqual([1, 0, false]);
    resolve();
    await context.ended();
    expect([work.running, work.done, work.failed, work.refused]).toEqual([0, 1, 0, 0]);
    expect(clock.pending).toBe(0);
  });

  it("reports what a task throws, at once or later, and never rejects", async () => {
    const { context, errors, work } = start();
    const [first, second] = [new Error("at once"), new Error("later")];
    work.run(() => {
      throw first;
    });
    work.run(() => Promise.reject(second));
    await context.ended();
    expect(errors).toEqual([first, second]);
    expect([work.running, work.done, work.failed]).toEqual([0, 0, 2]);
  });

  it("refuses a task beyond the bound, without starting it", async () => {
    const { context, work } = start({ maxConcurrent: 2 });
    let started = 0;
    const task = (): Promise<never> => {
      started++;
      return never();
    };
    expect([work.run(task), work.run(task), work.run(task)]).toEqual([true, true, false]);
    expect([started, work.running, work.refused, context.given.length]).toEqual([2, 2, 1, 2]);
  });

  it("lets the request end when a task's time is up, and aborts its signal with the same error", async () => {
    const { context, clock, errors, work } = start({ timeoutMs: 500 });
    let reason: unknown;
    work.run((signal) => {
      signal.addEventListener("abort", () => (reason = signal.reason));
      return never();
    });
    await clock.advance(499);
    expect(work.running).toBe(1);
    await clock.advance(1);
    await context.ended();
    expect(errors).toEqual([expect.objectContaining({ code: "ERR_TIMEOUT", timeoutMs: 500 })]);
    expect(reason).toBe(errors[0]);
    expect([work.running, work.done, work.failed]).toEqual([0, 0, 1]);
  });

  it("counts a late end of a task once", async () => {
    const { clock, errors, work } = start({ timeoutMs: 500 });
    const { promise, reject } = Promise.withResolvers<void>();
    work.run(() => promise);
    await clock.advance(500);
    reject(new Error("too late"));
    await clock.settle();
    expect([work.done, work.failed, errors.length]).toEqual([0, 1, 1]);
  });

  it("gives a result that is there in the tick of the time limit the first place", async () => {
    const { clock, work } = start({ timeoutMs: 500 });
    const { promise, resolve } = Promise.withResolvers<void>();
    clock.after(500, resolve);
    work.run(() => promise);
    await clock.advance(500);
    expect([work.done, work.failed]).toEqual([1, 0]);
  });

  it("gives back the places of tasks whose request was killed", () => {
    const { clock, errors, work } = start({ maxConcurrent: 1, timeoutMs: 500 });
    work.run(never);
    clock.dropTimers();
    clock.jump(1499);
    expect(work.run(never)).toBe(false);
    clock.jump(1);
    expect(work.run(never)).toBe(true);
    expect([work.running, work.failed, work.refused]).toEqual([1, 1, 1]);
    expect(errors[0]).toBeInstanceOf(TimeoutError);
  });

  it("starts nothing for a request that has ended", () => {
    const gone = new Error("The request has ended");
    const errors: unknown[] = [];
    const context = {
      waitUntil: () => {
        throw gone;
      },
    };
    const work = background(context, { onError: (error) => errors.push(error), clock: new TestClock() });
    let started = false;
    expect(work.run(() => (started = true))).toBe(false);
    expect([started, work.running, work.refused, errors]).toEqual([false, 0, 1, [gone]]);
  });

  it("counts work that runs already, and swallows what it rejects with when there is no place", async () => {
    const { context, clock, errors, work } = start({ maxConcurrent: 1 });
    const { promise, resolve } = Promise.withResolvers<void>();
    const { waitUntil } = work;
    waitUntil(promise);
    waitUntil(Promise.reject(new Error("nobody waits")));
    await clock.settle();
    expect([work.running, work.refused, work.failed]).toEqual([1, 1, 0]);
    expect(errors).toEqual([new Error("nobody waits")]);
    resolve();
    await context.ended();
    expect([work.running, work.done]).toEqual([0, 1]);
  });

  it("stands in for a context, also for another one of its kind", async () => {
    const { context, work } = start();
    const inner = background(work);
    inner.run(() => "done");
    await context.ended();
    expect([inner.done, work.done]).toEqual([1, 1]);
  });

  it("is not stopped by an `onError` that throws", async () => {
    const context = new FakeContext();
    const work = background(context, {
      onError: () => {
        throw new Error("cannot be told");
      },
    });
    work.run(() => Promise.reject(new Error("first")));
    await context.ended();
    expect(work.failed).toBe(1);
  });

  it("keeps the request alive while a cache fetches anew", async () => {
    const { context, clock, work } = start();
    const values = cache({ freshMs: 10, staleWhileRevalidateMs: 1000, defer: work.waitUntil, clock });
    const calls = pipeline({ name: "values", clock }, values);
    let version = 0;
    const read = (): Promise<unknown> => calls.execute(async () => ++version, { key: "a" });
    await read();
    clock.jump(20);
    expect(await read()).toBe(1);
    await context.ended();
    expect([await read(), work.done]).toEqual([2, 1]);
  });

  itRefuses(
    [() => background(missing), "`background.context` must be an execution context, with `waitUntil`, got undefined"],
    [
      () => background(new FakeContext(), { maxConcurrent: 0 }),
      "`background.maxConcurrent` must be an integer of at least 1, got 0",
    ],
    [
      () => background(new FakeContext(), { timeoutMs: 0 }),
      "`background.timeoutMs` must be a number above 0 and at most 2147483647, got 0",
    ],
    [() => background(new FakeContext(), { onError: 1 as never }), "`background.onError` must be a function, got 1"],
  );
});
