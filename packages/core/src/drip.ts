// Slows down what streams: each chunk comes a while after it was asked for.
import type { Clock } from "./clock.ts";

/**
 * The same value with its chunks `chunkDelayMs` apart: a `ReadableStream`, the body of a `Response`, an async iterable.
 * Cancelling ends the wait at once and cancels the source. Anything else is returned as it is.
 */
export function drip(value: unknown, chunkDelayMs: number, clock: Clock): unknown {
  if (value instanceof ReadableStream) return dripStream(value, chunkDelayMs, clock);
  if (value instanceof Response)
    return value.body === null ? value : new Response(dripStream(value.body, chunkDelayMs, clock), value);
  if (typeof (value as AsyncIterable<unknown> | undefined)?.[Symbol.asyncIterator] !== "function") return value;
  return dripIterable(value as AsyncIterable<unknown>, chunkDelayMs, clock);
}

function dripStream<T>(source: ReadableStream<T>, chunkDelayMs: number, clock: Clock): ReadableStream<T> {
  const reader = source.getReader();
  const left = new AbortController();
  return new ReadableStream<T>(
    {
      async pull(controller) {
        await clock.sleep(chunkDelayMs, left.signal);
        const { done, value } = await reader.read();
        if (done) controller.close();
        else controller.enqueue(value);
      },
      cancel(reason) {
        left.abort(reason);
        return reader.cancel(reason);
      },
    },
    { highWaterMark: 0 },
  );
}

// A generator that is told to return while it waits does so when the wait is over.
async function* dripIterable(source: AsyncIterable<unknown>, chunkDelayMs: number, clock: Clock): AsyncGenerator {
  for await (const chunk of source) {
    await clock.sleep(chunkDelayMs);
    yield chunk;
  }
}
