// Limits on how long a source may keep its reader waiting. The consumer's own time does not count.
import { maxDelayMs } from "../clock.ts";
import { HeadgateError } from "../errors.ts";
import { checkNumber, rejectOption } from "../options.ts";
import { late, running, type StreamOptions } from "./running.ts";
import { checkSource, type Source } from "./source.ts";

export interface WithTimeoutsOptions extends StreamOptions {
  /** How long the first item, or the end of an empty source, may take. Above 0, at most 2^31 - 1. @default idleTimeoutMs */
  readonly firstItemTimeoutMs?: number | undefined;
  /** How long each item after the first, and the end, may take. Above 0, at most 2^31 - 1. @default Infinity */
  readonly idleTimeoutMs?: number | undefined;
}

/** A source kept its reader waiting for longer than `timeoutMs`. */
export class StreamTimeoutError extends HeadgateError {
  readonly timeoutMs: number;
  /** What was waited for: the first item, or one after it. */
  readonly scope: "first-item" | "idle";

  constructor(timeoutMs: number, scope: "first-item" | "idle") {
    super("ERR_STREAM_TIMEOUT");
    this.timeoutMs = timeoutMs;
    this.scope = scope;
  }

  override get name(): string {
    return "StreamTimeoutError";
  }

  override get message(): string {
    if (this.scope === "first-item") return `The stream's first item took longer than ${this.timeoutMs} ms`;
    return `The stream was idle for longer than ${this.timeoutMs} ms`;
  }
}

/**
 * Passes the items of a source on, and fails with `StreamTimeoutError` when one takes too long. Counts only while
 * `next()` waits for the source. At least one of the two limits must be given.
 */
export function withTimeouts<T>(
  source: Source<T>,
  options: WithTimeoutsOptions,
): AsyncIterableIterator<T, undefined, undefined> {
  const { idleTimeoutMs, firstItemTimeoutMs = idleTimeoutMs } = options;
  checkSource("withTimeouts.source", source);
  if (firstItemTimeoutMs === undefined) {
    rejectOption("withTimeouts.firstItemTimeoutMs", "given when `idleTimeoutMs` is not", undefined);
  }
  checkNumber("withTimeouts.firstItemTimeoutMs", firstItemTimeoutMs, 0, maxDelayMs, true);
  if (idleTimeoutMs !== undefined) checkNumber("withTimeouts.idleTimeoutMs", idleTimeoutMs, 0, maxDelayMs, true);

  return running<T, T>(source, options, async function* (self, reader) {
    let limitMs = firstItemTimeoutMs;
    let scope: StreamTimeoutError["scope"] = "first-item";
    for (;;) {
      const result = await self.until(reader.read(), limitMs);
      if (result === late) throw new StreamTimeoutError(limitMs, scope);
      if (result.done) return undefined;
      yield result.value;
      limitMs = idleTimeoutMs ?? Number.POSITIVE_INFINITY;
      scope = "idle";
    }
  });
}
