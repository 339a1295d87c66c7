// Bodies made while they are read: one pull, one chunk, so that a slow reader slows the maker down and a reader
// who leaves stops it.
import type { Context } from "hono";
import type { FlakyEnvironment } from "./environment.ts";

/** Makes the next chunk, or nothing at the end. The signal aborts when the reader has left. */
export type NextChunk = (signal: AbortSignal) => Promise<Uint8Array | undefined> | Uint8Array | undefined;

/** A body for this request's answer. It holds the request's place until it ends, breaks or is cancelled. */
export function bodyStream(c: Context<FlakyEnvironment>, next: NextChunk): ReadableStream<Uint8Array> | null {
  // Nobody reads, ends or cancels the body of an answer to HEAD, so there must not be one.
  if (c.req.method === "HEAD") return null;
  const place = c.var.place;
  place.heldByBody = true;
  const client = c.req.raw.signal;
  const gone = new AbortController();

  const end = (outcome: { readonly gone: boolean }): void => {
    client.removeEventListener("abort", clientLeft);
    place.leave(outcome);
  };
  const stop = (): void => {
    gone.abort();
    end({ gone: true });
  };

  let stream: ReadableStreamDefaultController<Uint8Array> | undefined;
  const clientLeft = (): void => {
    stop();
    // Not an error: the server would report it, and nobody is left to notice that the body is short.
    stream?.close();
  };

  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        stream = controller;
        if (client.aborted) clientLeft();
        else client.addEventListener("abort", clientLeft, { once: true });
      },
      async pull(controller) {
        try {
          const chunk = await next(gone.signal);
          if (gone.signal.aborted) return;
          if (chunk !== undefined) return controller.enqueue(chunk);
          end({ gone: false });
          controller.close();
        } catch (error) {
          end({ gone: false });
          throw error;
        }
      },
      cancel: stop,
    },
    // Nothing is made before it is asked for.
    { highWaterMark: 0 },
  );
}
