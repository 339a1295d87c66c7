// An isolate's side of the sum: what of its totals the Durable Object has been told, and what has not been told yet.
import {
  attributesKey,
  isTotal,
  type MergeablePoint,
  mergeMetrics,
  type MetricAttributes,
} from "@headgate/core/metrics";
import {
  maxMessageLength,
  maxMetrics,
  maxPoints,
  maxTextLength,
  type MetricLike,
  writeMetricMessage,
} from "./metric-message.ts";

/** Characters of the points in each half of a message; definitions take little beside them. */
const maxLength = maxMessageLength / 4;

/** A message, and what is known of the object once it was answered. */
export interface UntoldMessage {
  readonly sequence: number;
  readonly body: string;
  /** Whether there is more that found no place in it. */
  readonly isFull: boolean;
  readonly totals: ReadonlyMap<string, MergeablePoint>;
  /** Everything that is now, as text. */
  readonly now: string;
}

export class MetricDeltas {
  readonly #isolate: string;
  readonly #collect: () => readonly MetricLike[];
  /** The totals that the object has been told, by metric and attributes. */
  readonly #told = new Map<string, MergeablePoint>();
  #toldNow = "[]";
  #sequence = 0;
  #untold: UntoldMessage | undefined = undefined;

  constructor(isolate: string, collect: () => readonly MetricLike[]) {
    this.#isolate = isolate;
    this.#collect = collect;
  }

  /** Whether nobody knows yet if the last message has arrived. */
  get isUnanswered(): boolean {
    return this.#untold !== undefined;
  }

  /**
   * What has to be told next; undefined when there is nothing new. A message that was not answered comes again, unchanged.
   */
  next(): UntoldMessage | undefined {
    this.#untold ??= this.#make();
    return this.#untold;
  }

  /** The object has it. */
  settle({ sequence, totals, now }: UntoldMessage): void {
    if (this.#untold?.sequence !== sequence) return;
    for (const [key, point] of totals) this.#told.set(key, point);
    this.#toldNow = now;
    this.#untold = undefined;
  }

  /** The object has said that it does not take it: what it holds is told in another message. */
  refuse({ sequence }: UntoldMessage): void {
    if (this.#untold?.sequence === sequence) this.#untold = undefined;
  }

  #make(): UntoldMessage | undefined {
    const totals = new Map<string, MergeablePoint>();
    const room = new Room();
    const current = this.#collect().slice(0, maxMetrics).map(withinBounds);
    const added = current.filter(isTotal).map((metric) => this.#added(metric, totals, room));
    const now = nowOf(current);
    const nowText = JSON.stringify(now);
    if (totals.size === 0 && nowText === this.#toldNow) return undefined;
    const sequence = ++this.#sequence;
    const metrics = [...added, ...now].filter(({ points }) => points.length > 0);
    const body = writeMetricMessage({ isolate: this.#isolate, sequence, metrics });
    return { sequence, body, isFull: room.isFull, totals, now: nowText };
  }

  /** The metric with what was added to each point that has changed, as far as there is a place. */
  #added(metric: MetricLike, totals: Map<string, MergeablePoint>, room: Room): MetricLike {
    const points: MergeablePoint[] = [];
    for (const point of metric.points) {
      const key = `${metric.name} ${attributesKey(point.attributes)}`;
      const told = this.#told.get(key);
      const added = told === undefined ? point : difference(point, told);
      if (added === undefined) continue;
      if (!room.take(added)) break;
      totals.set(key, point);
      points.push(added);
    }
    return { ...metric, points };
  }
}

/** What is now comes whole: it stands for what the message before has said. */
function nowOf(metrics: readonly MetricLike[]): MetricLike[] {
  const room = new Room();
  return metrics.flatMap((metric) => {
    const points = isTotal(metric) ? [] : metric.points.filter((point) => room.take(point));
    return points.length === 0 ? [] : [{ ...metric, points }];
  });
}

/** The half of a message. */
class Room {
  isFull = false;
  #points = 0;
  #length = 0;

  take(point: MergeablePoint): boolean {
    this.#length += JSON.stringify(point).length;
    this.isFull ||= ++this.#points > maxPoints || this.#length > maxLength;
    return !this.isFull;
  }
}

/** Undefined when nothing was added. Totals only rise: one that has fallen tells nothing until it is higher again. */
function difference(point: MergeablePoint, told: MergeablePoint): MergeablePoint | undefined {
  const { attributes, value, count, sum = 0, bucketCounts } = point;
  if (bucketCounts === undefined) {
    const added = (value ?? 0) - (told.value ?? 0);
    return added > 0 ? { attributes, value: added } : undefined;
  }
  const added = (count ?? 0) - (told.count ?? 0);
  if (added <= 0) return undefined;
  const counts = bucketCounts.map((each, i) => Math.max(0, each - (told.bucketCounts?.[i] ?? 0)));
  return { attributes, count: added, sum: sum - (told.sum ?? 0), bucketCounts: counts };
}

/** Values of attributes come from outside; the object refuses what is longer. */
function withinBounds(metric: MetricLike): MetricLike {
  const isLong = (value: unknown): boolean => typeof value === "string" && value.length > maxTextLength;
  if (!metric.points.some(({ attributes }) => Object.values(attributes).some(isLong))) return metric;
  const points = metric.points.map((point) => ({ ...point, attributes: cut(point.attributes) }));
  // Those that are the same now add up.
  return mergeMetrics([[{ ...metric, points }]])[0] ?? metric;
}

function cut(attributes: MetricAttributes): MetricAttributes {
  return Object.fromEntries(
    Object.entries(attributes).map(([key, value]) => [
      key,
      typeof value === "string" ? value.slice(0, maxTextLength) : value,
    ]),
  );
}
