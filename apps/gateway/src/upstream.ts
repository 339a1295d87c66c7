// The port through which the gateway reaches an upstream. Node answers it with an undici dispatcher, Workers with
// `fetch`. Its shape keeps the fast path possible: header fields stay the flat list they came as, and a small body is
// one piece instead of a stream.

/** Header fields in the order they came: name, value, name, value, … A repeated name stays repeated. */
export type HeaderList = readonly string[];

/** How the body of a request is getting on. */
export interface Upload {
  /** Whether it is the client that is waited for: the next bytes have been asked for, and have not come. */
  awaited: boolean;
}

export interface UpstreamRequest {
  readonly method: string;
  /** `http://host:port` or `https://host:port`. */
  readonly origin: string;
  /** Path and query as they are to be sent: `/echo?a=1`. */
  readonly path: string;
  readonly headers: HeaderList;
  readonly body: Uint8Array | ReadableStream<Uint8Array> | null;
  /** Of a streamed body. */
  readonly upload?: Upload | undefined;
  /** Aborts the exchange until the response's headers are there. Afterwards cancelling the body does. */
  readonly signal: AbortSignal;
  /** Aborts when the client has left, for runtimes that do not cancel the body of a response that nobody reads. */
  readonly client: AbortSignal;
}

export interface UpstreamResponse {
  readonly status: number;
  readonly headers: HeaderList;
  /** Null for none; one piece when it was short and had arrived whole; otherwise a stream that must be read or cancelled. */
  readonly body: Uint8Array | ReadableStream<Uint8Array> | null;
  /** Resolves when a streamed body has ended, failed or been cancelled. Null when there is nothing to wait for. */
  readonly ended: Promise<void> | null;
}

export interface Upstream {
  /**
   * Sends one request and resolves at the headers of the final response. Nothing is retried, redirected,
   * decompressed or cached: bytes go through as they are, both ways, with backpressure.
   *
   * @throws {UpstreamUnreachableError} when no response came: refused, reset, name not found, malformed.
   * @throws {ClientBodyError} when the request's own body broke off first.
   * @throws the signal's reason when it aborted.
   */
  send(request: UpstreamRequest): Promise<UpstreamResponse>;
  /** Ends idle connections and, after `graceMs`, the others. */
  close(graceMs: number): Promise<void>;
}

/** The client has broken off its body: nobody's failure but its own. */
export class ClientBodyError extends Error {
  constructor(cause: unknown) {
    super("The request's body broke off", { cause });
    this.name = "ClientBodyError";
  }
}

/** No response came from the upstream. `cause` is what the client reported. */
export class UpstreamUnreachableError extends Error {
  readonly code = "ERR_UPSTREAM_UNREACHABLE";
  /** True when the connection was refused: the upstream has seen nothing of the request. */
  readonly refused: boolean;
  constructor(origin: string, cause: unknown, refused: boolean) {
    super(`No response from ${origin}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
    this.name = "UpstreamUnreachableError";
    this.refused = refused;
  }
}
