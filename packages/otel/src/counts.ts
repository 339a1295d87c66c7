// Where calls are counted: plain fields and typed arrays, made once for each name and error. Names come from the outside,
// so every place that keeps one has a bound; what is past it is counted together.
import { type Call, type HeadgateEvent, isHeadgateError, isRefusal, type PipelineMeter } from "@headgate/core";
import * as definitions from "./definitions.ts";
import { ErrorTypes, hasFallenBack, outcomes, type PipelineOutcome } from "./error-types.ts";
import { Histogram } from "./histogram.ts";
import type { Attributes, HistogramDefinition } from "./metrics.ts";

const { errorType, latency, limitName, other, pipelineName, pipelineOutcome, queueDuration, retryAttempts } =
  definitions;

/** Different names of pipelines, of breakers and of limits each. What is past it is counted as `_OTHER`. */
const maxNames = 200;

/** Is given each value of a histogram when it is recorded, in the metric's unit. */
export type RecordValue = (definition: HistogramDefinition, value: number, attributes: Attributes) => void;

/** What the counts of all pipelines share. */
export class Shared {
  readonly errorTypes: ErrorTypes = new ErrorTypes();
  /** Waits for a permit, by the name of the limit. */
  readonly waits: ByName<Histogram> = new ByName((name) => new Histogram(name, inMs(queueDuration)));
  /** Undefined where nobody needs single values. */
  record: RecordValue | undefined = undefined;
}

/** The calls of one pipeline that ended alike. */
export class CallCounts {
  readonly outcome: PipelineOutcome;
  /** Undefined for an outcome that is no error of anybody: `success`, `cancelled`. */
  readonly errorType: string | undefined;
  readonly attributes: Attributes;
  /** The same without the error type. */
  private readonly ended: Attributes;
  count = 0;
  /** In milliseconds. */
  readonly latency: Histogram;
  readonly attempts: Histogram;
  private readonly shared: Shared;

  constructor(pipeline: string, outcome: PipelineOutcome, type: string | undefined, shared: Shared) {
    this.outcome = outcome;
    this.errorType = type;
    this.ended = { [pipelineName]: pipeline, [pipelineOutcome]: outcome };
    this.attributes = type === undefined ? this.ended : { ...this.ended, [errorType]: type };
    this.latency = new Histogram(pipeline, inMs(latency));
    this.attempts = new Histogram(pipeline, retryAttempts.boundaries);
    this.shared = shared;
  }

  record(durationMs: number, attempts: number): void {
    this.count++;
    // A clock that was set back must not take anything off a sum that only rises.
    const ms = durationMs > 0 ? durationMs : 0;
    this.latency.record(ms);
    this.attempts.record(attempts);
    if (this.shared.record !== undefined) this.tell(this.shared.record, ms, attempts);
  }

  private tell(record: RecordValue, ms: number, attempts: number): void {
    record(latency, ms / 1000, this.attributes);
    record(retryAttempts, attempts, this.ended);
  }
}

export class PipelineCounts implements PipelineMeter {
  readonly name: string;
  readonly success: CallCounts;
  readonly cancelled: CallCounts;
  readonly answered: CallCounts;
  /** By error type, which decides the outcome. */
  readonly failed: Map<string, CallCounts> = new Map();
  /** Attempts after the first, by the error type of the one before. */
  readonly retries: Map<string, number> = new Map();
  exhausted = 0;
  budgetDenied = 0;
  totalTimeouts = 0;
  attemptTimeouts = 0;
  /** Calls that ended because the time of their caller was up. */
  deadlineTimeouts = 0;
  fallbacks = 0;
  hedges = 0;
  hedgesWon = 0;
  hedgesDenied = 0;
  hedgesPushedBack = 0;
  /** Calls that a fallback has answered, as far as they have not ended yet. */
  private fallingBack = 0;
  private readonly shared: Shared;

  constructor(name: string, shared: Shared) {
    this.name = name;
    this.shared = shared;
    this.success = new CallCounts(name, "success", undefined, shared);
    this.cancelled = new CallCounts(name, "cancelled", undefined, shared);
    this.answered = new CallCounts(name, "fallback", undefined, shared);
  }

  settled(call: Call): void {
    const durationMs = call.elapsedMs();
    const { outcome } = call;
    const counts = outcome === "success" && this.fallingBack === 0 ? this.success : this.countsOf(call);
    counts.record(durationMs, call.attempt);
  }

  readonly observer = (event: HeadgateEvent): void => {
    switch (event.type) {
      case "timeout.fired":
        if (event.scope === "total") this.totalTimeouts++;
        else this.attemptTimeouts++;
        break;
      case "retry.scheduled": {
        const type = this.shared.errorTypes.of(event.result);
        this.retries.set(type, (this.retries.get(type) ?? 0) + 1);
        break;
      }
      case "retry.exhausted":
        this.exhausted++;
        break;
      case "retry.budget-denied":
        this.budgetDenied++;
        break;
      case "fallback.used":
        this.fallbacks++;
        this.fallingBack++;
        break;
      case "hedge.started":
        this.hedges++;
        break;
      case "hedge.won":
        this.hedgesWon++;
        break;
      case "hedge.budget-denied":
        this.hedgesDenied++;
        break;
      case "hedge.pushed-back":
        this.hedgesPushedBack++;
        break;
      case "concurrency-limit.waited":
        this.waited(event.name, event.waitMs);
        break;
      default:
        // Not every event is a metric.
        break;
    }
  };

  private countsOf(call: Call): CallCounts {
    const { outcome, result } = call;
    if (outcome === "success") {
      if (!hasFallenBack(call)) return this.success;
      this.fallingBack--;
      return this.answered;
    }
    // What is ignored is a refusal of ours, or the caller's own end of the call, with whatever reason.
    if (outcome === "ignored" && !isRefusal(result)) {
      if (isHeadgateError(result) && (result as { scope?: unknown }).scope === "deadline") this.deadlineTimeouts++;
      return this.cancelled;
    }
    return this.failedWith(this.shared.errorTypes.of(result));
  }

  private failedWith(type: string): CallCounts {
    let counts = this.failed.get(type);
    if (counts === undefined) {
      counts = new CallCounts(this.name, outcomes.get(type) ?? "failure", type, this.shared);
      this.failed.set(type, counts);
    }
    return counts;
  }

  private waited(limit: string, waitMs: number): void {
    const waits = this.shared.waits.of(limit);
    const ms = waitMs > 0 ? waitMs : 0;
    waits.record(ms);
    this.shared.record?.(queueDuration, ms / 1000, { [limitName]: waits.name });
  }
}

/** Counts by name, for up to 200 names; all further ones share the counts of `_OTHER`. */
export class ByName<Counts> {
  readonly #counts = new Map<string, Counts>();
  readonly #make: (name: string) => Counts;

  constructor(make: (name: string) => Counts) {
    this.#make = make;
  }

  of(name: string): Counts {
    const known = this.#counts.get(name);
    if (known !== undefined) return known;
    return this.#counts.size < maxNames || name === other ? this.#add(name) : this.of(other);
  }

  all(): readonly Counts[] {
    return [...this.#counts.values()];
  }

  #add(name: string): Counts {
    const made = this.#make(name);
    this.#counts.set(name, made);
    return made;
  }
}

function inMs({ boundaries }: HistogramDefinition): readonly number[] {
  return boundaries.map((seconds) => Math.round(seconds * 1000));
}
