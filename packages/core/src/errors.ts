// Every error that Headgate itself decides on: a stable `code`, data, and a brand that is recognised across copies of
// the package. An operation's own failure is never wrapped.
//
// Names and messages are accessors: a refusal is made more often than it is read, and a message that is put together for
// each costs as much as the rest of a refused call. They are written out, not taken from the class, which minifiers rename.

export abstract class HeadgateError extends Error {
  /** Stable: `ERR_<WHAT>`. */
  readonly code: string;
  /** The kind of the policy that decided: `"timeout"`, `"circuit-breaker"`, … */
  readonly policy: string | undefined;
  /** The pipeline that decided, once it is known. */
  pipeline: string | undefined = undefined;

  constructor(code: string, policy?: string) {
    super();
    this.code = code;
    this.policy = policy;
  }

  abstract override get name(): string;
  abstract override get message(): string;

  // Not a plain field: it would show wherever the error is printed.
  #account: unknown = undefined;

  /** @internal What `explain` tells. */
  get account(): unknown {
    return this.#account;
  }

  set account(account: unknown) {
    this.#account = account;
  }

  /** Whether a policy refused the call before its operation ran: that says nothing about the dependency. */
  get refusal(): boolean {
    return false;
  }

  /** @internal The brand. A getter of the prototype, so that it costs an error nothing. */
  get "@@headgate/error"(): true {
    return true;
  }
}

/** True for an error of Headgate, also from another copy of the package. */
export function isHeadgateError(error: unknown): error is HeadgateError {
  return (
    typeof error === "object" &&
    error !== null &&
    (error as { "@@headgate/error"?: unknown })["@@headgate/error"] === true
  );
}

/**
 * Makes the name and the message of an error plain data. Of an error that is thrown at module scope, and so stops a
 * deployment, workerd shows no accessors. For errors that are never made on a hot path.
 */
export function showAtStart(error: HeadgateError): void {
  const { name, message } = error;
  Object.defineProperties(error, { name: { value: name }, message: { value: message } });
}

/** An option is out of bounds. `place` names it: `"retry.maxAttempts"`. */
export class InvalidOptionError extends HeadgateError {
  readonly place: string;
  readonly allowed: string;
  readonly got: string;

  constructor(place: string, allowed: string, got: string) {
    super("ERR_INVALID_OPTION");
    this.place = place;
    this.allowed = allowed;
    this.got = got;
    showAtStart(this);
  }

  override get name(): string {
    return "InvalidOptionError";
  }

  override get message(): string {
    return `\`${this.place}\` must be ${this.allowed}, got ${this.got}`;
  }
}

/**
 * Whose time was up: that of the whole call, of one attempt, the caller's own (`ExecuteOptions.deadline`), or that between
 * two pieces of a stream (`idle`).
 */
export type TimeoutScope = "total" | "attempt" | "deadline" | "idle";

/** A deadline has passed. `timeoutMs` is how long there was; 0 when the caller's deadline had passed before the call. */
export class TimeoutError extends HeadgateError {
  readonly timeoutMs: number;
  readonly scope: TimeoutScope;

  constructor(timeoutMs: number, scope: TimeoutScope) {
    super("ERR_TIMEOUT", "timeout");
    this.timeoutMs = timeoutMs;
    this.scope = scope;
  }

  override get name(): string {
    return "TimeoutError";
  }

  override get message(): string {
    const ms = Math.round(this.timeoutMs * 1000) / 1000;
    if (this.scope === "deadline") return `The caller's deadline has passed; it left ${ms} ms`;
    if (this.scope === "idle") return `Nothing came for ${ms} ms`;
    return `${this.scope === "total" ? "The call" : "The attempt"} took longer than ${ms} ms`;
  }
}

/** The circuit is open, or half-open with every probe taken. `cause` is the failure that opened it. */
export class CircuitOpenError extends HeadgateError {
  /** The breaker's name. */
  readonly circuit: string;
  /** How long until another call may be let through. */
  readonly retryAfterMs: number;
  override readonly cause: unknown;

  constructor(circuit: string, retryAfterMs: number, cause: unknown) {
    super("ERR_CIRCUIT_OPEN", "circuit-breaker");
    this.circuit = circuit;
    this.retryAfterMs = retryAfterMs;
    this.cause = cause;
  }

  override get name(): string {
    return "CircuitOpenError";
  }

  override get refusal(): boolean {
    return true;
  }

  override get message(): string {
    return `The circuit "${this.circuit}" is open for another ${Math.ceil(this.retryAfterMs)} ms`;
  }
}

/**
 * Why there is no permit: no place to wait is left (`full`), the call has waited as long as it may (`wait`), one of
 * higher priority took its place (`displaced`), or it is heavier than the whole limit (`weight`).
 */
export type ConcurrencyLimitReason = "full" | "wait" | "displaced" | "weight";

/** The call was given no permit. */
export class ConcurrencyLimitError extends HeadgateError {
  readonly reason: ConcurrencyLimitReason;
  readonly maxConcurrent: number;
  /** Calls that were waiting, how long this one has waited, or how heavy it is, by the reason. */
  private readonly detail: number;

  constructor(reason: ConcurrencyLimitReason, maxConcurrent: number, detail: number) {
    super("ERR_CONCURRENCY_LIMIT", "concurrency-limit");
    this.reason = reason;
    this.maxConcurrent = maxConcurrent;
    this.detail = detail;
  }

  override get name(): string {
    return "ConcurrencyLimitError";
  }

  override get refusal(): boolean {
    return true;
  }

  override get message(): string {
    const { reason, maxConcurrent, detail } = this;
    if (reason === "full") return `All ${maxConcurrent} permits are taken and ${detail} calls are waiting`;
    if (reason === "displaced") return "A call of higher priority took the place in the queue";
    if (reason === "weight") return `A weight of ${detail} never fits into ${maxConcurrent} permits`;
    return `None of ${maxConcurrent} permits came free within ${detail} ms`;
  }
}

/** Another attempt of the same call was quicker. The reason of the signal of an attempt that has lost; no caller is given it. */
export class SupersededError extends HeadgateError {
  constructor() {
    super("ERR_SUPERSEDED", "hedge");
  }

  override get name(): string {
    return "SupersededError";
  }

  override get message(): string {
    return "Another attempt of this call was quicker";
  }
}

/** True for a timeout of ours, also from another copy of the package. */
export function isTimeout(error: unknown): boolean {
  return isHeadgateError(error) && error.code === "ERR_TIMEOUT";
}

/** True when one of our policies refused a call before its operation ran: that says nothing about the dependency. */
export function isRefusal(error: unknown): boolean {
  return isHeadgateError(error) && error.refusal;
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
