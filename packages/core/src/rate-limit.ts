// Lets calls through at a pace: so many in a window, some of them at once, each key by itself. What is too early is refused
// with the time at which it will not be, or waits for it in order.
import type { Call } from "./call.ts";
import { type Clock, maxDelayMs, systemClock } from "./clock.ts";
import { gcra } from "./gcra.ts";
import { checkFunction, checkInteger, checkName, checkNumber, rejectOption } from "./options.ts";
import type { EnterStep, Policy } from "./policy.ts";
import {
  type Asked,
  askBackend,
  type BackendOutcome,
  isPending,
  type Question,
  type RateLimitBackend,
} from "./rate-limit-backend.ts";
import { RateLimitError, type RateLimitReason } from "./rate-limit-error.ts";
import { type KeyEntry, RateWaiter } from "./rate-limit-keys.ts";
import { RateMemory } from "./rate-limit-memory.ts";
import type { RateQuota } from "./rate-quota.ts";
import { tokenBucket } from "./token-bucket.ts";

export interface RateLimitOptions {
  /** Stands in the error, in events and in metrics. @default "default" */
  readonly name?: string;
  /** What may go through in each window, in units of `weight`. Above 0. */
  readonly limit: number;
  /** Milliseconds. Above 0, at most 2^31 - 1. @default 1000 */
  readonly windowMs?: number;
  /** What may go through at once after a pause, and the heaviest call. Above 0. @default `limit` */
  readonly burst?: number;
  /** How the state is kept: one number per key, or two. Both decide alike. @default "gcra" */
  readonly algorithm?: "gcra" | "token-bucket";
  /** How long a call may wait for its turn, at most 2^31 - 1; 0 refuses it at once. Not with a backend. @default 0 */
  readonly maxWaitMs?: number;
  /** Calls that may wait for one key. An integer of at least 0. @default 1000 */
  readonly maxQueue?: number;
  /** What is limited by itself. @default the call's `key`, or "" without one */
  readonly key?: ((call: Call) => string) | undefined;
  /** Keys that are remembered. An integer of at least 1. @default 10000 */
  readonly maxKeys?: number;
  /** Decides instead of this process's memory. @default none */
  readonly backend?: RateLimitBackend | undefined;
  /** How long the backend may take to answer. Above 0. @default 50 */
  readonly backendTimeoutMs?: number;
  /** What happens to a call whose backend fails: it goes through, or it is refused. @default "open" */
  readonly onBackendFailure?: "open" | "closed";
  /** @default systemClock */
  readonly clock?: Clock;
}

/** What was decided, for code that acts on it itself. A backend may leave numbers out. */
export interface RateLimitResult {
  readonly allowed: boolean;
  /** The backend failed, and `onBackendFailure` has decided. */
  readonly degraded: boolean;
  readonly limit: number;
  /** What would go through at once now. */
  readonly remaining: number | undefined;
  /** How long until this cost goes through; 0 when it was allowed. */
  readonly retryAfterMs: number | undefined;
  /** How long until the whole burst is there again. */
  readonly resetMs: number | undefined;
}

export type RateLimit = Policy &
  RateQuota & {
    readonly kind: "rate-limit";
    readonly name: string;
    /** Calls and acquisitions that went through. */
    readonly admitted: number;
    readonly rejected: number;
    /** Calls that wait. */
    readonly queued: number;
    /** Keys that are remembered. */
    readonly keys: number;
    /** Keys that were forgotten before they had their whole burst again: they begin anew when they come back. */
    readonly forgotten: number;
    /** Questions that the backend did not answer. */
    readonly backendFailures: number;
    /** What of `admitted` went through because the backend did not answer. */
    readonly degraded: number;
    /**
     * Takes `cost` without a pipeline, and never waits for a turn. With a backend the result is a promise, which never
     * rejects.
     *
     * @param key @default ""
     * @param cost above 0 and at most the burst. @default 1
     * @throws {InvalidOptionError} for a cost out of bounds.
     */
    tryAcquire(key?: string, cost?: number): RateLimitResult | Promise<RateLimitResult>;
  };

class RateLimitPolicy implements Policy {
  readonly kind = "rate-limit";
  readonly name: string;
  readonly limit: number;
  readonly windowMs: number;
  readonly burst: number;
  private readonly maxWaitMs: number;
  private readonly maxQueue: number;
  private readonly keyOf: ((call: Call) => string) | undefined;
  private readonly question: Question | undefined;
  private readonly failsOpen: boolean;
  private readonly clock: Clock;
  private readonly memory: RateMemory;

  admitted = 0;
  rejected = 0;
  forgotten = 0;
  backendFailures = 0;
  degraded = 0;

  constructor(options: Required<Omit<RateLimitOptions, "key">> & Pick<RateLimitOptions, "key">) {
    const { name, limit, windowMs, burst, clock, backend } = options;
    const quota = { limit, windowMs, burst };
    this.name = name;
    this.limit = limit;
    this.windowMs = windowMs;
    this.burst = burst;
    this.maxWaitMs = options.maxWaitMs;
    this.maxQueue = options.maxQueue;
    this.keyOf = options.key;
    this.question = backend && { backend, clock, timeoutMs: options.backendTimeoutMs, quota };
    this.failsOpen = options.onBackendFailure === "open";
    this.clock = clock;
    const algorithm = options.algorithm === "gcra" ? gcra : tokenBucket;
    this.memory = new RateMemory(algorithm, quota, options.maxKeys, clock, (waiter, waitMs) =>
      this.endWait(waiter, waitMs),
    );
  }

  get queued(): number {
    return this.memory.queued;
  }

  get keys(): number {
    return this.memory.table.size;
  }

  get busy(): boolean {
    return this.clock.now() < this.memory.fullMs;
  }

  describe(): string {
    return `${this.limit} per ${this.windowMs} ms, burst ${this.burst}`;
  }

  enter(call: Call, at: number): EnterStep {
    const key = this.keyOf === undefined ? (call.options.key ?? "") : this.keyOf(call);
    const cost = call.options.weight ?? 1;
    if (!(cost > 0 && cost <= this.burst)) return this.refuse(call, "weight", undefined, cost);
    if (this.question !== undefined) return this.ask(call, at, key, cost);
    const { memory } = this;
    const nowMs = this.clock.now();
    const entry = memory.table.use(key) ?? this.newEntry(key, nowMs, call);
    if (entry === undefined) return this.refuse(call, "queue", undefined, cost);
    const waitMs = memory.waitMs(entry, nowMs, cost);
    if (waitMs === 0) {
      memory.take(entry, nowMs, cost);
      this.admitted++;
      return "pass";
    }
    if (waitMs > this.maxWaitMs || waitMs >= call.remainingMs()) return this.refuse(call, "limit", waitMs, cost);
    if (entry.waiting >= this.maxQueue) return this.refuse(call, "queue", waitMs, cost);
    const waiter = new RateWaiter(call, at, entry, cost, nowMs + this.maxWaitMs);
    call.keep(at, waiter);
    memory.enqueue(waiter, nowMs, waitMs);
    return "park";
  }

  interrupt(call: Call, at: number): void {
    const parked = call.recall(at) as RateWaiter | Asked;
    if (parked instanceof RateWaiter) this.memory.leave(parked);
    else parked.cancel();
  }

  tryAcquire(key = "", cost = 1): RateLimitResult | Promise<RateLimitResult> {
    checkNumber("rateLimit.tryAcquire cost", cost, 0, this.burst, true);
    const { question } = this;
    if (question === undefined) return this.count(this.tryMemory(key, cost));
    return new Promise((resolve) => {
      const settle = (outcome: BackendOutcome) => resolve(this.count(this.resultOf(outcome)));
      const asked = askBackend(question, key, cost, settle);
      if (!isPending(asked)) settle(asked);
    });
  }

  private tryMemory(key: string, cost: number): RateLimitResult {
    const { memory, limit } = this;
    const nowMs = this.clock.now();
    const entry = memory.table.use(key) ?? this.newEntry(key, nowMs, undefined);
    if (entry === undefined) return { ...unknownNumbers, allowed: false, limit };
    const retryAfterMs = memory.waitMs(entry, nowMs, cost);
    const allowed = retryAfterMs === 0;
    if (allowed) memory.take(entry, nowMs, cost);
    const { remaining, resetMs } = memory.look(entry, nowMs);
    return { allowed, degraded: false, limit, remaining, retryAfterMs, resetMs };
  }

  private count(result: RateLimitResult): RateLimitResult {
    if (result.allowed) this.admitted++;
    else this.rejected++;
    return result;
  }

  /** Undefined when the table is full and somebody waits for every key in it. */
  private newEntry(key: string, nowMs: number, call: Call | undefined): KeyEntry | undefined {
    const { table } = this.memory;
    if (table.full) {
      const evicted = table.evict();
      if (evicted === undefined) return undefined;
      if (evicted.fullMs > nowMs) this.tellForgotten(evicted, nowMs, call);
    }
    return table.add(key);
  }

  private tellForgotten({ key, fullMs }: KeyEntry, nowMs: number, call: Call | undefined): void {
    this.forgotten++;
    const { name } = this;
    call?.emit?.({ type: "rate-limit.forgotten", pipeline: call.pipeline.name, name, key, resetMs: fullMs - nowMs });
  }

  /** A waiter has left the queue: its weight was taken, or its turn is too far off. In its own context. */
  private endWait({ call, at, cost }: RateWaiter, waitMs: number): void {
    if (waitMs === 0) {
      this.admitted++;
      call.resume(at);
      return;
    }
    this.refuse(call, "wait", waitMs, cost);
    call.finish(at);
  }

  private ask(call: Call, at: number, key: string, cost: number): EnterStep {
    const asked = askBackend(this.question as Question, key, cost, (outcome) => {
      if (this.decide(call, outcome, cost) === "pass") call.resume(at);
      else call.finish(at);
    });
    if (!isPending(asked)) return this.decide(call, asked, cost);
    call.keep(at, asked);
    return "park";
  }

  private decide(call: Call, outcome: BackendOutcome, cost: number): "pass" | "end" {
    const { allowed, retryAfterMs, degraded } = this.resultOf(outcome);
    const { name } = this;
    const error = outcome.failure;
    if (degraded)
      call.emit?.({ type: "rate-limit.degraded", pipeline: call.pipeline.name, name, error, admitted: allowed });
    if (!allowed) return this.refuse(call, degraded ? "backend" : "limit", retryAfterMs, cost, error);
    this.admitted++;
    return "pass";
  }

  private resultOf({ answer }: BackendOutcome): RateLimitResult {
    const { limit, failsOpen } = this;
    if (answer === undefined) {
      this.backendFailures++;
      if (failsOpen) this.degraded++;
      return { ...unknownNumbers, allowed: failsOpen, degraded: true, limit };
    }
    const { allowed, remaining, resetMs, retryAfterMs = allowed ? 0 : undefined } = answer;
    return { allowed, degraded: false, limit, remaining, retryAfterMs, resetMs };
  }

  private refuse(
    call: Call,
    reason: RateLimitReason,
    retryAfterMs: number | undefined,
    weight: number,
    cause?: unknown,
  ): "end" {
    this.rejected++;
    const { name } = this;
    call.emit?.({ type: "rate-limit.rejected", pipeline: call.pipeline.name, name, reason, retryAfterMs });
    return call.refuse(() => new RateLimitError(name, reason, retryAfterMs, weight, cause));
  }
}

/** A result of which only the decision is known. */
const unknownNumbers = { degraded: false, remaining: undefined, retryAfterMs: undefined, resetMs: undefined };

/**
 * Lets `limit` in every `windowMs` through, `burst` of it at once after a pause, and counts each call's `weight` for its
 * `key`. A call that comes too early is refused with a `RateLimitError` that says when it would not be, or waits for its
 * turn where `maxWaitMs` allows it, first come first served.
 *
 * @throws {InvalidOptionError} for options out of bounds.
 */
export function rateLimit(options: RateLimitOptions): RateLimit {
  const {
    name = "default",
    limit,
    windowMs = 1000,
    burst = limit,
    algorithm = "gcra",
    maxWaitMs = 0,
    maxQueue = 1000,
    key,
    maxKeys = 10_000,
    backend,
    backendTimeoutMs = 50,
    onBackendFailure = "open",
    clock = systemClock,
  } = options;
  checkName("rateLimit.name", name);
  checkNumber("rateLimit.limit", limit, 0, Number.MAX_SAFE_INTEGER, true);
  checkNumber("rateLimit.windowMs", windowMs, 0, maxDelayMs, true);
  checkNumber("rateLimit.burst", burst, 0, Number.MAX_SAFE_INTEGER, true);
  if (algorithm !== "gcra" && algorithm !== "token-bucket")
    rejectOption("rateLimit.algorithm", '"gcra" or "token-bucket"', algorithm);
  checkNumber("rateLimit.maxWaitMs", maxWaitMs, 0, maxDelayMs);
  checkInteger("rateLimit.maxQueue", maxQueue, 0);
  if (key !== undefined) checkFunction("rateLimit.key", key);
  checkInteger("rateLimit.maxKeys", maxKeys, 1);
  if (backend !== undefined && typeof backend?.take !== "function")
    rejectOption("rateLimit.backend", "an object with a function `take`", backend);
  if (backend !== undefined && maxWaitMs > 0)
    rejectOption("rateLimit.maxWaitMs", "0 with a backend, which keeps no queue", maxWaitMs);
  checkNumber("rateLimit.backendTimeoutMs", backendTimeoutMs, 0, maxDelayMs, true);
  if (onBackendFailure !== "open" && onBackendFailure !== "closed")
    rejectOption("rateLimit.onBackendFailure", '"open" or "closed"', onBackendFailure);
  return new RateLimitPolicy({
    name,
    limit,
    windowMs,
    burst,
    algorithm,
    maxWaitMs,
    maxQueue,
    key,
    maxKeys,
    backend,
    backendTimeoutMs,
    onBackendFailure,
    clock,
  });
}
