// Streams in virtual time: sources that keep to a schedule and say what was done to them wrongly.
import type { Clock } from "@headgate/core";
import type { TestClock } from "@headgate/core/testing";
import fc from "fast-check";
import type { SourceKind } from "./sources.ts";

/** A clock for the code under test, whose timers are counted apart from those of the world around it. */
export class CountedClock implements Clock {
  readonly #world: TestClock;
  /** Timers that are pending. */
  held = 0;

  constructor(world: TestClock) {
    this.#world = world;
  }

  now(): number {
    return this.#world.now();
  }

  after(delayMs: number, callback: () => void) {
    let pending = true;
    const settle = () => {
      if (pending) this.held--;
      pending = false;
    };
    this.held++;
    const timer = this.#world.after(delayMs, () => {
      settle();
      callback();
    });
    return {
      cancel() {
        settle();
        timer.cancel();
      },
      ref() {},
      unref() {},
    };
  }

  sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    return this.#world.sleep(delayMs, signal);
  }
}

/** Gives an item `gapsMs[index]` after it is asked for, whether or not anybody still wants it; then ends or fails. */
export class ScheduledSource<T> {
  readonly #world: TestClock;
  readonly #items: readonly T[];
  readonly #gapsMs: readonly number[];
  readonly #error: Error | undefined;
  #reading = false;
  reads = 0;
  released = 0;
  /** Whether it came to its own end before anybody released it. */
  ended = false;
  /** When each item came. */
  readonly arrivedMs: number[] = [];
  /** What no reader may do. */
  readonly wrongs: string[] = [];

  /** There is one gap more than items: the last is that of the end. */
  constructor(world: TestClock, items: readonly T[], gapsMs: readonly number[], error?: Error) {
    this.#world = world;
    this.#items = items;
    this.#gapsMs = gapsMs;
    this.#error = error;
  }

  as(kind: SourceKind): AsyncIterable<T> | ReadableStream<T> {
    return kind === "iterator" ? this.#iterable() : this.#stream();
  }

  /** Wrong unless it was let go of exactly once, by its own end or by a release. */
  verdict(): readonly string[] {
    const times = this.released + (this.ended ? 1 : 0);
    return times === 1 ? this.wrongs : [...this.wrongs, `let go of ${times} times`];
  }

  async #next(): Promise<IteratorResult<T, undefined>> {
    if (this.#reading) this.wrongs.push("two reads at once");
    if (this.released > 0 || this.ended) this.wrongs.push("a read after the end");
    this.#reading = true;
    const index = this.reads++;
    const gapMs = this.#gapsMs[index] ?? 0;
    if (gapMs > 0) await this.#world.sleep(gapMs);
    this.#reading = false;
    const item = this.#items[index];
    if (item !== undefined) {
      this.arrivedMs.push(this.#world.now());
      return { done: false, value: item };
    }
    if (this.#error !== undefined) throw this.#error;
    return { done: true, value: undefined };
  }

  /** Its end reaches the reader now. A release that crossed with it on the way was the end. */
  #end(): void {
    this.ended = this.released === 0;
  }

  #iterable(): AsyncIterable<T> {
    return {
      [Symbol.asyncIterator]: () => ({
        next: () => {
          const result = this.#next();
          // These run just before what the reader does with the result.
          result.then(
            ({ done }) => done && this.#end(),
            () => this.#end(),
          );
          return result;
        },
        return: async () => {
          this.released++;
          return { done: true, value: undefined };
        },
      }),
    };
  }

  #stream(): ReadableStream<T> {
    return new ReadableStream<T>(
      {
        pull: async (controller) => {
          const result = await this.#next().catch((error: unknown) => ({ error }));
          if (this.released > 0) return;
          if ("error" in result) controller.error(result.error);
          else if (result.done) controller.close();
          else return controller.enqueue(result.value);
          this.#end();
        },
        cancel: () => {
          this.released++;
        },
      },
      { highWaterMark: 0 },
    );
  }
}

/** How an iteration is brought to its end before its time. */
export type Stop =
  | { readonly kind: "none" }
  | { readonly kind: "abort"; readonly atMs: number }
  | { readonly kind: "break"; readonly after: number };

export const anyStop: fc.Arbitrary<Stop> = fc.oneof(
  fc.constant({ kind: "none" as const }),
  fc.record({ kind: fc.constant("abort" as const), atMs: fc.nat(40) }),
  fc.record({ kind: fc.constant("break" as const), after: fc.integer({ min: 1, max: 6 }) }),
);

export const anyKind: fc.Arbitrary<SourceKind> = fc.constantFrom("iterator", "stream");

export interface Consumed<T> {
  readonly taken: { readonly item: T; readonly atMs: number }[];
  state: "running" | "fulfilled" | "rejected";
  error: unknown;
  endedMs: number;
}

/**
 * Takes items, is busy with each for a while and leaves when told; `abort` is called at its time. `observe` is called
 * each time that everything has come to rest.
 */
export async function consume<T>(
  world: TestClock,
  items: AsyncIterable<T>,
  { busyMs, stop, abort, observe }: ConsumeOptions<T>,
): Promise<Consumed<T>> {
  const consumed: Consumed<T> = { taken: [], state: "running", error: undefined, endedMs: 0 };
  const take = async () => {
    for await (const item of items) {
      consumed.taken.push({ item, atMs: world.now() });
      if (stop.kind === "break" && consumed.taken.length === stop.after) return;
      const ms = busyMs[(consumed.taken.length - 1) % Math.max(1, busyMs.length)] ?? 0;
      if (ms > 0) await world.sleep(ms);
    }
  };
  const settle = (state: "fulfilled" | "rejected", error?: unknown) => {
    consumed.state = state;
    consumed.error = error;
    consumed.endedMs = world.now();
  };
  void take().then(
    () => settle("fulfilled"),
    (error: unknown) => settle("rejected", error),
  );
  await world.settle();
  for (let ms = 0; consumed.state === "running" && ms < 2_000; ms++) {
    if (stop.kind === "abort" && stop.atMs === ms) abort();
    await world.settle();
    observe?.(consumed);
    if (consumed.state === "running") await world.advance(1);
  }
  return consumed;
}

export interface ConsumeOptions<T> {
  readonly busyMs: readonly number[];
  readonly stop: Stop;
  readonly abort: () => void;
  readonly observe?: (consumed: Consumed<T>) => void;
}
