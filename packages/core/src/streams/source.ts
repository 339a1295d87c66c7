// Where items come from: a ReadableStream, an async iterable or a plain one, read the same way and let go of exactly once.
import { rejectOption } from "../options.ts";

/**
 * What the functions of this folder read. A stream is locked while it is read; an iterable is iterated once. Strings are
 * not sources. A stream can be stopped in the middle of a read; an async generator, and so a stream of Node's own kind,
 * hears of its release only when the read is over: give it the signal too, or take `Readable.toWeb(stream)`.
 */
export type Source<T> = ReadableStream<T> | AsyncIterable<T> | Iterable<T>;

export type ReadResult<T> = { done: false; value: T } | { done: true; value: undefined };

/** An opened source. */
interface Opened {
  read(): unknown;
  /** Tells the source that nobody will read on. */
  cancel(reason: unknown): unknown;
  /** Lets go of a source that has ended by itself. */
  close(): void;
}

const isStream = <T>(source: Source<T>): source is ReadableStream<T> =>
  typeof (source as { getReader?: unknown }).getReader === "function";

const isAsyncIterable = <T>(source: Source<T>): source is AsyncIterable<T> => Symbol.asyncIterator in source;

export function checkSource(place: string, source: unknown): void {
  if (typeof source === "object" && source !== null) {
    if (isStream(source as Source<unknown>) || Symbol.asyncIterator in source || Symbol.iterator in source) return;
  }
  rejectOption(place, "a ReadableStream, an async iterable or an iterable", source);
}

function open<T>(source: Source<T>): Opened {
  // A stream's own iterator would let go of it only after a read that is under way, and knows no reason.
  if (isStream(source)) {
    const reader = source.getReader();
    return {
      read: () => reader.read(),
      cancel(reason) {
        const cancelled = reader.cancel(reason);
        reader.releaseLock();
        return cancelled;
      },
      close: () => reader.releaseLock(),
    };
  }
  const iterator = isAsyncIterable(source) ? source[Symbol.asyncIterator]() : source[Symbol.iterator]();
  return { read: () => iterator.next(), cancel: () => iterator.return?.(), close: () => {} };
}

/** Reads a source, one item at a time, from its first `read()` to its end or its release, whichever comes first. */
export class SourceReader<T> {
  private readonly source: Source<T>;
  private opened: Opened | null = null;
  private reading = false;
  private over = false;

  constructor(source: Source<T>) {
    this.source = source;
  }

  /** The next item. A source that ends or fails has released itself. */
  async read(): Promise<ReadResult<T>> {
    this.reading = true;
    try {
      this.opened ??= open(this.source);
      const result = (await this.opened.read()) as ReadResult<T>;
      this.reading = false;
      if (result.done) this.close();
      return result;
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /**
   * Stops the source, unless it has ended. The promise fulfils when the source has cleaned up, whatever came of that.
   * There is none when nothing is to be waited for: a source that is in the middle of a read may never hear of it.
   */
  release(reason: unknown): Promise<unknown> | undefined {
    if (this.over) return undefined;
    this.over = true;
    try {
      // Also a source that nobody has read yet: a body must not be left behind.
      const { reading } = this;
      const cancelled = Promise.resolve((this.opened ??= open(this.source)).cancel(reason)).catch(() => {});
      return reading ? undefined : cancelled;
    } catch {
      return undefined;
    }
  }

  private close(): void {
    if (this.over) return;
    this.over = true;
    this.opened?.close();
  }
}
