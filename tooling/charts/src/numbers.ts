// Numbers as a reader likes them.

/** Three digits that matter, unless told how many come after the point. */
export function digits(value: number, decimals?: number): string {
  if (decimals !== undefined) return value.toFixed(decimals);
  return String(Number(value.toPrecision(3)));
}

/** Round values from 0 to at least `max`, about `count` of them: round as multiples of `base`. */
export function ticks(max: number, count: number, base = 1): number[] {
  const rough = max / base / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((each) => each * power).find((each) => each >= rough) ?? 10 * power;
  const steps = Math.ceil(max / base / step - 1e-9);
  return Array.from({ length: steps + 1 }, (_, at) => at * step * base);
}
