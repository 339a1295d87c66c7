// Items in groups, by number or by time, whichever comes first.
import { maxDelayMs, systemClock } from "../clock.ts";
import { checkInteger, checkNumber } from "../options.ts";
import { late, running, type StreamOptions } from "./running.ts";
import { checkSource, type ReadResult, type Source } from "./source.ts";

export interface BatchOptions extends StreamOptions {
  /** Items in a batch at most. An integer of at least 1. */
  readonly maxItems: number;
  /**
   * How long the first item of a batch waits for others, in milliseconds from its arrival. 0 takes what is there.
   * At most 2^31 - 1. @default Infinity: batches are full, the last one apart
   */
  readonly maxWaitMs?: number | undefined;
}

interface Arrival<T> {
  readonly result: ReadResult<T>;
  readonly atMs: number;
}

/**
 * Groups the items of a source. No batch is empty. Holds one batch, and the item whose read was under way when a batch
 * was handed out by time. When the source fails, the items that came before are handed out first.
 */
export function batch<T>(source: Source<T>, options: BatchOptions): AsyncIterableIterator<T[], undefined, undefined> {
  const { maxItems, maxWaitMs = Number.POSITIVE_INFINITY, clock = systemClock } = options;
  checkSource("batch.source", source);
  checkInteger("batch.maxItems", maxItems, 1);
  if (maxWaitMs !== Number.POSITIVE_INFINITY) checkNumber("batch.maxWaitMs", maxWaitMs, 0, maxDelayMs);

  return running<T, T[]>(source, options, async function* (self, reader) {
    const read = async (): Promise<Arrival<T>> => ({ result: await reader.read(), atMs: clock.now() });
    /** Outlives the batch that it was begun for when that is handed out by time. */
    let reading: Promise<Arrival<T>> | null = null;
    for (;;) {
      const items: T[] = [];
      let dueMs = Number.POSITIVE_INFINITY;
      let failure: { readonly error: unknown } | null = null;
      let done = false;
      while (items.length < maxItems) {
        reading ??= read();
        let arrival: Arrival<T> | typeof late;
        try {
          arrival = await self.until(reading, Math.max(0, dueMs - clock.now()));
        } catch (error) {
          if (self.ended || items.length === 0) throw error;
          failure = { error };
          break;
        }
        if (arrival === late) break;
        reading = null;
        done = arrival.result.done;
        if (arrival.result.done) break;
        if (items.length === 0) dueMs = arrival.atMs + maxWaitMs;
        items.push(arrival.result.value);
      }
      if (items.length > 0) yield items;
      if (failure !== null) throw failure.error;
      if (done) return undefined;
    }
  });
}
