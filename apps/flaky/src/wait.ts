// The one way to wait here. Each wait owns a timer, for two reasons: nothing waits for ever, and workerd ends a
// request that waits only for another request's promise.

/** How a wait ended: its time was up, its client went, or somebody let it go on. */
export type WaitEnd = "elapsed" | "aborted" | "released";

/** The waits that somebody may release, the longest waiting first. Calling an entry releases it and takes it out. */
export type Waiters = Set<() => void>;

export interface WaitOptions {
  /** The longest time to wait, in milliseconds. */
  readonly ms: number;
  readonly signal: AbortSignal;
  /** Where the wait stands so that it can be released. */
  readonly waiters?: Waiters;
}

export async function wait({ ms, signal, waiters }: WaitOptions): Promise<WaitEnd> {
  if (signal.aborted) return "aborted";
  const { promise, resolve } = Promise.withResolvers<WaitEnd>();
  const settle = (end: WaitEnd): void => {
    // At once, so that whoever hands out a turn never picks a wait that is already over.
    waiters?.delete(release);
    resolve(end);
  };
  const release = (): void => settle("released");
  const abort = (): void => settle("aborted");

  const timer = setTimeout(() => settle("elapsed"), ms);
  signal.addEventListener("abort", abort, { once: true });
  waiters?.add(release);
  try {
    return await promise;
  } finally {
    // Here and not in `settle`: that may run on another request's stack, where Workers ignores a clearTimeout.
    clearTimeout(timer);
    signal.removeEventListener("abort", abort);
  }
}
