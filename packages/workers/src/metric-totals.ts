// What a Durable Object has added up, in pieces that are stored one by one: a message changes few of them.
import {
  attributesKey,
  isTotal,
  type MergeablePoint,
  mergePoints,
  type MetricAttributes,
} from "@headgate/core/metrics";
import { maxMetrics, type MetricLike } from "./metric-message.ts";

/** Points of one piece: far below what storage takes as one value. */
const pieceSize = 100;
/** Points of a metric; what comes beyond is added to a point whose attributes all have the value `_OTHER`. */
const maxSeries = 2000;
const other = "_OTHER";

/** What is stored of a metric under one key. */
export interface TotalsPiece extends MetricLike {
  readonly number: number;
}

interface Series {
  point: MergeablePoint;
  readonly piece: number;
}

interface Total {
  definition: MetricLike;
  readonly series: Map<string, Series>;
}

export class MetricTotals {
  readonly #totals = new Map<string, Total>();

  /** Adds what a message says, and gives what has to be stored: undefined for a piece that is no more. */
  add(metrics: readonly MetricLike[]): ReadonlyMap<string, TotalsPiece | undefined> {
    const changed = new Map<string, TotalsPiece | undefined>();
    for (const metric of metrics) {
      if (!isTotal(metric)) continue;
      const total = this.#totalOf(metric, changed);
      if (total === undefined) continue;
      const pieces = new Set(metric.points.map((point) => this.#addPoint(total, point)));
      for (const number of pieces) changed.set(keyOf(metric.name, number), pieceOf(total, number));
    }
    return changed;
  }

  /** Takes back what was stored. */
  load({ number, ...metric }: TotalsPiece): void {
    const { points, name } = metric;
    const total = this.#totals.get(name) ?? { definition: { ...metric, points: [] }, series: new Map() };
    this.#totals.set(name, total);
    for (const point of points) total.series.set(attributesKey(point.attributes), { point, piece: number });
  }

  all(): MetricLike[] {
    return Array.from(this.#totals.values(), ({ definition, series }) => ({
      ...definition,
      points: Array.from(series.values(), ({ point }) => point),
    }));
  }

  /** A metric that has other buckets or another unit than before begins anew: they cannot be added up. */
  #totalOf(metric: MetricLike, changed: Map<string, TotalsPiece | undefined>): Total | undefined {
    const { name } = metric;
    const definition = { ...metric, points: [] };
    const known = this.#totals.get(name);
    if (known !== undefined && shapeOf(known.definition) === shapeOf(metric)) {
      known.definition = definition;
      return known;
    }
    for (const { piece } of known?.series.values() ?? []) changed.set(keyOf(name, piece), undefined);
    if (known === undefined && this.#totals.size >= maxMetrics) return undefined;
    const total: Total = { definition, series: new Map() };
    this.#totals.set(name, total);
    return total;
  }

  /** Gives the number of the piece that the point is in. */
  #addPoint({ definition, series }: Total, point: MergeablePoint): number {
    const { key, attributes } = placeOf(series, point.attributes);
    const known = series.get(key);
    if (known !== undefined) {
      known.point = mergePoints(definition, known.point, point);
      return known.piece;
    }
    const piece = Math.floor(series.size / pieceSize);
    series.set(key, { point: { ...point, attributes }, piece });
    return piece;
  }
}

function placeOf(
  series: ReadonlyMap<string, Series>,
  attributes: MetricAttributes,
): { key: string; attributes: MetricAttributes } {
  const key = attributesKey(attributes);
  if (series.has(key) || series.size < maxSeries) return { key, attributes };
  const others = Object.fromEntries(Object.keys(attributes).map((name) => [name, other]));
  return { key: attributesKey(others), attributes: others };
}

function shapeOf({ kind, unit, boundaries }: MetricLike): string {
  return JSON.stringify([kind, unit, boundaries]);
}

function keyOf(name: string, piece: number): string {
  return `${name}:${piece}`;
}

function pieceOf({ definition, series }: Total, number: number): TotalsPiece {
  const points = Array.from(series.values()).flatMap(({ point, piece }) => (piece === number ? [point] : []));
  return { ...definition, number, points };
}
