// The isolates that have told a Durable Object something: which message was their last, and what was the case then.
import { isTotal } from "@headgate/core/metrics";
import type { MetricLike, MetricMessage } from "./metric-message.ts";

/** What is kept of one isolate. */
export interface ReportingIsolate {
  /** The number of its last message. */
  readonly sequence: number;
  /** When it came, in milliseconds since 1970. */
  readonly seenMs: number;
  /** What was now, at that time; empty when that is too long ago. */
  readonly now: readonly MetricLike[];
}

/** Isolates in all: the one goes that was not heard of for the longest. */
const maxIsolates = 5000;
/** Longer than any message is repeated, as isolates seldom live so long. */
const keepMs = 86_400_000;
/** What an isolate has said of now holds so long: one that ends says nothing. */
const currentMs = 300_000;

export class ReportingIsolates {
  /** In the order in which they were heard of. */
  readonly #isolates = new Map<string, ReportingIsolate>();

  /** Whether it has been told already. */
  hasTold({ isolate, sequence }: MetricMessage): boolean {
    return sequence <= (this.#isolates.get(isolate)?.sequence ?? 0);
  }

  /** Notes that it has, and gives what has to be stored: undefined for an isolate that is forgotten. */
  note(
    { isolate, sequence, metrics }: MetricMessage,
    nowMs: number,
  ): ReadonlyMap<string, ReportingIsolate | undefined> {
    const noted = { sequence, seenMs: nowMs, now: metrics.filter((metric) => !isTotal(metric)) };
    const changed = new Map<string, ReportingIsolate | undefined>([[isolate, noted]]);
    this.#isolates.delete(isolate);
    this.#isolates.set(isolate, noted);
    const [oldest] = this.#isolates.keys();
    if (this.#isolates.size > maxIsolates && oldest !== undefined) {
      this.#isolates.delete(oldest);
      changed.set(oldest, undefined);
    }
    return changed;
  }

  /** Takes back what was stored, in any order. */
  load(isolates: Iterable<readonly [string, ReportingIsolate]>): void {
    for (const [id, isolate] of [...isolates].sort(([, a], [, b]) => a.seenMs - b.seenMs))
      this.#isolates.set(id, isolate);
  }

  /** Forgets what is too old, and gives what has to be stored. */
  sweep(nowMs: number): ReadonlyMap<string, ReportingIsolate | undefined> {
    const changed = new Map<string, ReportingIsolate | undefined>();
    for (const [id, isolate] of this.#isolates) {
      const ageMs = nowMs - isolate.seenMs;
      if (ageMs < currentMs) break;
      if (ageMs >= keepMs) {
        this.#isolates.delete(id);
        changed.set(id, undefined);
      } else if (isolate.now.length > 0) {
        const silent = { ...isolate, now: [] };
        this.#isolates.set(id, silent);
        changed.set(id, silent);
      }
    }
    return changed;
  }

  /** What is now, for each isolate that still says so. */
  current(nowMs: number): (readonly MetricLike[])[] {
    return [...this.#isolates.values()].flatMap(({ seenMs, now }) => (nowMs - seenMs < currentMs ? [now] : []));
  }

  /** How long ago the last message was; infinite without one. */
  silentMs(nowMs: number): number {
    let latestMs = Number.NEGATIVE_INFINITY;
    for (const { seenMs } of this.#isolates.values()) latestMs = Math.max(latestMs, seenMs);
    return nowMs - latestMs;
  }
}
