// The way back: an iteration as a ReadableStream, for a response's body or another platform API.
import { type Clock, systemClock } from "../clock.ts";
import { withinRelease } from "./running.ts";
import { checkSource, type Source, SourceReader } from "./source.ts";

export interface ToReadableStreamOptions {
  /** @default systemClock */
  readonly clock?: Clock | undefined;
}

/**
 * A stream of a source's items, one read for each that is asked for and none ahead: its high-water mark is 0. Cancelling
 * the stream releases the source. A ReadableStream is given back as it is.
 */
export function toReadableStream<T>(source: Source<T>, options: ToReadableStreamOptions = {}): ReadableStream<T> {
  checkSource("toReadableStream.source", source);
  if (typeof (source as { getReader?: unknown }).getReader === "function") return source as ReadableStream<T>;
  const { clock = systemClock } = options;
  const reader = new SourceReader(source);
  return new ReadableStream<T>(
    {
      async pull(controller) {
        const result = await reader.read();
        if (result.done) controller.close();
        else controller.enqueue(result.value);
      },
      cancel: (reason: unknown) => withinRelease(clock, reader.release(reason)),
    },
    { highWaterMark: 0 },
  );
}
