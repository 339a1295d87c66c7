// Rejections that nobody handles, as the host reports them.

interface Host {
  readonly process?: {
    on?(type: string, listener: (error: unknown) => void): void;
    off?(type: string, listener: unknown): void;
  };
  addEventListener?(type: string, listener: (event: { reason?: unknown }) => void): void;
  removeEventListener?(type: string, listener: unknown): void;
}

/** The rejections that were left unhandled while `body` ran and one turn of the event loop after it. */
export async function unhandledDuring(body: () => Promise<void>): Promise<unknown[]> {
  const host = globalThis as unknown as Host;
  const seen: unknown[] = [];
  const onReason = (reason: unknown) => seen.push(reason);
  const onEvent = (event: { reason?: unknown }) => seen.push(event.reason);
  host.process?.on?.("unhandledRejection", onReason);
  host.addEventListener?.("unhandledrejection", onEvent);
  try {
    await body();
    await new Promise<void>((resolve) => setTimeout(resolve, 0));
  } finally {
    host.process?.off?.("unhandledRejection", onReason);
    host.removeEventListener?.("unhandledrejection", onEvent);
  }
  return seen;
}
