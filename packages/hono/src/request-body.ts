// Putting something between a request's body and its handler. The body still streams; what goes wrong with it surfaces where
// the handler reads it, and is answered when the handler has failed over it.
import { isHeadgateError } from "@headgate/core";
import { toReadableStream } from "@headgate/core/streams";
import type { Context, Next } from "hono";
import { refuse, type RespondOptions } from "./answer.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** The request with this body. What belongs to the request itself (its URL, headers, signal) stays. */
export function withBody(request: Request, body: ReadableStream<Bytes> | Bytes): Request {
  const init: RequestInit & { duplex: "half" } = { body, duplex: "half" };
  return new Request(request, init);
}

/**
 * Runs the rest of the chain with a body that `guard` has been put around. When the guard ends the body and the handler
 * fails, the client hears of that; what a handler made of it itself, and calls a success, stands.
 */
export async function guardBody(
  c: Context,
  next: Next,
  guard: (body: ReadableStream<Bytes>) => AsyncIterableIterator<Bytes, undefined, undefined>,
  options: RespondOptions,
): Promise<void> {
  const { body, bodyUsed } = c.req.raw;
  if (body === null || bodyUsed || body.locked) return next();
  let failure: unknown;
  const guarded = guard(body);
  // Not an async generator: it would hear that the handler has let go of the body only after a read that is under way.
  const watched: AsyncIterableIterator<Bytes, undefined, undefined> = {
    next: () =>
      guarded.next().catch((error: unknown) => {
        failure = error;
        throw error;
      }),
    return: async () => (await guarded.return?.()) ?? { done: true, value: undefined },
    [Symbol.asyncIterator]: () => watched,
  };
  c.req.raw = withBody(c.req.raw, toReadableStream(watched));
  try {
    await next();
  } catch (error) {
    if (error !== failure) throw error;
  }
  if (isHeadgateError(failure) && (!c.finalized || c.error !== undefined || c.res.status >= 400))
    await refuse(c, failure, options);
}
