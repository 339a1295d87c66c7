// The refusal of a load shedder.
import { HeadgateError } from "./errors.ts";
import type { PriorityClass } from "./priority.ts";

/** The call was turned away because there is too much to do and others matter more. */
export class LoadShedError extends HeadgateError {
  /** The load shedder's name. */
  readonly loadShed: string;
  /** The signal that pressed most. */
  readonly signal: string;
  /** The share of the calls that was being shed, above 0 and at most 1. */
  readonly ratio: number;
  /** The call's class. */
  readonly priorityClass: PriorityClass;
  /** When to come back: drawn for each refusal, so that not everybody comes at once. */
  readonly retryAfterMs: number;

  constructor(loadShed: string, signal: string, ratio: number, priorityClass: PriorityClass, retryAfterMs: number) {
    super("ERR_LOAD_SHED", "load-shed");
    this.loadShed = loadShed;
    this.signal = signal;
    this.ratio = ratio;
    this.priorityClass = priorityClass;
    this.retryAfterMs = retryAfterMs;
  }

  override get name(): string {
    return "LoadShedError";
  }

  override get refusal(): boolean {
    return true;
  }

  override get message(): string {
    const percent = Math.max(1, Math.round(this.ratio * 100));
    return `The load shedder "${this.loadShed}" turns ${percent} % of the calls away (${this.signal}), among them this one of the class ${this.priorityClass}`;
  }
}
