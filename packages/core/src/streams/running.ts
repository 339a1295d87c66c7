// What the functions of this folder give back. An async generator alone would not do: its `return()` waits for the read
// that is under way, which may never end, and never runs the `finally` of a generator that was not started.
import { type Clock, type ClockTimer, systemClock } from "../clock.ts";
import { type Source, SourceReader } from "./source.ts";

/** Options of every function of this folder. */
export interface StreamOptions {
  /**
   * Ends the iteration at once when it aborts: the source is released and `next()` rejects with the signal's reason,
   * unchanged. One listener stands on it from the first `next()` to the end.
   */
  readonly signal?: AbortSignal | undefined;
  /** @default systemClock */
  readonly clock?: Clock | undefined;
}

/** What `until` gives when its time is over. */
export const late: unique symbol = Symbol("headgate.late");

/** Why a wait ends when the consumer has left. Nobody sees it. */
const left: unique symbol = Symbol("headgate.left");

/** How long a consumer that leaves waits for the source to clean up. */
const maxReleaseMs = 1_000;

type Release = (reason: unknown) => Promise<unknown> | undefined;

interface Wait {
  readonly fail: (reason: unknown) => void;
  timer: ClockTimer | null;
}

/** One iteration, from its first `next()` to its end: one wait, one timer and one listener at most. */
export class Running<T> implements AsyncIterableIterator<T, undefined, undefined> {
  /** Whether it has ended; why stands in `reason`. */
  ended = false;
  private reason: unknown = undefined;
  /** Whether it ended with an error that `next()` has not given yet. */
  private owing = false;
  private started = false;
  private wait: Wait | null = null;
  private readonly items: AsyncGenerator<T, undefined, undefined>;
  private readonly release: Release;
  private readonly signal: AbortSignal | undefined;
  private readonly clock: Clock;
  private readonly abort = (): void => this.fail(this.signal?.reason);

  /**
   * @param items makes the items; every wait in it goes by way of `until`.
   * @param release lets go of everything at once. Called exactly once, whatever the end.
   */
  constructor(
    { signal, clock = systemClock }: StreamOptions,
    items: (running: Running<T>) => AsyncGenerator<T, undefined, undefined>,
    release: Release,
  ) {
    this.signal = signal;
    this.clock = clock;
    this.release = release;
    this.items = items(this);
  }

  async next(): Promise<IteratorResult<T, undefined>> {
    if (!this.started) this.start();
    if (this.owing) {
      this.owing = false;
      throw this.reason;
    }
    if (this.ended) return { done: true, value: undefined };
    try {
      const result = await this.items.next();
      if (result.done) void this.end(undefined);
      return result;
    } catch (error) {
      void this.end(error);
      this.owing = false;
      if (error === left) return { done: true, value: undefined };
      throw error;
    }
  }

  /** Ends the iteration: the source is released, a `next()` that waits gives `done`. */
  async return(): Promise<IteratorReturnResult<undefined>> {
    this.owing = false;
    await withinRelease(this.clock, this.end(left));
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** Ends the iteration with an error, at once, also while the consumer is busy: it is told by its next `next()`. */
  fail(error: unknown): void {
    if (this.ended) return;
    this.owing = true;
    void this.end(error);
  }

  /**
   * What `promise` gives, or `late` when that takes longer than `limitMs`. Rejects at once with the reason when the
   * iteration ends. One at a time.
   */
  until<V>(promise: Promise<V>): Promise<V>;
  until<V>(promise: Promise<V>, limitMs: number): Promise<V | typeof late>;
  until<V>(promise: Promise<V>, limitMs: number = Number.POSITIVE_INFINITY): Promise<V | typeof late> {
    return new Promise((resolve, reject) => {
      const once =
        <A>(settle: (value: A) => void) =>
        (value: A): void => {
          if (this.wait !== wait) return;
          this.wait = null;
          wait.timer?.cancel();
          settle(value);
        };
      const give = once(resolve);
      const fail = once(reject);
      const wait: Wait = { fail, timer: null };
      this.wait = wait;
      if (this.ended) fail(this.reason);
      else if (limitMs !== Number.POSITIVE_INFINITY) wait.timer = this.clock.after(limitMs, () => give(late));
      promise.then(give, fail);
    });
  }

  private start(): void {
    this.started = true;
    if (this.ended) return;
    if (this.signal?.aborted) this.abort();
    else this.signal?.addEventListener("abort", this.abort);
  }

  private end(reason: unknown): Promise<unknown> | undefined {
    if (this.ended) return undefined;
    this.ended = true;
    this.reason = reason;
    this.signal?.removeEventListener("abort", this.abort);
    this.wait?.fail(reason);
    return this.release(reason === left ? undefined : reason);
  }
}

/** An iteration over one source. */
export function running<T, R>(
  source: Source<T>,
  options: StreamOptions,
  items: (running: Running<R>, reader: SourceReader<T>) => AsyncGenerator<R, undefined, undefined>,
): Running<R> {
  const reader = new SourceReader(source);
  return new Running<R>(
    options,
    (self) => items(self, reader),
    (reason) => reader.release(reason),
  );
}

/** Waits for a source to clean up, but not for ever. */
export async function withinRelease(clock: Clock, released: Promise<unknown> | undefined): Promise<void> {
  if (released === undefined) return;
  await new Promise<void>((resolve) => {
    const timer = clock.after(maxReleaseMs, resolve);
    void released.then(() => {
      timer.cancel();
      resolve();
    });
  });
}
