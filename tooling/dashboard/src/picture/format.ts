// Numbers as a reader likes them: units, and round values for an axis.

/** A value with its unit, by Grafana's name of the unit. */
export function format(value: number, unit: string, decimals?: number): string {
  switch (unit) {
    case "percentunit":
      return `${digits(value * 100, decimals)} %`;
    case "reqps":
      return `${digits(value, decimals)}/s`;
    case "s":
      if (value !== 0 && Math.abs(value) < 1) return `${digits(value * 1000)} ms`;
      return `${digits(value, decimals)} s`;
    case "bytes":
      return `${digits(value / 2 ** 20)} MiB`;
    default:
      return digits(value, decimals);
  }
}

/** Three digits that matter, unless told how many come after the point. */
function digits(value: number, decimals?: number): string {
  if (decimals !== undefined) return value.toFixed(decimals);
  return String(Number(value.toPrecision(3)));
}

/** Round values from 0 to at least `max`, about `count` of them. */
export function ticks(max: number, count: number, unit: string): number[] {
  // A round number of bytes is round in binary.
  const scale = unit === "bytes" ? 2 ** 20 : 1;
  const rough = max / scale / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((each) => each * power).find((each) => each >= rough) ?? 10 * power;
  const steps = Math.ceil(max / scale / step - 1e-9);
  return Array.from({ length: steps + 1 }, (_, at) => at * step * scale);
}
