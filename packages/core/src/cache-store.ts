// Where a cache keeps its values: the contract, and a bounded store in memory.
//
// A store tells the age of what it has and is told how long it is worth keeping. Neither is a point in time: the clock of
// a store outside the process is not that of the pipeline.
import { type Clock, systemClock } from "./clock.ts";
import { checkInteger } from "./options.ts";

export interface CacheEntry {
  readonly value: unknown;
  /** Milliseconds since it was stored. */
  readonly ageMs: number;
}

/** Implement it for a store outside the process; each function may be asynchronous. */
export interface CacheStore {
  /** Undefined or null when there is nothing. */
  get(key: string): CacheEntry | null | undefined | PromiseLike<CacheEntry | null | undefined>;
  /** Replaces what is there. After `keepMs` nobody asks for it any more. */
  set(key: string, value: unknown, keepMs: number): unknown;
  delete(key: string): unknown;
}

export interface MemoryCacheStoreOptions {
  /** Entries that are kept; beyond, the one goes that was not asked for the longest. An integer of at least 1. @default 1000 */
  readonly maxEntries?: number;
  /** @default systemClock */
  readonly clock?: Clock;
}

export interface MemoryCacheStore extends CacheStore {
  /** Entries that are kept, also those that nobody asks for any more. */
  readonly size: number;
  get(key: string): CacheEntry | undefined;
}

interface Kept {
  readonly value: unknown;
  readonly storedMs: number;
  readonly keepMs: number;
}

class Memory implements MemoryCacheStore {
  private readonly maxEntries: number;
  private readonly clock: Clock;
  /** The one that was not asked for the longest is the first. */
  private readonly entries = new Map<string, Kept>();

  constructor(maxEntries: number, clock: Clock) {
    this.maxEntries = maxEntries;
    this.clock = clock;
  }

  get size(): number {
    return this.entries.size;
  }

  get(key: string): CacheEntry | undefined {
    const kept = this.entries.get(key);
    if (kept === undefined) return undefined;
    const ageMs = this.clock.now() - kept.storedMs;
    this.entries.delete(key);
    if (ageMs >= kept.keepMs) return undefined;
    this.entries.set(key, kept);
    return { value: kept.value, ageMs };
  }

  set(key: string, value: unknown, keepMs: number): void {
    this.entries.delete(key);
    this.entries.set(key, { value, storedMs: this.clock.now(), keepMs });
    if (this.entries.size <= this.maxEntries) return;
    for (const oldest of this.entries.keys()) {
      this.entries.delete(oldest);
      return;
    }
  }

  delete(key: string): void {
    this.entries.delete(key);
  }
}

/**
 * Keeps values in memory, by reference: of one process, or of one isolate on Workers.
 *
 * @throws {InvalidOptionError} for options out of bounds.
 */
export function memoryCacheStore(options: MemoryCacheStoreOptions = {}): MemoryCacheStore {
  const { maxEntries = 1000, clock = systemClock } = options;
  checkInteger("memoryCacheStore.maxEntries", maxEntries, 1);
  return new Memory(maxEntries, clock);
}
