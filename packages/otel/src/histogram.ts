// A histogram in a typed array: recording allocates nothing.

export class Histogram {
  readonly name: string;
  readonly counts: Float64Array;
  count = 0;
  sum = 0;
  readonly #bounds: readonly number[];

  constructor(name: string, bounds: readonly number[]) {
    this.name = name;
    this.#bounds = bounds;
    this.counts = new Float64Array(bounds.length + 1);
  }

  record(value: number): void {
    const bounds = this.#bounds;
    let i = 0;
    // Most values are small: their bucket is among the first.
    while (i < bounds.length && value > (bounds[i] as number)) i++;
    this.counts[i] = (this.counts[i] as number) + 1;
    this.count++;
    this.sum += value;
  }
}
