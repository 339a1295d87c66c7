// Which keys were invalidated since when, so that what was on its way before is not stored after. Only the latest are kept
// apart; what began before the oldest of those counts as invalidated: it costs a miss and never a wrong answer.

const maxKept = 1000;

export class Invalidations {
  /** The number of the last invalidation. */
  last = 0;
  private forgotten = 0;
  private readonly byKey = new Map<string, number>();

  add(key: string): void {
    this.last++;
    this.byKey.delete(key);
    this.byKey.set(key, this.last);
    if (this.byKey.size <= maxKept) return;
    for (const [oldest, number] of this.byKey) {
      this.byKey.delete(oldest);
      this.forgotten = number;
      return;
    }
  }

  /** Whether the key was, or may have been, invalidated after the invalidation of that number. */
  since(number: number, key: string): boolean {
    return number < this.forgotten || (this.byKey.get(key) ?? 0) > number;
  }
}
