// Where events are counted: plain fields and typed arrays, made once for each name and error. Names come from the
// outside, so every place that keeps one has a bound; what is past it is counted together.
import { type CircuitBreaker, type ConcurrencyLimit, isHeadgateError } from "@headgate/core";
import { other } from "./definitions.ts";

const maxErrorTypes = 20;
const maxErrorTypeLength = 100;

/** How a call ended, for metrics. A closed set: further policies bring further outcomes. */
export type PipelineOutcome =
  | "success"
  | "failure"
  | "timeout"
  | "rejected_breaker"
  | "rejected_concurrency"
  | "cancelled";

export class Histogram {
  readonly #bounds: readonly number[];
  readonly counts: Float64Array;
  sum = 0;

  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.counts = new Float64Array(bounds.length + 1);
  }

  record(value: number): void {
    const bounds = this.#bounds;
    let i = 0;
    // Most calls are short: their bucket is among the first.
    while (i < bounds.length && value > (bounds[i] as number)) i++;
    this.counts[i] = (this.counts[i] as number) + 1;
    this.sum += value;
  }
}

/** The calls of one pipeline that ended alike. */
export class CallCounts {
  readonly outcome: PipelineOutcome;
  /** Undefined for an outcome that is no error of anybody: `success`, `cancelled`. */
  readonly errorType: string | undefined;
  count = 0;
  /** In milliseconds. */
  readonly latency: Histogram;
  readonly attempts: Histogram;

  constructor(outcome: PipelineOutcome, errorType: string | undefined, bounds: CallBounds) {
    this.outcome = outcome;
    this.errorType = errorType;
    this.latency = new Histogram(bounds.latencyMs);
    this.attempts = new Histogram(bounds.attempts);
  }

  record(durationMs: number, attempts: number): void {
    this.count++;
    // A clock that was set back must not take anything off a sum that only rises.
    this.latency.record(durationMs > 0 ? durationMs : 0);
    this.attempts.record(attempts);
  }
}

export interface CallBounds {
  readonly latencyMs: readonly number[];
  readonly attempts: readonly number[];
}

export class PipelineCounts {
  readonly name: string;
  readonly success: CallCounts;
  readonly cancelled: CallCounts;
  /** By error type, which decides the outcome. */
  readonly failed: Map<string, CallCounts> = new Map();
  /** Attempts after the first, by the error type of the one before. */
  readonly retries: Map<string, number> = new Map();
  exhausted = 0;
  totalTimeouts = 0;
  attemptTimeouts = 0;
  readonly #bounds: CallBounds;

  constructor(name: string, bounds: CallBounds) {
    this.name = name;
    this.#bounds = bounds;
    this.success = new CallCounts("success", undefined, bounds);
    this.cancelled = new CallCounts("cancelled", undefined, bounds);
  }

  failedWith(errorType: string): CallCounts {
    let counts = this.failed.get(errorType);
    if (counts === undefined) {
      counts = new CallCounts(outcomes.get(errorType) ?? "failure", errorType, this.#bounds);
      this.failed.set(errorType, counts);
    }
    return counts;
  }
}

export class BreakerCounts {
  readonly name: string;
  opened = 0;
  closed = 0;
  halfOpened = 0;
  rejected = 0;
  readonly watched: Set<CircuitBreaker> = new Set();

  constructor(name: string) {
    this.name = name;
  }
}

export class LimitCounts {
  readonly name: string;
  rejectedFull = 0;
  rejectedWait = 0;
  readonly watched: Set<ConcurrencyLimit> = new Set();

  constructor(name: string) {
    this.name = name;
  }
}

/** Counts by name, for up to `max` names; all further ones share the counts of `_OTHER`. */
export class ByName<Counts> {
  readonly #counts = new Map<string, Counts>();
  readonly #max: number;
  readonly #make: (name: string) => Counts;

  constructor(max: number, make: (name: string) => Counts) {
    this.#max = max;
    this.#make = make;
  }

  of(name: string): Counts {
    const known = this.#counts.get(name);
    if (known !== undefined) return known;
    return this.#counts.size < this.#max || name === other ? this.#add(name) : this.of(other);
  }

  [Symbol.iterator](): IterableIterator<Counts> {
    return this.#counts.values();
  }

  #add(name: string): Counts {
    const made = this.#make(name);
    this.#counts.set(name, made);
    return made;
  }
}

/** Our own decisions: their codes are the error types, and each is an outcome of its own. */
const outcomes: ReadonlyMap<string, PipelineOutcome> = new Map<string, PipelineOutcome>([
  ["ERR_TIMEOUT", "timeout"],
  ["ERR_CIRCUIT_OPEN", "rejected_breaker"],
  ["ERR_CONCURRENCY_LIMIT", "rejected_concurrency"],
]);

/** Names errors for metrics: by our code, else by the name of the class, for the first 20 of those. */
export class ErrorTypes {
  readonly #seen = new Set<string>();

  of(error: unknown): string {
    try {
      if (isHeadgateError(error)) return outcomes.has(error.code) ? error.code : this.#bounded(error.code);
      const name: unknown = error instanceof Error ? error.name : undefined;
      return typeof name === "string" && !outcomes.has(name) ? this.#bounded(name) : other;
    } catch {
      // Somebody's error may be a proxy, or its name a getter; the call is counted all the same.
      return other;
    }
  }

  #bounded(name: string): string {
    if (this.#seen.has(name)) return name;
    if (this.#seen.size >= maxErrorTypes || name === "" || name.length > maxErrorTypeLength) return other;
    this.#seen.add(name);
    return name;
  }
}
