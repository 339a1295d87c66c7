// The body of a request that is a stream, for more than one attempt: what was read of it is kept while it may be sent
// again, up to a limit. The first attempt streams it all the same; nothing waits for the buffer.

/** Nothing that follows can be sent from the start any more. */
const gone = "The request's body was longer than `maxReplayBytes` and is not there any more";

export class ReplayBody {
  private readonly source: ReadableStream<Uint8Array>;
  private readonly maxBytes: number;
  /** Taken when the first attempt reads: a call that is refused before leaves the caller's stream as it was. */
  private reader: ReadableStreamDefaultReader<Uint8Array> | null = null;

  /** Chunks that were read, the first of them being number `start` of the body. */
  private kept: Uint8Array[] = [];
  private start = 0;
  private bytes = 0;
  /** Whether chunks are kept although they were sent. */
  private keeping = true;
  private ended = false;
  private failure: { readonly error: unknown } | null = null;
  private reading: Promise<void> | null = null;
  /** How many attempts were given the body, and whether the last of them has given it up. */
  private opened = 0;
  private unread = false;

  constructor(source: ReadableStream<Uint8Array>, maxBytes: number) {
    this.source = source;
    this.maxBytes = maxBytes;
  }

  /** Whether an attempt could send the body from the start. */
  get repeatable(): boolean {
    return this.keeping && this.failure === null;
  }

  /** The body for one attempt. */
  open(): ReadableStream<Uint8Array> {
    const turn = ++this.opened;
    let index = 0;
    this.unread = false;
    return new ReadableStream<Uint8Array>(
      {
        pull: async (controller) => {
          const chunk = await this.chunkAt(index++);
          if (chunk === undefined) controller.close();
          else controller.enqueue(chunk);
        },
        cancel: (reason) => {
          if (turn !== this.opened) return;
          this.unread = true;
          if (!this.keeping) this.cancelSource(reason);
        },
      },
      { highWaterMark: 0 },
    );
  }

  /** There will be no further attempt. The last one may still be sending. */
  commit(): void {
    this.keeping = false;
    if (this.unread) this.cancelSource(undefined);
  }

  /** There will be no further attempt, and nobody sends the rest. */
  cancel(reason: unknown): void {
    this.keeping = false;
    this.kept = [];
    this.cancelSource(reason);
    // An attempt that goes on all the same must not take the end of the source for the end of the body.
    this.failure ??= { error: reason };
  }

  private cancelSource(reason: unknown): void {
    if (!this.ended) this.reader?.cancel(reason).catch(() => {});
  }

  private async chunkAt(index: number): Promise<Uint8Array | undefined> {
    for (;;) {
      if (index < this.start) throw new TypeError(gone);
      const chunk = this.kept[index - this.start];
      if (chunk !== undefined) {
        if (!this.keeping) this.forget(index);
        return chunk;
      }
      if (this.failure !== null) throw this.failure.error;
      if (this.ended) return undefined;
      await (this.reading ??= this.read());
    }
  }

  private forget(index: number): void {
    this.kept.splice(0, index + 1 - this.start);
    this.start = index + 1;
  }

  private async read(): Promise<void> {
    try {
      this.reader ??= this.source.getReader();
      const { done, value } = await this.reader.read();
      if (done) this.ended = true;
      else this.keep(value);
    } catch (error) {
      this.failure = { error };
    } finally {
      this.reading = null;
    }
  }

  private keep(chunk: Uint8Array): void {
    this.kept.push(chunk);
    // What is no byte array makes `fetch` fail; its length is unknown, so that it must not be kept either.
    this.bytes += chunk instanceof Uint8Array ? chunk.byteLength : Number.POSITIVE_INFINITY;
    if (this.bytes > this.maxBytes) this.keeping = false;
  }
}
