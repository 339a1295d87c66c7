// A lower bound on how fast bytes come: a body that drips holds a connection and a permit for as long as it likes.
import { maxDelayMs, systemClock } from "../clock.ts";
import { HeadgateError } from "../errors.ts";
import { checkNumber } from "../options.ts";
import { type ByteChunk, bytesOf } from "./byte-chunk.ts";
import { late, running, type StreamOptions } from "./running.ts";
import { checkSource, type Source } from "./source.ts";

export interface MinRateOptions extends StreamOptions {
  /** Bytes per second that the source must keep up on average. Above 0. @default 240 */
  readonly bytesPerSecond?: number | undefined;
  /** How long the source may stay behind, in all. 0 to 2^31 - 1. @default 5000 */
  readonly graceMs?: number | undefined;
}

/** A stream was slower than `bytesPerSecond`, beyond what `graceMs` forgives. */
export class MinRateError extends HeadgateError {
  readonly bytesPerSecond: number;
  readonly graceMs: number;
  /** Bytes that came. */
  readonly bytes: number;
  /** How long the source kept its reader waiting for them. */
  readonly waitedMs: number;

  constructor(bytesPerSecond: number, graceMs: number, bytes: number, waitedMs: number) {
    super("ERR_MIN_RATE");
    this.bytesPerSecond = bytesPerSecond;
    this.graceMs = graceMs;
    this.bytes = bytes;
    this.waitedMs = waitedMs;
  }

  override get name(): string {
    return "MinRateError";
  }

  override get message(): string {
    const { bytes, waitedMs, bytesPerSecond } = this;
    return `The stream gave ${bytes} bytes in ${Math.round(waitedMs)} ms, slower than ${bytesPerSecond} bytes/s`;
  }
}

/**
 * Passes chunks of bytes on as long as they come fast enough: the source may keep its reader waiting for `graceMs` and
 * the time that its bytes so far take at `bytesPerSecond`. The consumer's own time does not count. The same rule as
 * Kestrel's minimum data rates, with its defaults.
 */
export function minRate<T extends ByteChunk>(
  source: Source<T>,
  options: MinRateOptions = {},
): AsyncIterableIterator<T, undefined, undefined> {
  const { bytesPerSecond = 240, graceMs = 5_000, clock = systemClock } = options;
  checkSource("minRate.source", source);
  checkNumber("minRate.bytesPerSecond", bytesPerSecond, 0, Number.MAX_VALUE, true);
  checkNumber("minRate.graceMs", graceMs, 0, maxDelayMs);

  return running<T, T>(source, options, async function* (self, reader) {
    let bytes = 0;
    let waitedMs = 0;
    for (;;) {
      const budgetMs = graceMs + (bytes / bytesPerSecond) * 1_000 - waitedMs;
      const startMs = clock.now();
      const result = await self.until(reader.read(), Math.min(Math.max(0, budgetMs), maxDelayMs));
      waitedMs += clock.now() - startMs;
      if (result === late) throw new MinRateError(bytesPerSecond, graceMs, bytes, waitedMs);
      if (result.done) return undefined;
      bytes += bytesOf("minRate", result.value);
      yield result.value;
    }
  });
}
