// What a query has returned, as the drawings take it.
import type { Times } from "@headgate/charts";

export interface Series {
  readonly name: string;
  /** Time in seconds, and the value; ascending. A time without a value is left out. */
  readonly points: readonly (readonly [timeS: number, value: number])[];
}

/** What all drawings share: which times there are. */
export interface Range extends Times {
  readonly stepS: number;
}

/** A series of Prometheus' answer to `query_range`. */
export interface RangeResult {
  readonly metric: Readonly<Record<string, string>>;
  readonly values: readonly (readonly [timeS: number, value: string])[];
}

/** Names a result as Grafana does, by its labels. What is no number is no point. */
export function seriesOf(legend: string, { metric, values }: RangeResult): Series {
  const points = values.map(([timeS, value]) => [timeS, Number(value)] as const);
  return {
    name: legend.replaceAll(/\{\{\s*(\w+)\s*\}\}/g, (_, label: string) => metric[label] ?? "").trim(),
    points: points.filter(([, value]) => Number.isFinite(value)),
  };
}

/** The points in pieces: between them there are times without a value. */
export function piecesOf({ points }: Series, { stepS }: Range): (readonly [timeS: number, value: number])[][] {
  const pieces: (readonly [number, number])[][] = [];
  let lastS = Number.NEGATIVE_INFINITY;
  for (const point of points) {
    if (point[0] - lastS > stepS * 1.5) pieces.push([]);
    pieces.at(-1)?.push(point);
    lastS = point[0];
  }
  return pieces;
}
