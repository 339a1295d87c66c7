// Handlers as they occur behind the middleware.
import type { Context } from "hono";
import type { ResilienceEnv } from "../../src/variables.ts";

/** A promise and its ends. */
export function parts<T = void>(): {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
  readonly reject: (reason: unknown) => void;
} {
  let resolve = (_: T): void => {};
  let reject = (_: unknown): void => {};
  const promise = new Promise<T>((fulfil, fail) => {
    resolve = fulfil;
    reject = fail;
  });
  return { promise, resolve, reject };
}

/** Waits until it is cancelled, and fails with the reason: what a `fetch` with the signal does. */
export function untilAborted(c: Context<ResilienceEnv>): Promise<never> {
  const signal = c.get("signal");
  return new Promise((_, reject) => {
    const fail = (): void => {
      const reason: unknown = signal.reason;
      reject(reason);
    };
    if (signal.aborted) fail();
    else signal.addEventListener("abort", fail);
  });
}

/** The code of the problem document that a response holds. */
export async function codeOf(response: Response): Promise<string> {
  return ((await response.json()) as { code: string }).code;
}

const encoder = new TextEncoder();

/** A body of pieces of text, of which the last one may never come. Tells when its reader has left. */
export function bodyOf(pieces: readonly string[], options: { readonly endless?: boolean } = {}) {
  let at = 0;
  const state = { cancelled: false, ended: false };
  const stream = new ReadableStream<Uint8Array<ArrayBuffer>>(
    {
      pull(controller) {
        const piece = pieces[at++];
        if (piece !== undefined) return controller.enqueue(encoder.encode(piece));
        if (options.endless) return new Promise<void>(() => {});
        state.ended = true;
        controller.close();
      },
      cancel() {
        state.cancelled = true;
      },
    },
    { highWaterMark: 0 },
  );
  return { stream, state };
}

/** A request whose body is this stream. */
export function streamed(body: ReadableStream<Uint8Array<ArrayBuffer>>, headers: Record<string, string> = {}): Request {
  const init: RequestInit & { duplex: "half" } = { method: "POST", body, duplex: "half", headers };
  return new Request("http://test/", init);
}
