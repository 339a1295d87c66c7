// What an isolate tells the Durable Object that adds up metrics: what was counted since the message before, and what is now.
// Isolates number their messages, so that one that is sent again is counted once.
import type { MergeableMetric, MergeablePoint, MetricAttributes } from "@headgate/core/metrics";
import { listOf, numberOf, readVersion, record, recordsOf, textOf, type Unknowns } from "./message-fields.ts";

/** A metric as plain data: those of `@headgate/otel` are, and any others of this shape. */
export interface MetricLike extends MergeableMetric {
  readonly kind: "counter" | "up-down-counter" | "gauge" | "histogram";
  readonly description: string;
  /** The keys that its points may carry. */
  readonly attributes: readonly string[];
  /** Of a histogram: the upper bounds of its buckets, ascending; one without a bound follows. */
  readonly boundaries?: readonly number[];
}

export interface MetricMessage {
  readonly isolate: string;
  /** 1 for an isolate's first message, then one more each. */
  readonly sequence: number;
  /** Counters and histograms: what has been added. The others: all that is now. */
  readonly metrics: readonly MetricLike[];
}

/** Characters of a message at most. */
export const maxMessageLength = 2_000_000;
/** Points of counters and histograms in one message at most; and as many of the others. */
export const maxPoints = 500;
/** Metrics of different names. */
export const maxMetrics = 200;
/** Characters of what an attribute, a name or a unit is called. Longer values of attributes are cut. */
export const maxTextLength = 256;

const version = 1;
const maxAttributes = 16;
const maxBoundaries = 100;
const kinds: readonly string[] = ["counter", "up-down-counter", "gauge", "histogram"];

export function writeMetricMessage(message: MetricMessage): string {
  return JSON.stringify({ version, ...message });
}

/** @throws {TypeError} for anything but a message of this version and within the bounds. */
export function readMetricMessage(text: string): MetricMessage {
  if (text.length > maxMessageLength) throw new TypeError(`At most ${maxMessageLength} characters were expected`);
  const { isolate, sequence, metrics } = readVersion(text, version);
  const read = recordsOf(metrics, maxMetrics, metricOf);
  if (read.reduce((sum, { points }) => sum + points.length, 0) > 2 * maxPoints)
    throw new TypeError(`At most ${2 * maxPoints} points were expected`);
  return { isolate: textOf(isolate, maxTextLength), sequence: numberOf(sequence, 1), metrics: read };
}

/** All that an object has, as its answer. */
export function writeMetrics(metrics: readonly MetricLike[]): string {
  return JSON.stringify({ version, metrics });
}

/** @throws {TypeError} for anything but an answer of this version. */
export function readMetrics(text: string): readonly MetricLike[] {
  return recordsOf(readVersion(text, version)["metrics"], maxMetrics, metricOf);
}

function metricOf(item: Unknowns): MetricLike {
  const kind = item["kind"] as MetricLike["kind"];
  if (!kinds.includes(kind)) throw new TypeError(`A kind of metric was expected, not ${String(kind)}`);
  const boundaries = kind === "histogram" ? listOf(item["boundaries"], maxBoundaries, finiteOf) : undefined;
  return {
    name: textOf(item["name"], maxTextLength),
    kind,
    unit: textOf(item["unit"], maxTextLength),
    description: textOf(item["description"], 4 * maxTextLength),
    attributes: listOf(item["attributes"], maxAttributes, (key) => textOf(key, maxTextLength)),
    ...(boundaries && { boundaries }),
    points: recordsOf(item["points"], Number.MAX_SAFE_INTEGER, (point) => pointOf(point, kind, boundaries)),
  };
}

function pointOf(item: Unknowns, kind: MetricLike["kind"], boundaries: readonly number[] = []): MergeablePoint {
  const attributes = attributesOf(record(item["attributes"]));
  if (kind !== "histogram") {
    const value = item["value"];
    return { attributes, value: kind === "counter" ? numberOf(value) : finiteOf(value) };
  }
  const bucketCounts = listOf(item["bucketCounts"], boundaries.length + 1, (count) => numberOf(count));
  if (bucketCounts.length <= boundaries.length)
    throw new TypeError(`${boundaries.length + 1} buckets were expected, not ${bucketCounts.length}`);
  return { attributes, count: numberOf(item["count"]), sum: finiteOf(item["sum"]), bucketCounts };
}

function attributesOf(item: Unknowns): MetricAttributes {
  const entries = listOf(Object.entries(item), maxAttributes, (entry) => entry as [string, unknown]);
  return Object.fromEntries(
    entries.map(([key, value]) => [
      textOf(key, maxTextLength),
      typeof value === "number" ? finiteOf(value) : textOf(value, maxTextLength),
    ]),
  );
}

function finiteOf(value: unknown): number {
  return numberOf(value, -Number.MAX_SAFE_INTEGER);
}
