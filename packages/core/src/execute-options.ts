// What a caller gives a pipeline: an operation, how its result counts, and how the call is to be treated.
import type { OperationContext } from "./attempt.ts";

export type Operation<T> = (context: OperationContext) => T | PromiseLike<T>;

/** How what an operation returned or threw counts. */
export interface Judgement<T> {
  /** True for a returned value that is a failure all the same: a 5xx response, say. It is returned as it is. */
  readonly isFailure?: ((value: T) => boolean) | undefined;
  /**
   * True for a returned value or a thrown error that says nothing about the dependency: the caller's own mistake, an upload
   * that its sender broke off. It counts nowhere and is not retried. Asked about our own timeouts as well: an operation that
   * was waiting for its caller is not slow.
   */
  readonly isIgnored?: ((result: unknown) => boolean) | undefined;
  /** True for a returned value or a thrown error that means overload: 429 or 503, connection refused. */
  readonly isOverload?: ((result: unknown) => boolean) | undefined;
  /** Gives up a value that nobody will receive: that of an abandoned attempt, or one that is tried again. */
  readonly discard?: ((value: T) => unknown) | undefined;
  /**
   * How long the dependency asks to be left alone, in milliseconds, after this returned value or thrown error; undefined
   * when it does not. Retries wait at least so long, and an open circuit stays open. Negative when it asks that this call is
   * not sent again at all: it is then neither retried nor hedged any more.
   * @default the number in `result.retryAfterMs`
   */
  readonly retryAfterMs?: ((result: unknown) => number | undefined) | undefined;
}

export interface ExecuteOptions<T> extends Judgement<T> {
  /** The caller's signal: its abort ends the call at once with the signal's reason, unchanged. */
  readonly signal?: AbortSignal | undefined;
  /**
   * When the caller's own time is up, on the pipeline's clock: `performance.now() + 500`, or the `deadline` that an outer
   * operation was given. The call then ends with a `TimeoutError` whose scope is `deadline`, and counts as `ignored`.
   * @default Infinity
   */
  readonly deadline?: number | undefined;
  /** Who goes first where calls wait, and is shed last: the higher number. See `toPriority`. @default 0 */
  readonly priority?: number | undefined;
  /** What the call is about (a host, a tenant, a cache key), for policies that keep things apart. @default none */
  readonly key?: string | undefined;
  /** How much the call counts where a limit counts. A number above 0. @default 1 */
  readonly weight?: number | undefined;
}
