// The way of a response's body from the headers to its end. The call is over for its policies when the headers are there;
// from then on this keeps the permit, the total deadline, the limit on silence and the caller's abort.
import { type Clock, type ClockTimer, maxDelayMs } from "../clock.ts";
import { TimeoutError, type TimeoutScope, withoutStack } from "../errors.ts";

/** The end of the whole call's time. */
export interface Deadline {
  readonly dueMs: number;
  /** What the error says. */
  readonly timeoutMs: number;
  readonly scope: TimeoutScope;
}

export interface BodyWatch {
  readonly pipeline: string;
  readonly clock: Clock;
  readonly idleTimeoutMs: number;
  readonly deadline: Deadline | null;
  /** The caller's. */
  readonly signal: AbortSignal | undefined;
  /** Ends the exchange with the server. */
  readonly abort: (reason: unknown) => void;
  /** Gives the permit back. */
  readonly release: () => void;
  /** Is told of an error that is not the caller's doing; of a timeout of this body as such. */
  readonly failed: (error: unknown, timedOut?: TimeoutScope) => void;
}

export class GuardedBody {
  readonly stream: ReadableStream<Uint8Array<ArrayBuffer>>;
  private readonly reader: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>;
  private readonly watch: BodyWatch;
  private controller: ReadableByteStreamController | null = null;
  private deadlineTimer: ClockTimer | null = null;
  private idleTimer: ClockTimer | null = null;
  private over = false;

  constructor(reader: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>, watch: BodyWatch) {
    this.watch = watch;
    this.reader = reader;
    // A byte stream like the body of every response, so that readers with buffers of their own work. Nothing is read
    // ahead: the time between two reads is the reader's, and no silence of the server's.
    this.stream = new ReadableStream({
      type: "bytes",
      start: (controller) => {
        this.controller = controller;
      },
      pull: (controller) => this.pull(controller),
      cancel: (reason) => {
        this.end();
        return this.reader.cancel(reason);
      },
    });
    watch.signal?.addEventListener("abort", this.callerLeft, { once: true });
    this.armDeadline();
  }

  private readonly callerLeft = (): void => this.cut(this.watch.signal?.reason);

  private armDeadline(): void {
    const { deadline, clock } = this.watch;
    if (deadline === null) return;
    const leftMs = Math.min(Math.max(0, deadline.dueMs - clock.now()), maxDelayMs);
    this.deadlineTimer = clock.after(leftMs, () => this.timeOut(deadline.timeoutMs, deadline.scope));
  }

  private async pull(controller: ReadableByteStreamController): Promise<void> {
    const { idleTimeoutMs, clock } = this.watch;
    if (idleTimeoutMs !== Number.POSITIVE_INFINITY)
      this.idleTimer = clock.after(idleTimeoutMs, () => this.timeOut(idleTimeoutMs, "idle"));
    try {
      let chunk = await this.reader.read();
      // An empty chunk is none: a byte stream refuses it.
      while (!chunk.done && chunk.value.byteLength === 0) chunk = await this.reader.read();
      if (this.over) return;
      this.stopIdleTimer();
      if (!chunk.done) return controller.enqueue(chunk.value);
      this.end();
      controller.close();
      // A reader with a buffer of its own is waiting for an answer also at the end.
      controller.byobRequest?.respond(0);
    } catch (error) {
      if (this.over) return;
      this.end();
      this.watch.failed(error);
      throw error;
    }
  }

  private timeOut(timeoutMs: number, scope: TimeoutScope): void {
    // One microtask later, as for any timeout: a chunk that is already there wins, and so does the caller's abort.
    const timer = scope === "idle" ? this.idleTimer : this.deadlineTimer;
    void Promise.resolve().then(() => {
      if (this.over || (scope === "idle" && this.idleTimer !== timer)) return;
      const error = withoutStack(() => new TimeoutError(timeoutMs, scope));
      error.pipeline = this.watch.pipeline;
      this.cut(error);
      this.watch.failed(error, scope);
    });
  }

  /** Ends the body with this error, whether or not the server's side heeds it. */
  private cut(error: unknown): void {
    if (this.over) return;
    this.end();
    this.controller?.error(error);
    this.watch.abort(error);
    this.reader.cancel(error).catch(() => {});
  }

  private stopIdleTimer(): void {
    this.idleTimer?.cancel();
    this.idleTimer = null;
  }

  /** Nothing more will come. */
  private end(): void {
    this.over = true;
    this.stopIdleTimer();
    this.deadlineTimer?.cancel();
    this.watch.signal?.removeEventListener("abort", this.callerLeft);
    this.watch.release();
  }
}

/** Statuses with which a response may have no body at all. */
const withoutBody: ReadonlySet<number> = new Set([101, 103, 204, 205, 304]);

/** The same response with a watched body; the very same object when there is none to watch. */
export function guardResponse(response: Response, watch: () => BodyWatch): Response {
  if (response.body === null || withoutBody.has(response.status)) return response;
  // The reader comes first: a body that somebody reads already is an error, and nothing may be held then.
  const reader = response.body.getReader();
  const { stream } = new GuardedBody(reader, watch());
  return withOriginOf(response, new Response(stream, response));
}

/** Where a response came from cannot be given to one that is made anew: it says so by properties of its own. */
function withOriginOf(origin: Response, response: Response): Response {
  const { url, redirected, type } = origin;
  const clone = (): Response => withOriginOf(origin, Response.prototype.clone.call(response));
  return Object.defineProperties(response, {
    url: { value: url, configurable: true },
    redirected: { value: redirected, configurable: true },
    type: { value: type, configurable: true },
    clone: { value: clone, configurable: true, writable: true },
  });
}
