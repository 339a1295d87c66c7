// Values as Grafana writes them, by its names of units.
import { digits } from "@headgate/charts";

/** A value with its unit. */
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
      return `${digits(value / baseOf(unit))} MiB`;
    default:
      return digits(value, decimals);
  }
}

/** What round values of a unit are multiples of: a round number of bytes is round in binary. */
export function baseOf(unit: string): number {
  return unit === "bytes" ? 2 ** 20 : 1;
}
