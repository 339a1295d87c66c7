// Logs what changes, never what happens to a call. A log that grows with the traffic is no log of transitions, so that what may
// come again and again is told a bounded number of times.
import { type Clock, systemClock } from "./clock.ts";
import type { HeadgateEvent, Observer } from "./observer.ts";
import { checkInteger, checkNumber, rejectOption } from "./options.ts";

/** Where lines go: a logger of pino, or anything like it. */
export interface Logger {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface LogTransitionsOptions {
  readonly logger: Logger;
  /**
   * How many transitions of a breaker are told per interval. What else begins is told once per interval. An integer of at least
   * 1. @default 10
   */
  readonly maxPerInterval?: number;
  /** Above 0, in milliseconds. @default 60000 */
  readonly intervalMs?: number;
  /** @default systemClock */
  readonly clock?: Clock;
}

type Level = "info" | "warn";

interface Line {
  readonly level: Level;
  /** What it is about: lines about the same are told a bounded number of times. */
  readonly about: string;
  readonly message: string;
  readonly fields: object;
  readonly isTransition: boolean;
}

interface Told {
  sinceMs: number;
  count: number;
  suppressed: number;
}

/** Names may be made of keys; what is past this many is bounded together. */
const maxNames = 1000;

/**
 * An observer that logs transitions: a circuit that opens, half-opens or closes; a concurrency limit that begins to refuse; a
 * retry budget that is used up; a rate limit's backend or a cache's store that fails. Never a line per call: a line about
 * the same thing that is one too many in its interval is counted, and the next one says so in `suppressed`.
 *
 * `fields` has `event`, `pipeline` and `name` beside what belongs to the event. A logger that throws changes nothing.
 *
 * @throws {InvalidOptionError} for options out of bounds.
 *
 * @example
 * ```ts
 * pipeline({ name: "inventory", observer: logTransitions({ logger: pino() }) }, circuitBreaker())
 * ```
 */
export function logTransitions(options: LogTransitionsOptions): Observer {
  const { logger, maxPerInterval = 10, intervalMs = 60_000, clock = systemClock } = options;
  const levels = ["info", "warn", "error"] as const;
  if (!levels.every((level) => typeof logger?.[level] === "function"))
    rejectOption("logTransitions.logger", "an object with functions `info`, `warn` and `error`", logger);
  checkInteger("logTransitions.maxPerInterval", maxPerInterval, 1);
  checkNumber("logTransitions.intervalMs", intervalMs, 0, Number.MAX_VALUE, true);
  const told = new Map<string, Told>();

  const toldAbout = (about: string, nowMs: number): Told => {
    const key = told.has(about) || told.size < maxNames ? about : "";
    let one = told.get(key);
    if (one === undefined) told.set(key, (one = { sinceMs: nowMs, count: 0, suppressed: 0 }));
    if (nowMs - one.sinceMs >= intervalMs) {
      one.sinceMs = nowMs;
      one.count = 0;
    }
    return one;
  };

  return (event) => {
    const line = lineOf(event);
    if (line === undefined) return;
    const one = toldAbout(line.about, clock.now());
    if (one.count >= (line.isTransition ? maxPerInterval : 1)) {
      one.suppressed++;
      return;
    }
    one.count++;
    const { suppressed } = one;
    one.suppressed = 0;
    logger[line.level]({ ...line.fields, ...(suppressed > 0 && { suppressed }) }, line.message);
  };
}

function lineOf(event: HeadgateEvent): Line | undefined {
  switch (event.type) {
    case "circuit-breaker.opened":
      return transition("warn", event, "opened", { openMs: event.openMs, cause: describe(event.cause) });
    case "circuit-breaker.half-opened":
      return transition("info", event, "lets a probe through");
    case "circuit-breaker.closed":
      return transition("info", event, "closed");
    case "concurrency-limit.rejected":
      return trouble(event, event.name, "limit is saturated", { reason: event.reason });
    case "retry.budget-denied":
      return trouble(event, event.pipeline, "retry budget is used up");
    case "rate-limit.degraded":
      return trouble(event, event.name, "rate limit's backend failed", {
        admitted: event.admitted,
        cause: describe(event.error),
      });
    case "cache.store-failed":
      return trouble(event, event.name, "cache's store failed", {
        operation: event.operation,
        cause: describe(event.error),
      });
    default:
      return undefined;
  }
}

function transition(level: Level, event: HeadgateEvent & { name: string }, what: string, more?: object): Line {
  const { type, pipeline, name } = event;
  const fields = { event: type, pipeline, name, ...more };
  return { level, about: `circuit ${name}`, message: `circuit "${name}" ${what}`, fields, isTransition: true };
}

function trouble({ type, pipeline }: HeadgateEvent, name: string, what: string, more?: object): Line {
  const fields = { event: type, pipeline, name, ...more };
  return { level: "warn", about: `${type} ${name}`, message: `"${name}": ${what}`, fields, isTransition: false };
}

/** An error or a failed value in a few words. */
function describe(result: unknown): string {
  if (result instanceof Error) return `${result.name}: ${result.message}`;
  const status: unknown = (result as { status?: unknown } | null | undefined)?.status;
  return typeof status === "number" ? `status ${status}` : typeof result;
}
