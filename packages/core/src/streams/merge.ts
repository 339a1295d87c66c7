// Several sources as one stream, in the order in which their items come.
import { checkInteger, rejectOption } from "../options.ts";
import { Running, type StreamOptions } from "./running.ts";
import { checkSource, type Source, SourceReader } from "./source.ts";

export interface MergeOptions extends StreamOptions {
  /** Sources read at a time; the next one is begun when one has ended. An integer of at least 1. @default all */
  readonly maxConcurrent?: number | undefined;
}

class Merging<T> {
  private readonly readers: readonly SourceReader<T>[];
  private readonly ready: { readonly reader: SourceReader<T>; readonly value: T }[] = [];
  private running: Running<T> | null = null;
  private begun = 0;
  private open = 0;
  private wake: () => void = () => {};

  constructor(sources: readonly Source<T>[]) {
    this.readers = sources.map((source) => new SourceReader(source));
  }

  async *items(running: Running<T>, maxConcurrent: number): AsyncGenerator<T, undefined, undefined> {
    this.running = running;
    while (this.open < maxConcurrent && this.begin());
    while (this.open > 0) {
      const first = this.ready.shift();
      if (first === undefined) {
        await running.until(new Promise<void>((resolve) => (this.wake = resolve)));
        continue;
      }
      // The source works on its next item while the consumer is busy with this one; that goes to the end of the line.
      this.read(first.reader);
      yield first.value;
    }
    return undefined;
  }

  release(reason: unknown): Promise<unknown> | undefined {
    this.ready.length = 0;
    const released = this.readers.map((reader) => reader.release(reason)).filter((each) => each !== undefined);
    return released.length === 0 ? undefined : Promise.all(released);
  }

  /** Begins the next source, if there is one. */
  private begin(): boolean {
    const reader = this.readers[this.begun];
    if (reader === undefined) return false;
    this.begun++;
    this.open++;
    this.read(reader);
    return true;
  }

  private read(reader: SourceReader<T>): void {
    reader.read().then(
      (result) => {
        if (this.running?.ended) return;
        if (!result.done) this.ready.push({ reader, value: result.value });
        else {
          this.open--;
          this.begin();
        }
        this.wake();
      },
      (error: unknown) => this.running?.fail(error),
    );
  }
}

/**
 * Merges sources. An item comes as soon as it is there; no source is read more than one item ahead, and one that is
 * always ready does not keep the others from their turn. The first error releases every source and is what `next()`
 * rejects with.
 */
export function merge<T>(
  sources: Iterable<Source<T>>,
  options: MergeOptions = {},
): AsyncIterableIterator<T, undefined, undefined> {
  if (typeof sources !== "object" || sources === null || !(Symbol.iterator in sources)) {
    rejectOption("merge.sources", "an iterable of sources", sources);
  }
  const all = [...sources];
  all.forEach((source, index) => checkSource(`merge.sources[${index}]`, source));
  const { maxConcurrent = Math.max(1, all.length) } = options;
  checkInteger("merge.maxConcurrent", maxConcurrent, 1);
  const merging = new Merging(all);
  return new Running<T>(
    options,
    (running) => merging.items(running, maxConcurrent),
    (reason) => merging.release(reason),
  );
}
