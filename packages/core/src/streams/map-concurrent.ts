// A mapper over a stream, several items at a time, with a bound on everything that is out of the source.
import { checkFunction, checkInteger } from "../options.ts";
import { Running, type StreamOptions } from "./running.ts";
import { checkSource, type Source, SourceReader } from "./source.ts";

/** What a mapper is told about its item. */
export interface MapContext {
  /**
   * Aborts when the item is no longer wanted: with the first error, with the reason of the caller's signal, or with an
   * `AbortError` when the consumer left.
   */
  readonly signal: AbortSignal;
  /** The item's place in the source, from 0. */
  readonly index: number;
}

export interface MapConcurrentOptions extends StreamOptions {
  /**
   * Items out of the source at a time: being mapped, or mapped and not yet taken by the consumer. An integer of at
   * least 1.
   */
  readonly maxConcurrent: number;
  /** Whether results come in the order of the source (`true`) or as they are ready. @default true */
  readonly ordered?: boolean | undefined;
}

/** One item that is out of the source. Its controller is made when the mapper first asks for the signal. */
class Item<R> implements MapContext {
  readonly index: number;
  mapped = false;
  value: R | undefined = undefined;
  private controller: AbortController | null = null;
  private cut = false;
  private reason: unknown = undefined;

  constructor(index: number) {
    this.index = index;
  }

  get signal(): AbortSignal {
    if (this.controller === null) {
      this.controller = new AbortController();
      if (this.cut) this.controller.abort(this.reason);
    }
    return this.controller.signal;
  }

  abort(reason: unknown): void {
    this.cut = true;
    this.reason = reason;
    this.controller?.abort(reason);
  }
}

class Mapping<T, R> {
  private readonly reader: SourceReader<T>;
  private readonly mapper: (item: T, context: MapContext) => R | PromiseLike<R>;
  private readonly maxConcurrent: number;
  private readonly ordered: boolean;
  private running: Running<R> | null = null;
  /** In the order in which they will be delivered: from their start when ordered, else once they are mapped. */
  private readonly queue: Item<R>[] = [];
  private readonly inWork = new Set<Item<R>>();
  private out = 0;
  private index = 0;
  private reading = false;
  private exhausted = false;
  private wake: () => void = () => {};

  constructor(
    source: Source<T>,
    mapper: (item: T, context: MapContext) => R | PromiseLike<R>,
    maxConcurrent: number,
    ordered: boolean,
  ) {
    this.reader = new SourceReader(source);
    this.mapper = mapper;
    this.maxConcurrent = maxConcurrent;
    this.ordered = ordered;
  }

  async *items(running: Running<R>): AsyncGenerator<R, undefined, undefined> {
    this.running = running;
    for (;;) {
      this.pump();
      const head = this.queue[0];
      if (head?.mapped) {
        this.queue.shift();
        this.out--;
        // The next item is on its way while the consumer works on this one.
        this.pump();
        yield head.value as R;
      } else if (this.exhausted && this.out === 0) {
        return undefined;
      } else {
        await running.until(new Promise<void>((resolve) => (this.wake = resolve)));
      }
    }
  }

  release(reason: unknown): Promise<unknown> | undefined {
    const released = this.reader.release(reason);
    for (const item of this.inWork) item.abort(reason);
    this.inWork.clear();
    this.queue.length = 0;
    return released;
  }

  /** Reads the next item, when there is room for one. */
  private pump(): void {
    if (this.reading || this.exhausted || this.out === this.maxConcurrent) return;
    this.reading = true;
    this.reader.read().then(
      (result) => {
        this.reading = false;
        if (this.running?.ended) return;
        if (result.done) this.exhausted = true;
        else void this.map(result.value);
        this.pump();
        this.wake();
      },
      (error: unknown) => this.running?.fail(error),
    );
  }

  private async map(value: T): Promise<void> {
    const item = new Item<R>(this.index++);
    this.out++;
    this.inWork.add(item);
    if (this.ordered) this.queue.push(item);
    try {
      item.value = await this.mapper(value, item);
    } catch (error) {
      this.inWork.delete(item);
      this.running?.fail(error);
      return;
    }
    this.inWork.delete(item);
    item.mapped = true;
    if (!this.ordered) this.queue.push(item);
    this.wake();
  }
}

/**
 * Maps the items of a source, several at a time. The first error, of the mapper or of the source, aborts the items in
 * work with it, releases the source and is what `next()` rejects with; it does not wait for mappers that ignore their
 * signal.
 */
export function mapConcurrent<T, R>(
  source: Source<T>,
  mapper: (item: T, context: MapContext) => R | PromiseLike<R>,
  options: MapConcurrentOptions,
): AsyncIterableIterator<R, undefined, undefined> {
  const { maxConcurrent, ordered = true } = options;
  checkSource("mapConcurrent.source", source);
  checkFunction("mapConcurrent.mapper", mapper);
  checkInteger("mapConcurrent.maxConcurrent", maxConcurrent, 1);
  const mapping = new Mapping(source, mapper, maxConcurrent, ordered);
  return new Running<R>(
    options,
    (running) => mapping.items(running),
    (reason) => mapping.release(reason),
  );
}
