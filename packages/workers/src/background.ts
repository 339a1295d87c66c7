// Work that outlasts its response: bounded, with a time limit, counted. `waitUntil` alone is none of it, and what rejects
// there is told to nobody.
import { type Clock, type ClockTimer, systemClock, TimeoutError } from "@headgate/core";
import type { ExecutionContextLike } from "./bindings.ts";
import { checkFunction, checkInteger } from "@headgate/core/options";
import { checkBinding, checkDelay } from "./options.ts";

export interface BackgroundOptions {
  /** Tasks that may run at once; further ones are refused. An integer of at least 1. @default 100 */
  readonly maxConcurrent?: number;
  /** How long a task may run. The platform ends it after 30 s by itself. Above 0, at most 2^31 - 1. @default 30000 */
  readonly timeoutMs?: number;
  /** Is given what a task has thrown, and a `TimeoutError` for one that took too long. @default none */
  readonly onError?: ((error: unknown) => void) | undefined;
  /** @default systemClock */
  readonly clock?: Clock;
}

/** Stands in for the context that it was made with: its `waitUntil` is bounded and counted. */
export interface Background extends ExecutionContextLike {
  /** Tasks that run, and those whose request was killed less than `timeoutMs` ago. */
  readonly running: number;
  /** Tasks that have ended well. */
  readonly done: number;
  /** Tasks that have thrown or took too long. */
  readonly failed: number;
  /** Tasks that found no place, or whose request had ended. */
  readonly refused: number;
  /**
   * Starts a task if there is a place, and says whether it has. The signal aborts when the task's time is up. Whatever
   * the task throws goes to `onError`.
   */
  run(task: (signal: AbortSignal) => unknown): boolean;
  /**
   * Keeps the request alive for work that runs already: the `defer` of a `cache`. Without a place the work goes on, but may
   * be ended with its request. It needs no `this`.
   */
  readonly waitUntil: (work: Promise<unknown>) => void;
}

/** So long after its time a task has surely been killed with its request, its timer with it. */
const graceMs = 1000;

interface Task {
  readonly startedMs: number;
  readonly controller: AbortController | null;
  /** Lets the request end. */
  readonly release: () => void;
  timer: ClockTimer | null;
}

class BackgroundWork implements Background {
  private readonly context: ExecutionContextLike;
  private readonly maxConcurrent: number;
  private readonly timeoutMs: number;
  private readonly onError: ((error: unknown) => void) | undefined;
  private readonly clock: Clock;
  /** In the order in which they started. */
  private readonly tasks = new Set<Task>();
  done = 0;
  failed = 0;
  refused = 0;

  constructor(context: ExecutionContextLike, options: Required<BackgroundOptions>) {
    this.context = context;
    this.maxConcurrent = options.maxConcurrent;
    this.timeoutMs = options.timeoutMs;
    this.onError = options.onError;
    this.clock = options.clock;
  }

  get running(): number {
    return this.tasks.size;
  }

  run(task: (signal: AbortSignal) => unknown): boolean {
    const controller = new AbortController();
    const started = this.start(controller);
    if (started === undefined) return false;
    // An async function, so that what the task throws at once is a rejection as well.
    const work = async (): Promise<unknown> => task(controller.signal);
    this.follow(started, work());
    return true;
  }

  readonly waitUntil = (work: Promise<unknown>): void => {
    const started = this.start(null);
    if (started === undefined) void Promise.resolve(work).catch((error: unknown) => this.report(error));
    else this.follow(started, work);
  };

  private start(controller: AbortController | null): Task | undefined {
    const nowMs = this.clock.now();
    this.forgetKilled(nowMs);
    if (this.tasks.size >= this.maxConcurrent) {
      this.refused++;
      return undefined;
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    try {
      this.context.waitUntil(promise);
    } catch (error) {
      this.refused++;
      this.report(error);
      return undefined;
    }
    const task: Task = { startedMs: nowMs, controller, release: resolve, timer: null };
    this.tasks.add(task);
    task.timer = this.clock.after(this.timeoutMs, () => {
      // One microtask later, as for any timeout: a result that is already there wins.
      void Promise.resolve().then(() => this.expire(task));
    });
    return task;
  }

  private follow(task: Task, work: Promise<unknown>): void {
    void Promise.resolve(work).then(
      () => {
        if (this.end(task)) this.done++;
      },
      (error: unknown) => {
        if (this.end(task)) this.fail(error);
      },
    );
  }

  private expire(task: Task): void {
    if (!this.end(task)) return;
    const error = new TimeoutError(this.timeoutMs, "total");
    task.controller?.abort(error);
    this.fail(error);
  }

  /** False when it has ended before. */
  private end(task: Task): boolean {
    task.timer?.cancel();
    task.release();
    return this.tasks.delete(task);
  }

  private forgetKilled(nowMs: number): void {
    for (const task of this.tasks) {
      if (nowMs - task.startedMs < this.timeoutMs + graceMs) return;
      // Nothing of it is touched: it belongs to a request that is no more.
      this.tasks.delete(task);
      this.fail(new TimeoutError(this.timeoutMs, "total"));
    }
  }

  private fail(error: unknown): void {
    this.failed++;
    this.report(error);
  }

  private report(error: unknown): void {
    try {
      this.onError?.(error);
    } catch {
      // Telling must not stop what is told about.
    }
  }
}

/**
 * Bounds and counts what runs on after the response. Made in a handler from its `ctx` it does so for this request; made once
 * with `{ waitUntil }` of `cloudflare:workers`, for the isolate.
 *
 * @throws {InvalidOptionError} for options out of bounds.
 */
export function background(context: ExecutionContextLike, options: BackgroundOptions = {}): Background {
  const { maxConcurrent = 100, timeoutMs = 30_000, onError, clock = systemClock } = options;
  checkBinding("background.context", "an execution context", context, ["waitUntil"]);
  checkInteger("background.maxConcurrent", maxConcurrent, 1);
  checkDelay("background.timeoutMs", timeoutMs);
  if (onError !== undefined) checkFunction("background.onError", onError);
  return new BackgroundWork(context, { maxConcurrent, timeoutMs, onError, clock });
}
