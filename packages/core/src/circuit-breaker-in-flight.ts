// The calls a breaker has let through and still watches, oldest first: probes, whose lease may end, and calls that may
// turn out slow. Linked, so that the oldest is found and any is taken out in constant time.

export class InFlight {
  startedMs: number;
  /** The breaker's generation when the call was let through. */
  readonly generation: number;
  /** The trip's number for it once it has been recorded as slow; null before. */
  slowSample: number | null = null;
  older: InFlight | null = null;
  newer: InFlight | null = null;

  constructor(startedMs: number, generation: number) {
    this.startedMs = startedMs;
    this.generation = generation;
  }
}

export class InFlightList {
  oldest: InFlight | null = null;
  size = 0;
  private newest: InFlight | null = null;

  add(startedMs: number, generation: number): InFlight {
    const entry = new InFlight(startedMs, generation);
    entry.older = this.newest;
    if (this.newest === null) this.oldest = entry;
    else this.newest.newer = entry;
    this.newest = entry;
    this.size++;
    return entry;
  }

  /** Only for an entry that is in the list. */
  remove(entry: InFlight): void {
    const { older, newer } = entry;
    if (older === null) this.oldest = newer;
    else older.newer = newer;
    if (newer === null) this.newest = older;
    else newer.older = older;
    entry.older = entry.newer = null;
    this.size--;
  }

  /** Entries that were in it are of an older generation from now on, and are not removed any more. */
  clear(): void {
    this.oldest = this.newest = null;
    this.size = 0;
  }
}
