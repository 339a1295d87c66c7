// The upstream on Node: undici's dispatcher, below `fetch` and `request`, which spend more than the rest of a proxied
// request on objects that a proxy does not need.
import { type Dispatcher, Pool } from "undici";
import {
  ClientBodyError,
  type Upstream,
  type UpstreamRequest,
  type UpstreamResponse,
  UpstreamUnreachableError,
} from "../upstream.ts";
import { ClientBody } from "./client-body.ts";

/** Statuses whose responses have no body. */
const bodiless: ReadonlySet<number> = new Set([204, 205, 304]);

/** A body of at most this length is handed on in one piece when it has come together with its headers. */
const maxPieceBytes = 65_536;

/**
 * A plain stream that counts bytes. Not a byte stream: that one takes the memory of each chunk away from the others
 * that came in the same read.
 */
const strategy = new ByteLengthQueuingStrategy({ highWaterMark: 65_536 });

/** Connections are kept and reused; how many there are is bounded by the limits of the routes. */
export function undiciUpstream(): Upstream {
  const pools = new Map<string, Pool>();
  return {
    send(request) {
      return new Promise((resolve, reject) => {
        const { method, origin, path, headers, body, signal } = request;
        if (signal.aborted) throw signal.reason;
        let pool = pools.get(origin);
        // Without a limit of undici's own for the headers: that is the route's deadline.
        if (pool === undefined) pools.set(origin, (pool = new Pool(origin, { allowH2: false, headersTimeout: 0 })));
        const clientBody = body instanceof ReadableStream ? new ClientBody(body, request.upload) : null;
        const exchange = new Exchange(request, clientBody, resolve, reject);
        // undici takes any iterable of bytes, which its types do not say, and only reads the list.
        const outgoing = (clientBody ?? body) as Uint8Array | null;
        pool.dispatch({ method, path, headers: headers as string[], body: outgoing }, exchange);
      });
    },
    async close(graceMs) {
      const open = [...pools.values()];
      pools.clear();
      const impatience = setTimeout(() => {
        for (const pool of open) void pool.destroy();
      }, graceMs);
      await Promise.all(open.map((pool) => pool.close()));
      clearTimeout(impatience);
    },
  };
}

/** One request and its response, as undici tells about them. */
class Exchange implements Dispatcher.DispatchHandler {
  private readonly request: UpstreamRequest;
  private readonly clientBody: ClientBody | null;
  private readonly resolve: (response: UpstreamResponse) => void;
  private readonly reject: (error: unknown) => void;
  private controller: Dispatcher.DispatchController | null = null;
  /** Whether `send` has been answered. */
  private settled = false;

  private status = 0;
  private headers: string[] = [];
  /** What came of a body that may yet be handed on in one piece. */
  private pieces: Buffer[] | null = null;
  private body: ReadableStreamDefaultController<Uint8Array> | null = null;
  private end: () => void = () => {};

  constructor(
    request: UpstreamRequest,
    clientBody: ClientBody | null,
    resolve: (response: UpstreamResponse) => void,
    reject: (error: unknown) => void,
  ) {
    this.request = request;
    this.clientBody = clientBody;
    this.resolve = resolve;
    this.reject = reject;
    request.signal.addEventListener("abort", this);
  }

  /** The signal aborts. It is listened to until the response's headers are there. */
  handleEvent(): void {
    const { reason } = this.request.signal;
    this.fail(reason);
    this.abort(reason);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.controller = controller;
    // It may have aborted while a connection was being made.
    if (this.settled) this.abort(this.request.signal.reason);
  }

  onResponseStart(_: Dispatcher.DispatchController, status: number, headers: NodeJS.Dict<string | string[]>): void {
    if (status < 200) return;
    this.status = status;
    this.headers = toList(headers);
    if (this.request.method === "HEAD" || bodiless.has(status)) return this.succeed(null, null);
    const length = Number(headers["content-length"] ?? Number.POSITIVE_INFINITY);
    if (length > maxPieceBytes) return this.stream([]);
    this.pieces = [];
    // After what has already been read from the socket: the rest of the body is not waited for.
    process.nextTick(streamRest, this);
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.pieces !== null) this.pieces.push(chunk);
    else if (this.body !== null) {
      this.body.enqueue(chunk);
      if ((this.body.desiredSize ?? 0) <= 0) controller.pause();
    }
  }

  onResponseEnd(): void {
    const { pieces } = this;
    this.pieces = null;
    if (pieces !== null) this.succeed(pieces.length === 1 ? (pieces[0] as Buffer) : Buffer.concat(pieces), null);
    this.body?.close();
    this.over();
  }

  onResponseError(_: Dispatcher.DispatchController | null, error: Error): void {
    this.pieces = null;
    if (!this.settled) this.fail(this.clientBody?.failed ? new ClientBodyError(error) : this.unreachable(error));
    this.body?.error(error);
    this.over(error);
  }

  private unreachable(error: Error): UpstreamUnreachableError {
    const refused = "code" in error && error.code === "ECONNREFUSED";
    return new UpstreamUnreachableError(this.request.origin, error, refused);
  }

  /** The response becomes a stream that begins with these chunks. */
  stream(chunks: readonly Buffer[]): void {
    const body = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.body = controller;
          for (const chunk of chunks) controller.enqueue(chunk);
        },
        pull: () => this.controller?.resume(),
        cancel: (reason) => {
          this.body = null;
          this.abort(reason);
        },
      },
      strategy,
    );
    this.succeed(
      body,
      new Promise((ended) => {
        this.end = ended;
      }),
    );
  }

  /** Called once what came together with the headers has been looked at. */
  streamRest(): void {
    const { pieces } = this;
    if (pieces === null) return;
    this.pieces = null;
    this.stream(pieces);
  }

  private succeed(body: UpstreamResponse["body"], ended: Promise<void> | null): void {
    if (!this.settle()) return;
    this.resolve({ status: this.status, headers: this.headers, body, ended });
  }

  private fail(error: unknown): void {
    if (this.settle()) this.reject(error);
  }

  private settle(): boolean {
    if (this.settled) return false;
    this.settled = true;
    this.request.signal.removeEventListener("abort", this);
    return true;
  }

  private abort(reason: unknown): void {
    this.controller?.abort(reason instanceof Error ? reason : new Error("Aborted", { cause: reason }));
  }

  /** Nothing more comes from the upstream; nothing more is read for it. */
  private over(reason?: Error): void {
    this.body = null;
    // Made only where it is of use: an error costs a tenth of the whole exchange.
    this.clientBody?.stop(reason ?? new Error("The response came before the request had been read to its end"));
    this.end();
  }
}

function streamRest(exchange: Exchange): void {
  exchange.streamRest();
}

function toList(headers: NodeJS.Dict<string | string[]>): string[] {
  const list: string[] = [];
  for (const name in headers) {
    const value = headers[name];
    if (typeof value === "string") list.push(name, value);
    else if (value !== undefined) for (const each of value) list.push(name, each);
  }
  return list;
}
