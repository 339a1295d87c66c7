// A bound on the size of a stream of bytes.
import { HeadgateError } from "../errors.ts";
import { checkInteger } from "../options.ts";
import { type ByteChunk, bytesOf } from "./byte-chunk.ts";
import { running, type StreamOptions } from "./running.ts";
import { checkSource, type Source } from "./source.ts";

export interface LimitBytesOptions extends StreamOptions {
  /** Bytes in all. An integer of at least 0. */
  readonly maxBytes: number;
}

/** A stream holds more than `maxBytes`. */
export class ByteLimitError extends HeadgateError {
  readonly maxBytes: number;
  /** Bytes that had been read, those of the chunk that went beyond included. The stream may have held more. */
  readonly bytes: number;

  constructor(maxBytes: number, bytes: number) {
    super("ERR_BYTE_LIMIT");
    this.maxBytes = maxBytes;
    this.bytes = bytes;
  }

  override get name(): string {
    return "ByteLimitError";
  }

  override get message(): string {
    return `The stream holds more than ${this.maxBytes} bytes; ${this.bytes} were read`;
  }
}

/**
 * Passes chunks of bytes on until they are more than `maxBytes`: then the source is stopped and `next()` rejects with
 * `ByteLimitError`. Nothing of the chunk that goes beyond is passed on.
 */
export function limitBytes<T extends ByteChunk>(
  source: Source<T>,
  options: LimitBytesOptions,
): AsyncIterableIterator<T, undefined, undefined> {
  const { maxBytes } = options;
  checkSource("limitBytes.source", source);
  checkInteger("limitBytes.maxBytes", maxBytes, 0);

  return running<T, T>(source, options, async function* (self, reader) {
    let bytes = 0;
    for (;;) {
      const result = await self.until(reader.read());
      if (result.done) return undefined;
      bytes += bytesOf("limitBytes", result.value);
      if (bytes > maxBytes) throw new ByteLimitError(maxBytes, bytes);
      yield result.value;
    }
  });
}
