// What became of the attempts of the last minutes: counts in buckets of time, of the bucket in which each attempt began. So the
// two sides of the ratio leave the window together, and the end of an attempt needs no clock.

// The counts of one bucket stand side by side.
const startedAt = 0;
const acceptedAt = 1;
const droppedAt = 2;
const width = 3;

export class ThrottleWindow {
  started = 0;
  accepted = 0;
  dropped = 0;
  /** The bucket of now, numbered from the clock's origin. */
  bucket: number = Number.NEGATIVE_INFINITY;
  private readonly bucketMs: number;
  private readonly buckets: number;
  private readonly counted: Uint32Array;

  constructor(windowMs: number, buckets: number) {
    this.bucketMs = windowMs / buckets;
    this.buckets = buckets;
    this.counted = new Uint32Array(buckets * width);
  }

  /** Drops the buckets that have left the window. A clock that stands still or goes back moves nothing. */
  advance(nowMs: number): void {
    const bucket = Math.floor(nowMs / this.bucketMs);
    if (!(bucket > this.bucket)) return;
    const first = Math.max(this.bucket + 1, bucket - this.buckets + 1);
    this.bucket = bucket;
    for (let passed = first; passed <= bucket; passed++) this.clear(this.baseOf(passed));
  }

  /** An attempt begins in the bucket of now. */
  start(): void {
    this.started++;
    this.counted[this.baseOf(this.bucket) + startedAt]!++;
  }

  /** The attempt that began in this bucket was served, well or badly. */
  accept(bucket: number): void {
    if (!this.has(bucket)) return;
    this.accepted++;
    this.counted[this.baseOf(bucket) + acceptedAt]!++;
  }

  /** It was not, because of overload. */
  drop(bucket: number): void {
    if (!this.has(bucket)) return;
    this.dropped++;
    this.counted[this.baseOf(bucket) + droppedAt]!++;
  }

  /** It said nothing, and is not counted. */
  forget(bucket: number): void {
    if (!this.has(bucket)) return;
    this.started--;
    this.counted[this.baseOf(bucket) + startedAt]!--;
  }

  private has(bucket: number): boolean {
    return bucket > this.bucket - this.buckets;
  }

  private baseOf(bucket: number): number {
    const slot = bucket % this.buckets;
    return (slot < 0 ? slot + this.buckets : slot) * width;
  }

  private clear(base: number): void {
    const { counted } = this;
    this.started -= counted[base + startedAt] as number;
    this.accepted -= counted[base + acceptedAt] as number;
    this.dropped -= counted[base + droppedAt] as number;
    counted.fill(0, base, base + width);
  }
}
