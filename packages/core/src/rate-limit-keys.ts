// The keys of a rate limit in memory, the least recently used forgotten first, and the calls that wait for each.
import type { Call } from "./call.ts";
import type { ClockTimer } from "./clock.ts";

/** A call that waits until its weight goes through. */
export class RateWaiter {
  readonly call: Call;
  readonly at: number;
  readonly entry: KeyEntry;
  readonly cost: number;
  /** When it has waited as long as it may. */
  readonly giveUpMs: number;
  /** When its timer fires: its turn, as far as was known when the timer was armed. */
  slotMs = 0;
  timer: ClockTimer | null = null;
  /** Makes the waiter look again in its own context; null once that was done. */
  wake: (() => void) | null = null;

  constructor(call: Call, at: number, entry: KeyEntry, cost: number, giveUpMs: number) {
    this.call = call;
    this.at = at;
    this.entry = entry;
    this.cost = cost;
    this.giveUpMs = giveUpMs;
  }
}

/** What is known of one key. */
export class KeyEntry {
  readonly key: string;
  /** That of the algorithm. */
  state: unknown = undefined;
  /** When the whole burst is there again. */
  fullMs: number = Number.NEGATIVE_INFINITY;
  /** In the order in which they came. */
  waiters: Set<RateWaiter> | null = null;
  queuedCost = 0;

  constructor(key: string) {
    this.key = key;
  }

  get waiting(): number {
    return this.waiters === null ? 0 : this.waiters.size;
  }

  get head(): RateWaiter | undefined {
    return this.waiters?.values().next().value;
  }

  /** Whether the waiter was not there yet. */
  add(waiter: RateWaiter): boolean {
    this.waiters ??= new Set();
    if (this.waiters.has(waiter)) return false;
    this.waiters.add(waiter);
    this.queuedCost += waiter.cost;
    return true;
  }

  /** Whether the waiter was there. */
  remove(waiter: RateWaiter): boolean {
    if (this.waiters === null || !this.waiters.delete(waiter)) return false;
    // A sum of fractions would not come back to 0.
    this.queuedCost = this.waiters.size === 0 ? 0 : this.queuedCost - waiter.cost;
    if (this.waiters.size === 0) this.waiters = null;
    return true;
  }

  /** What those in front will take. One whose turn was before `sinceMs` is not counted: its request was killed. */
  costAhead(waiter: RateWaiter, sinceMs: number): number {
    let cost = 0;
    for (const other of this.waiters ?? []) {
      if (other === waiter) break;
      if (other.slotMs >= sinceMs) cost += other.cost;
    }
    return cost;
  }
}

export class KeyTable {
  private readonly maxKeys: number;
  /** The least recently used first. */
  private readonly entries = new Map<string, KeyEntry>();
  private latest: KeyEntry | null = null;

  constructor(maxKeys: number) {
    this.maxKeys = maxKeys;
  }

  get size(): number {
    return this.entries.size;
  }

  /** The entry of the key, if there is one. It counts as used now. */
  use(key: string): KeyEntry | undefined {
    const { latest } = this;
    if (latest !== null && latest.key === key) return latest;
    const entry = this.entries.get(key);
    if (entry !== undefined) this.touch(entry);
    return entry;
  }

  /** For a key that has no entry yet: makes one. There must be room. */
  add(key: string): KeyEntry {
    const entry = new KeyEntry(key);
    this.entries.set(key, entry);
    this.latest = entry;
    return entry;
  }

  get full(): boolean {
    return this.entries.size >= this.maxKeys;
  }

  /** Makes room for `add`: forgets the least recently used key for which nobody waits. Undefined without such a key. */
  evict(): KeyEntry | undefined {
    for (let tries = this.entries.size; tries > 0; tries--) {
      const oldest = this.entries.values().next().value as KeyEntry;
      if (oldest.waiters === null) {
        this.entries.delete(oldest.key);
        return oldest;
      }
      this.touch(oldest);
    }
    return undefined;
  }

  private touch(entry: KeyEntry): void {
    this.entries.delete(entry.key);
    this.entries.set(entry.key, entry);
    this.latest = entry;
  }
}
