// The body of a client's request on its way to the upstream.
import type { Upload } from "../upstream.ts";

/**
 * Reads a stream for undici, which does not end a read under way when its exchange ends: `stop` does. What is private
 * is so at run time too: undici knows Node's streams by the methods that they have.
 */
export class ClientBody implements AsyncIterable<Uint8Array> {
  /** Whether it broke off on the client's side. */
  failed = false;
  #stopped: Error | null = null;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;

  readonly #upload: Upload;

  constructor(body: ReadableStream<Uint8Array>, upload: Upload = { awaited: false }) {
    this.#reader = body.getReader();
    this.#upload = upload;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    for (;;) {
      const { done, value } = await this.#read();
      // Not an end: the upstream must not take what it has for the whole.
      if (this.#stopped !== null) throw this.#stopped;
      if (done) return;
      yield value;
    }
  }

  /** Nothing more is wanted of it. */
  stop(reason: Error): void {
    if (this.#stopped !== null) return;
    this.#stopped = reason;
    this.#reader.cancel(reason).catch(() => {});
  }

  async #read(): Promise<ReadableStreamReadResult<Uint8Array>> {
    this.#upload.awaited = true;
    try {
      return await this.#reader.read();
    } catch (error) {
      this.failed = this.#stopped === null;
      throw error;
    } finally {
      this.#upload.awaited = false;
    }
  }
}
