// Sources of streams that a test feeds by hand, and what was done to them.

/** A source that gives what the test pushes, when it is asked for it. */
export interface ManualSource<T> {
  readonly source: AsyncIterable<T> | ReadableStream<T>;
  /** Reads that wait for an item. */
  readonly waiting: number;
  /** Reads in all. */
  readonly reads: number;
  /** What the source was released with, each time: the reason of a stream's `cancel`, undefined for an iterator. */
  readonly released: readonly unknown[];
  push(...items: T[]): void;
  end(): void;
  fail(error: unknown): void;
  /** From now on the source's own cleaning up takes until `cleanUp()`. */
  cleansUpSlowly(): void;
  cleanUp(): void;
}

type Step<T> = { readonly item: T } | { readonly error: unknown } | "end";
export type SourceKind = "iterator" | "stream";
export const sourceKinds: readonly SourceKind[] = ["iterator", "stream"];

/**
 * A release does not settle a read that waits on an iterator: it ignores cancellation. That of a stream is settled by
 * the platform.
 */
export function manualSource<T>(kind: SourceKind): ManualSource<T> {
  const steps: Step<T>[] = [];
  const waiters: ((step: Step<T>) => void)[] = [];
  const released: unknown[] = [];
  let reads = 0;
  let cleaned: Promise<void> = Promise.resolve();
  let cleanUp = (): void => {};

  const add = (step: Step<T>): void => {
    const waiter = waiters.shift();
    if (waiter === undefined) steps.push(step);
    else waiter(step);
  };
  const take = (): Promise<Step<T>> => {
    reads++;
    const step = steps.shift();
    return step === undefined ? new Promise((resolve) => waiters.push(resolve)) : Promise.resolve(step);
  };
  const release = async (reason: unknown): Promise<void> => {
    released.push(reason);
    await cleaned;
  };
  return {
    source: kind === "iterator" ? toIterator(take, release) : toStream(take, release),
    released,
    get waiting() {
      return waiters.length;
    },
    get reads() {
      return reads;
    },
    push: (...items) => items.forEach((item) => add({ item })),
    end: () => add("end"),
    fail: (error) => add({ error }),
    cleansUpSlowly: () => {
      cleaned = new Promise((resolve) => (cleanUp = resolve));
    },
    cleanUp: () => cleanUp(),
  };
}

function toIterator<T>(take: () => Promise<Step<T>>, release: (reason: unknown) => Promise<void>): AsyncIterable<T> {
  return {
    [Symbol.asyncIterator]: () => ({
      async next(): Promise<IteratorResult<T>> {
        const step = await take();
        if (step === "end") return { done: true, value: undefined };
        if ("error" in step) throw step.error;
        return { done: false, value: step.item };
      },
      async return(): Promise<IteratorResult<T>> {
        await release(undefined);
        return { done: true, value: undefined };
      },
    }),
  };
}

function toStream<T>(take: () => Promise<Step<T>>, release: (reason: unknown) => Promise<void>): ReadableStream<T> {
  let cancelled = false;
  return new ReadableStream<T>(
    {
      async pull(controller) {
        const step = await take();
        if (cancelled) return;
        if (step === "end") controller.close();
        else if ("error" in step) controller.error(step.error);
        else controller.enqueue(step.item);
      },
      cancel(reason) {
        cancelled = true;
        return release(reason);
      },
    },
    { highWaterMark: 0 },
  );
}

/** Whether nobody holds the source: always so for an iterator. */
export function isFree({ source }: { readonly source: unknown }): boolean {
  return !(source as { locked?: boolean }).locked;
}

/** Chunks of these sizes. */
export function chunks(...sizes: readonly number[]): Uint8Array[] {
  return sizes.map((size) => new Uint8Array(size));
}
