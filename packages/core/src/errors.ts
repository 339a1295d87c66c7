// Every error that Headgate itself decides on: a stable `code`, data, and a brand that is
// recognised across copies of the package. An operation's own failure is never wrapped.

const brand: unique symbol = Symbol.for("headgate.error");

export class HeadgateError extends Error {
  /** Stable: `ERR_<WHAT>`. */
  readonly code: string;
  /** The pipeline that decided, once it is known. */
  pipeline: string | undefined;
  /** The kind of the policy that decided: `"timeout"`, `"circuit-breaker"`, … */
  readonly policy: string | undefined;

  /** The name is written out, not taken from the class: minifiers rename classes. */
  constructor(name: string, code: string, message: string, policy?: string, options?: ErrorOptions) {
    super(message, options);
    this.name = name;
    this.code = code;
    this.policy = policy;
    this.pipeline = undefined;
    (this as { [brand]?: true })[brand] = true;
  }
}

/** True for an error of Headgate, also from another copy of the package. */
export function isHeadgateError(error: unknown): error is HeadgateError {
  return typeof error === "object" && error !== null && (error as { [brand]?: unknown })[brand] === true;
}

/** An option is out of bounds. `place` names it: `"retry.maxAttempts"`. */
export class InvalidOptionError extends HeadgateError {
  readonly place: string;
  constructor(place: string, allowed: string, got: string) {
    super("InvalidOptionError", "ERR_INVALID_OPTION", `\`${place}\` must be ${allowed}, got ${got}`);
    this.place = place;
  }
}

/** Our deadline has passed. `scope` tells whether it was that of the whole call or of one attempt. */
export class TimeoutError extends HeadgateError {
  readonly timeoutMs: number;
  readonly scope: "total" | "attempt";
  constructor(timeoutMs: number, scope: "total" | "attempt") {
    super(
      "TimeoutError",
      "ERR_TIMEOUT",
      `${scope === "total" ? "The call" : "The attempt"} took longer than ${timeoutMs} ms`,
      "timeout",
    );
    this.timeoutMs = timeoutMs;
    this.scope = scope;
  }
}

/** The circuit is open, or half-open with every probe taken. `cause` is the failure that opened it. */
export class CircuitOpenError extends HeadgateError {
  /** How long until another call may be let through. */
  readonly retryAfterMs: number;
  constructor(name: string, retryAfterMs: number, cause: unknown) {
    super(
      "CircuitOpenError",
      "ERR_CIRCUIT_OPEN",
      `The circuit "${name}" is open for another ${Math.ceil(retryAfterMs)} ms`,
      "circuit-breaker",
      { cause },
    );
    this.retryAfterMs = retryAfterMs;
  }
}

/** No permit: the queue is full (`reason: "full"`), or the call has waited as long as it may (`reason: "wait"`). */
export class ConcurrencyLimitError extends HeadgateError {
  readonly reason: "full" | "wait";
  constructor(reason: "full" | "wait", maxConcurrent: number, detail: number) {
    super(
      "ConcurrencyLimitError",
      "ERR_CONCURRENCY_LIMIT",
      reason === "full"
        ? `All ${maxConcurrent} permits are taken and ${detail} calls are waiting`
        : `None of ${maxConcurrent} permits came free within ${detail} ms`,
      "concurrency-limit",
    );
    this.reason = reason;
  }
}

const refusals: readonly string[] = ["ERR_CIRCUIT_OPEN", "ERR_CONCURRENCY_LIMIT"];

/** True when one of our policies refused a call before its operation ran: that says nothing about the dependency. */
export function isRefusal(error: unknown): boolean {
  return isHeadgateError(error) && refusals.includes(error.code);
}

/**
 * Makes an expected refusal without walking the stack: the walk costs more than the rest of the call, and would
 * show the engine's own frames.
 */
export function withoutStack<E extends HeadgateError>(make: () => E): E {
  const host = Error as { stackTraceLimit?: number };
  const limit = host.stackTraceLimit;
  if (limit === undefined) return make();
  host.stackTraceLimit = 0;
  try {
    return make();
  } finally {
    host.stackTraceLimit = limit;
  }
}
