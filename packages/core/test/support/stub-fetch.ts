// A `fetch` that answers as it is told, and bodies that a test feeds by hand.
import type { FetchFunction } from "@headgate/core/fetch";

export type Answer = Response | Error | ((request: SeenRequest) => Response | Promise<Response>);

export interface SeenRequest {
  readonly url: string;
  readonly init: RequestInit;
  readonly signal: AbortSignal;
  /** What was sent of the body, once it was read. */
  body: string | undefined;
}

export interface StubFetch {
  readonly fetch: FetchFunction;
  readonly requests: SeenRequest[];
}

/** Answers in order, the last one for ever. Reads the body first, unless the answer is a function. */
export function stubFetch(...answers: Answer[]): StubFetch {
  const requests: SeenRequest[] = [];
  return {
    requests,
    fetch: async (input, init = {}) => {
      const url = input instanceof Request ? input.url : String(input);
      const seen: SeenRequest = { url, init, signal: init.signal as AbortSignal, body: undefined };
      const answer = answers[Math.min(requests.length, answers.length - 1)];
      if (answer === undefined) throw new Error("the stub has no answer");
      requests.push(seen);
      if (typeof answer === "function") return answer(seen);
      seen.body = await bodyOf(input, init);
      if (answer instanceof Error) throw answer;
      return answer;
    },
  };
}

export async function bodyOf(input: string | URL | Request, init: RequestInit): Promise<string> {
  const body = init.body ?? (input instanceof Request ? input.body : null);
  return new Response(body).text();
}

/** Answers with the reason of the request's signal when that aborts, and never else. */
export function hangs(request: SeenRequest): Promise<Response> {
  return new Promise((_, reject) => {
    request.signal.addEventListener("abort", () => reject(request.signal.reason as Error), { once: true });
  });
}

/** A response whose body is fed by hand. */
export function feedableResponse(init?: ResponseInit): {
  readonly response: Response;
  send(text: string): void;
  close(): void;
  fail(error: unknown): void;
  /** Why the body was cancelled; undefined while it was not. */
  readonly cancelled: { readonly reason: unknown } | undefined;
} {
  let controller!: ReadableStreamDefaultController<Uint8Array>;
  let cancelled: { readonly reason: unknown } | undefined;
  const body = new ReadableStream<Uint8Array>({
    start: (given) => {
      controller = given;
    },
    cancel: (reason: unknown) => {
      cancelled = { reason };
    },
  });
  return {
    response: new Response(body as ReadableStream<Uint8Array<ArrayBuffer>>, init),
    send: (text) => controller.enqueue(new TextEncoder().encode(text)),
    close: () => controller.close(),
    fail: (error) => controller.error(error),
    get cancelled() {
      return cancelled;
    },
  };
}

/** A stream of these pieces, and how many of them were taken. */
export function piecesStream(...pieces: string[]): {
  readonly stream: ReadableStream<Uint8Array<ArrayBuffer>>;
  readonly taken: number;
  readonly cancelled: boolean;
} {
  let taken = 0;
  let cancelled = false;
  const stream = new ReadableStream<Uint8Array<ArrayBuffer>>(
    {
      pull: (controller) => {
        const piece = pieces[taken];
        if (piece === undefined) return controller.close();
        taken++;
        controller.enqueue(new TextEncoder().encode(piece));
      },
      cancel: () => {
        cancelled = true;
      },
    },
    { highWaterMark: 0 },
  );
  return {
    stream,
    get taken() {
      return taken;
    },
    get cancelled() {
      return cancelled;
    },
  };
}
