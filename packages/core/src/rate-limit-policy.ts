// The steps of the rate limit: who goes through now, who waits for its turn, and what a backend has decided.
import type { Call } from "./call.ts";
import type { Clock } from "./clock.ts";
import { gcra } from "./gcra.ts";
import { checkNumber } from "./options.ts";
import type { EnterStep, Policy } from "./policy.ts";
import type { RateLimitOptions, RateLimitResult } from "./rate-limit.ts";
import { type Asked, askBackend, type BackendOutcome, isPending, type Question } from "./rate-limit-backend.ts";
import { RateLimitError, type RateLimitReason } from "./rate-limit-error.ts";
import { type KeyEntry, RateWaiter } from "./rate-limit-keys.ts";
import { RateMemory } from "./rate-limit-memory.ts";
import { tokenBucket } from "./token-bucket.ts";

export class RateLimitPolicy implements Policy {
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
