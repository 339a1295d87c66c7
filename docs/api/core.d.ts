// The public API of @headgate/core. Written by `npm run api`.

// ── @headgate/core

export interface AcquireOptions {
    readonly signal?: AbortSignal | undefined;
    readonly weight?: number | undefined;
    readonly priority?: number | undefined;
}

export type AdaptiveLimit = Omit<ConcurrencyLimit, "resize"> & {
    readonly maxConcurrent: number;
    readonly algorithm: Limit;
    snapshot(): AdaptiveLimitSnapshot;
    restore(snapshot: AdaptiveLimitSnapshot): void;
};

export interface AdaptiveLimitOptions extends Omit<ConcurrencyLimitOptions, "maxConcurrent"> {
    readonly limit?: Limit;
}

export interface AdaptiveLimitSnapshot extends LimitLearnt {
    readonly version: 1;
    readonly kind: string;
}

export type AdaptiveThrottle = Policy & {
    readonly kind: "adaptive-throttle";
    readonly name: string;
    readonly rejectRatio: number;
    readonly requests: number;
    readonly accepts: number;
    readonly rejected: number;
};

export declare class AdaptiveThrottleError extends HeadgateError {
    readonly throttle: string;
    readonly rejectRatio: number;
    constructor(throttle: string, rejectRatio: number);
    get name(): string;
    get refusal(): boolean;
    get message(): string;
}

export interface AdaptiveThrottleOptions {
    readonly name?: string;
    readonly acceptMultiplier?: number;
    readonly windowMs?: number;
    readonly buckets?: number;
    readonly minCalls?: number;
    readonly maxRejectRatio?: number;
    readonly clock?: Clock;
    readonly random?: Random;
}

export interface AimdLimitOptions {
    readonly initialLimit?: number;
    readonly minLimit?: number;
    readonly maxLimit?: number;
    readonly backoffRatio?: number;
    readonly slowMs?: number;
}

export type Backoff = (retry: number, random: Random, previousDelayMs?: number) => number;

export type Cache = Policy & {
    readonly kind: "cache";
    readonly name: string;
    readonly hits: number;
    readonly misses: number;
    readonly staleHits: number;
    readonly refreshing: number;
    invalidate(key: string): Promise<void>;
};

export interface CacheEntry {
    readonly value: unknown;
    readonly ageMs: number;
}

export interface CacheOptions {
    readonly name?: string;
    readonly key?: (call: Call) => string | undefined;
    readonly freshMs: number;
    readonly staleWhileRevalidateMs?: number;
    readonly staleIfErrorMs?: number;
    readonly shouldCache?: (value: unknown) => boolean;
    readonly clone?: ((value: unknown) => unknown) | undefined;
    readonly store?: CacheStore;
    readonly storeTimeoutMs?: number;
    readonly refreshTimeoutMs?: number;
    readonly maxRefreshes?: number;
    readonly defer?: ((work: Promise<unknown>) => void) | undefined;
    readonly clock?: Clock;
}

export interface CacheStore {
    get(key: string): CacheEntry | null | undefined | PromiseLike<CacheEntry | null | undefined>;
    set(key: string, value: unknown, keepMs: number): unknown;
    delete(key: string): unknown;
}

export declare class Call {
    readonly pipeline: Pipeline;
    readonly operation: Operation<unknown>;
    readonly options: ExecuteOptions<unknown>;
    attempt: number;
    work: Attempt | null;
    timer: TimeoutTimer | null;
    justTimed: boolean;
    outcome: Outcome;
    threw: boolean;
    phase: Phase;
    at: number;
    pendingCut: Cut | null;
    startedMs: number | null;
    history: unknown[] | null;
    parked: unknown;
    deadlineTimer: ClockTimer | null;
    link: Link | null;
    resolve: ((value: unknown) => void) | null;
    reject: ((error: unknown) => void) | null;
    constructor(pipeline: Pipeline, operation: Operation<unknown>, options: ExecuteOptions<unknown>);
    get cutting(): boolean;
    get cuts(): boolean;
    keep(at: number, value: unknown): void;
    recall(at: number): unknown;
    get result(): unknown;
    get errorIsDue(): boolean;
    get refusedForMs(): number | null;
    set refusedForMs(forMs: number | null);
    conclude(outcome: Outcome, threw: boolean, result: unknown): void;
    judge(threw: boolean, result: unknown): void;
    refuse(makeError: () => HeadgateError, retryAfterMs?: number): "end";
    start(nowMs: number): void;
    elapsedMs(): number;
    readClock(clock: Clock): number;
    outcomeOfTimeout(error: HeadgateError): Outcome;
    nearestDeadline(): number;
    remainingMs(): number;
    resume(at: number): void;
    again(at: number): void;
    finish(at: number): void;
    parkedBy(at: number): boolean;
    nextAttempt(at: number): void;
    cut(at: number, outcome: Outcome, error: unknown, byTimer?: boolean): void;
    retryAfterMs(): number | undefined;
    get pushedBack(): boolean;
    get emit(): ((event: HeadgateEvent) => void) | undefined;
    discard(value: unknown): void;
}

export type Chaos = Policy & {
    readonly kind: "chaos";
    readonly name: string;
    enabled: boolean;
    readonly injected: number;
};

export declare class ChaosError extends HeadgateError {
    readonly chaos: string;
    readonly injection: "failure" | "hang";
    constructor(chaos: string, injection: "failure" | "hang");
    get name(): string;
    get message(): string;
}

export interface ChaosOptions {
    readonly name?: string;
    readonly rate: number | ((call: Call) => number);
    readonly inject: Injection;
    readonly enabled?: boolean | (() => boolean);
    readonly random?: Random;
    readonly clock?: Clock;
}

export type CircuitBreaker = Policy & {
    readonly kind: "circuit-breaker";
    readonly name: string;
    readonly state: CircuitState;
    readonly mode: CircuitMode;
    readonly rejected: number;
    readonly spared: number;
    readonly opened: number;
    readonly closed: number;
    readonly halfOpened: number;
    readonly setByHand: Readonly<Record<CircuitState, number>>;
    readonly failureRatio: number | undefined;
    readonly slowRatio: number | undefined;
    setMode(mode: CircuitMode): void;
    snapshot(): CircuitSnapshot;
    restore(snapshot: CircuitSnapshot): void;
};

export interface CircuitBreakerOptions {
    readonly name?: string;
    readonly trip?: Trip;
    readonly openMs?: number;
    readonly openFactor?: number;
    readonly maxOpenMs?: number;
    readonly openJitter?: number;
    readonly healthyMs?: number;
    readonly halfOpenPermits?: number;
    readonly probeLeaseMs?: number;
    readonly clock?: Clock;
    readonly random?: Random;
}

export type CircuitMode = "normal" | "forced-open" | "forced-closed" | "metrics-only" | "disabled";

export declare class CircuitOpenError extends HeadgateError {
    readonly circuit: string;
    readonly retryAfterMs: number;
    readonly cause: unknown;
    constructor(circuit: string, retryAfterMs: number, cause: unknown);
    get name(): string;
    get refusal(): boolean;
    get message(): string;
}

export interface CircuitSnapshot {
    readonly mode: CircuitMode;
    readonly state: CircuitState;
    readonly openForMs: number;
    readonly openings: number;
    readonly healthyInMs: number;
}

export type CircuitState = "closed" | "open" | "half-open";

export interface Clock {
    now(): number;
    after(delayMs: number, callback: () => void): ClockTimer;
    sleep(delayMs: number, signal?: AbortSignal): Promise<void>;
}

export interface ClockTimer {
    cancel(): void;
    ref(): void;
    unref(): void;
}

export type ConcurrencyLimit = Policy & {
    readonly kind: "concurrency-limit";
    readonly name: string;
    readonly maxConcurrent: number;
    readonly inUse: number;
    readonly queued: number;
    readonly oldestWaitMs: number;
    readonly abandoned: number;
    readonly rejectedFull: number;
    readonly rejectedWait: number;
    readonly rejectedDisplaced: number;
    readonly rejectedWeight: number;
    readonly reclaimed: number;
    resize(maxConcurrent: number): void;
    acquire(options?: AcquireOptions): Promise<Permit>;
    tryAcquire(options?: Omit<AcquireOptions, "signal">): Permit | undefined;
};

export declare class ConcurrencyLimitError extends HeadgateError {
    readonly reason: ConcurrencyLimitReason;
    readonly maxConcurrent: number;
    constructor(reason: ConcurrencyLimitReason, maxConcurrent: number, detail: number);
    get name(): string;
    get refusal(): boolean;
    get message(): string;
}

export interface ConcurrencyLimitOptions {
    readonly name?: string;
    readonly maxConcurrent: number;
    readonly maxQueue?: number;
    readonly maxWaitMs?: number;
    readonly order?: QueueOrder;
    readonly targetWaitMs?: number;
    readonly leaseMs?: number | undefined;
    readonly reclaimAfterMs?: number | undefined;
    readonly clock?: Clock;
}

export type ConcurrencyLimitReason = "full" | "wait" | "displaced" | "weight";

export interface ConsecutiveFailuresOptions {
    readonly maxFailures?: number;
}

export interface ConstantBackoffOptions {
    readonly delayMs: number;
    readonly jitter?: Jitter;
}

export interface CountWindowOptions extends RatioOptions {
    readonly calls?: number;
    readonly minCalls?: number;
}

export interface CountedRetryBudget extends RetryBudget {
    readonly callsInFlight: number;
    readonly retriesInFlight: number;
    readonly deniedByWindow: number;
    readonly deniedByConcurrency: number;
}

export interface EndpointSnapshot<E> {
    readonly endpoint: E;
    readonly name: string;
    readonly state: EndpointState;
    readonly ejectedForMs: number;
    readonly inFlight: number;
    readonly latencyMs: number | undefined;
    readonly picked: number;
    readonly ejections: number;
}

export type EndpointState = "healthy" | "ejected" | "probing";

export type EnterStep = "pass" | "park" | "end";

export interface ExecuteOptions<T> extends Judgement<T> {
    readonly signal?: AbortSignal | undefined;
    readonly deadline?: number | undefined;
    readonly priority?: number | undefined;
    readonly key?: string | undefined;
    readonly weight?: number | undefined;
}

export interface Explanation {
    readonly pipeline: string;
    readonly decidedBy: "operation" | "caller" | (string & {});
    readonly outcome: Outcome;
    readonly attempts: number;
    readonly earlier: readonly unknown[];
    readonly gaveUp: GaveUp | undefined;
}

export interface ExponentialBackoffOptions {
    readonly initialMs?: number;
    readonly maxMs?: number;
    readonly factor?: number;
    readonly jitter?: Jitter | "decorrelated";
}

export interface FailedAttempt {
    readonly result: unknown;
    readonly threw: boolean;
    readonly outcome: Exclude<Outcome, "success">;
    readonly attempt: number;
}

export interface FailedCall {
    readonly result: unknown;
    readonly threw: boolean;
    readonly outcome: Exclude<Outcome, "success">;
    readonly attempts: number;
    readonly handlerResults: readonly unknown[];
    readonly signal: AbortSignal;
    readonly deadline: number;
}

export type Fallback = Policy & {
    readonly kind: "fallback";
    readonly used: number;
    readonly exhausted: number;
};

export type FallbackHandler = (failed: FailedCall) => unknown;

export interface FallbackOptions {
    readonly handlers: readonly FallbackHandler[];
    readonly shouldFallback?: (failed: FailedCall) => boolean;
}

export interface FixedLimitOptions {
    readonly limit: number;
}

export type GaveUp = "attempts" | "deadline" | "budget" | "push-back";

export type GcraState = number;

export interface GradientLimitOptions {
    readonly initialLimit?: number;
    readonly minLimit?: number;
    readonly maxLimit?: number;
    readonly tolerance?: number;
    readonly windowMs?: number;
}

export declare abstract class HeadgateError extends Error {
    readonly code: string;
    readonly policy: string | undefined;
    pipeline: string | undefined;
    constructor(code: string, policy?: string);
    abstract get name(): string;
    abstract get message(): string;
    get account(): unknown;
    set account(account: unknown);
    get refusal(): boolean;
    get "@@headgate/error"(): true;
}

export type HeadgateEvent = {
    readonly type: "pipeline.settled";
    readonly pipeline: string;
    readonly outcome: Outcome;
    readonly error: unknown;
    readonly durationMs: number;
    readonly attempts: number;
} | {
    readonly type: "timeout.fired";
    readonly pipeline: string;
    readonly scope: "total" | "attempt";
    readonly timeoutMs: number;
} | {
    readonly type: "retry.scheduled";
    readonly pipeline: string;
    readonly attempt: number;
    readonly delayMs: number;
    readonly result: unknown;
} | {
    readonly type: "retry.exhausted";
    readonly pipeline: string;
    readonly attempts: number;
    readonly result: unknown;
} | {
    readonly type: "retry.budget-denied";
    readonly pipeline: string;
    readonly attempts: number;
    readonly result: unknown;
} | {
    readonly type: "circuit-breaker.opened";
    readonly pipeline: string;
    readonly name: string;
    readonly openMs: number;
    readonly cause: unknown;
} | {
    readonly type: "circuit-breaker.half-opened";
    readonly pipeline: string;
    readonly name: string;
} | {
    readonly type: "circuit-breaker.closed";
    readonly pipeline: string;
    readonly name: string;
} | {
    readonly type: "circuit-breaker.rejected";
    readonly pipeline: string;
    readonly name: string;
    readonly retryAfterMs: number;
} | {
    readonly type: "concurrency-limit.rejected";
    readonly pipeline: string;
    readonly name: string;
    readonly reason: ConcurrencyLimitReason;
} | {
    readonly type: "concurrency-limit.waited";
    readonly pipeline: string;
    readonly name: string;
    readonly waitMs: number;
} | {
    readonly type: "adaptive-limit.changed";
    readonly pipeline: string;
    readonly name: string;
    readonly limit: number;
    readonly previous: number;
} | {
    readonly type: "fallback.used";
    readonly pipeline: string;
    readonly handler: number;
    readonly result: unknown;
} | {
    readonly type: "fallback.failed";
    readonly pipeline: string;
    readonly handler: number;
    readonly result: unknown;
    readonly handlerResult: unknown;
} | {
    readonly type: "resilient-fetch.body-failed";
    readonly pipeline: string;
    readonly error: unknown;
} | {
    readonly type: "rate-limit.rejected";
    readonly pipeline: string;
    readonly name: string;
    readonly reason: "limit" | "queue" | "wait" | "weight" | "backend";
    readonly retryAfterMs: number | undefined;
} | {
    readonly type: "rate-limit.forgotten";
    readonly pipeline: string;
    readonly name: string;
    readonly key: string;
    readonly resetMs: number;
} | {
    readonly type: "rate-limit.degraded";
    readonly pipeline: string;
    readonly name: string;
    readonly error: unknown;
    readonly admitted: boolean;
} | {
    readonly type: "load-shed.started";
    readonly pipeline: string;
    readonly name: string;
    readonly signal: string;
    readonly ratio: number;
} | {
    readonly type: "load-shed.stopped";
    readonly pipeline: string;
    readonly name: string;
} | {
    readonly type: "load-shed.rejected";
    readonly pipeline: string;
    readonly name: string;
    readonly signal: string;
    readonly ratio: number;
    readonly priorityClass: PriorityClass;
} | {
    readonly type: "chaos.injected";
    readonly pipeline: string;
    readonly name: string;
    readonly injection: "latency" | "failure" | "value" | "hang" | "drip";
    readonly attempt: number;
} | {
    readonly type: "single-flight.joined";
    readonly pipeline: string;
    readonly key: string;
    readonly followers: number;
} | {
    readonly type: "single-flight.expired";
    readonly pipeline: string;
    readonly key: string;
} | {
    readonly type: "cache.hit";
    readonly pipeline: string;
    readonly name: string;
    readonly key: string;
    readonly ageMs: number;
} | {
    readonly type: "cache.missed";
    readonly pipeline: string;
    readonly name: string;
    readonly key: string;
} | {
    readonly type: "cache.served-stale";
    readonly pipeline: string;
    readonly name: string;
    readonly because: "revalidating" | "failed";
    readonly ageMs: number;
} | {
    readonly type: "cache.refreshed";
    readonly pipeline: string;
    readonly name: string;
    readonly key: string;
    readonly outcome: Outcome;
} | {
    readonly type: "cache.skipped";
    readonly pipeline: string;
    readonly name: string;
    readonly key: string;
} | {
    readonly type: "cache.store-failed";
    readonly pipeline: string;
    readonly name: string;
    readonly operation: "get" | "set" | "clone" | "defer";
    readonly error: unknown;
} | {
    readonly type: "operation.abandoned";
    readonly pipeline: string;
    readonly attempt: number;
} | {
    readonly type: "retry.pushed-back";
    readonly pipeline: string;
    readonly attempts: number;
    readonly result: unknown;
} | {
    readonly type: "hedge.started";
    readonly pipeline: string;
    readonly attempt: number;
    readonly delayMs: number;
} | {
    readonly type: "hedge.won";
    readonly pipeline: string;
    readonly attempt: number;
} | {
    readonly type: "hedge.budget-denied";
    readonly pipeline: string;
    readonly attempts: number;
} | {
    readonly type: "hedge.pushed-back";
    readonly pipeline: string;
    readonly attempts: number;
} | {
    readonly type: "adaptive-throttle.rejected";
    readonly pipeline: string;
    readonly name: string;
    readonly rejectRatio: number;
} | {
    readonly type: "load-balance.ejected";
    readonly pipeline: string;
    readonly name: string;
    readonly endpoint: string;
    readonly ejectMs: number;
    readonly cause: unknown;
} | {
    readonly type: "load-balance.restored";
    readonly pipeline: string;
    readonly name: string;
    readonly endpoint: string;
};

export type Hedge = Policy & {
    readonly kind: "hedge";
    readonly maxAttempts: number;
    readonly delayMs: number | undefined;
    readonly currentDelayMs: number;
    readonly budget: RetryBudget | undefined;
    readonly hedges: number;
    readonly won: number;
    readonly budgetDenied: number;
    readonly pushedBack: number;
};

export interface HedgeOptions {
    readonly maxAttempts?: number;
    readonly delayMs?: number | undefined;
    readonly quantile?: number | undefined;
    readonly minSamples?: number | undefined;
    readonly budget?: RetryBudget | false | undefined;
    readonly clock?: Clock;
}

export type Injection =
{
    readonly type: "latency";
    readonly delayMs: number | ((random: Random) => number);
}
 | {
    readonly type: "failure";
    readonly error?: (call: Call) => unknown;
}
 | {
    readonly type: "value";
    readonly value: (call: Call) => unknown;
}
 | {
    readonly type: "hang";
    readonly maxHangMs?: number;
}
 | {
    readonly type: "drip";
    readonly chunkDelayMs: number;
};

export declare class InvalidOptionError extends HeadgateError {
    readonly place: string;
    readonly allowed: string;
    readonly got: string;
    constructor(place: string, allowed: string, got: string);
    get name(): string;
    get message(): string;
}

export type Jitter = "full" | "equal" | "none";

export interface Judgement<T> {
    readonly isFailure?: ((value: T) => boolean) | undefined;
    readonly isIgnored?: ((result: unknown) => boolean) | undefined;
    readonly isOverload?: ((result: unknown) => boolean) | undefined;
    readonly discard?: ((value: T) => unknown) | undefined;
    readonly retryAfterMs?: ((result: unknown) => number | undefined) | undefined;
}

export type Keep = <P extends Policy>(name: string, make: () => P) => P;

export interface KneeLimitOptions {
    readonly initialLimit?: number;
    readonly maxLimit?: number;
}

export interface LatencySignalOptions {
    readonly name?: string;
    readonly targetMs?: number | undefined;
    readonly bounds?: OverloadBounds;
}

export type LeaveStep = "pass" | "park" | "again";

export interface Limit {
    readonly kind: string;
    readonly limit: number;
    observe(sample: LimitSample): void;
    full?(nowMs: number, inFlight: number): void;
    learnt?(): LimitLearnt;
    restore?(learnt: LimitLearnt): void;
}

export interface LimitLearnt {
    readonly limit: number;
    readonly baselineMs: number | null;
}

export interface LimitSample {
    readonly startMs: number;
    readonly endMs: number;
    readonly inFlight: number;
    readonly outcome: "success" | "failure" | "dropped";
}

export interface LimitSignalOptions {
    readonly name?: string;
    readonly bounds?: OverloadBounds;
}

export interface LinearBackoffOptions {
    readonly initialMs?: number;
    readonly stepMs?: number;
    readonly maxMs?: number;
    readonly jitter?: Jitter;
}

export type LoadBalance<E> = Policy & {
    readonly kind: "load-balance";
    readonly name: string;
    readonly ejected: number;
    readonly ejections: number;
    of(context: OperationContext): E;
    update(endpoints: readonly E[]): void;
    snapshot(): EndpointSnapshot<E>[];
};

export interface LoadBalanceOptions<E> {
    readonly endpoints: readonly E[];
    readonly name?: string;
    readonly nameOf?: (endpoint: E, index: number) => string;
    readonly trip?: () => Trip;
    readonly ejectMs?: number;
    readonly ejectFactor?: number;
    readonly maxEjectMs?: number;
    readonly ejectJitter?: number;
    readonly healthyMs?: number;
    readonly maxEjectedRatio?: number;
    readonly decayMs?: number;
    readonly leaseMs?: number | undefined;
    readonly clock?: Clock;
    readonly random?: Random;
}

export type LoadShed = Policy & {
    readonly kind: "load-shed";
    readonly name: string;
    readonly ratio: number;
    readonly pressures: readonly {
        readonly signal: string;
        readonly ratio: number;
    }[];
    readonly admitted: number;
    readonly rejected: number;
    readonly rejections: readonly ShedCount[];
    readonly tenants: number;
};

export declare class LoadShedError extends HeadgateError {
    readonly loadShed: string;
    readonly signal: string;
    readonly ratio: number;
    readonly priorityClass: PriorityClass;
    readonly retryAfterMs: number;
    constructor(loadShed: string, signal: string, ratio: number, priorityClass: PriorityClass, retryAfterMs: number);
    get name(): string;
    get refusal(): boolean;
    get message(): string;
}

export interface LoadShedOptions {
    readonly name?: string;
    readonly signals: readonly ShedSignal[];
    readonly tenant?: ((call: Call) => string) | undefined;
    readonly maxTenants?: number;
    readonly maxShedRatio?: number;
    readonly intervalMs?: number;
    readonly minRetryAfterMs?: number;
    readonly maxRetryAfterMs?: number;
    readonly clock?: Clock;
    readonly random?: Random;
}

export interface LogTransitionsOptions {
    readonly logger: Logger;
    readonly maxPerInterval?: number;
    readonly intervalMs?: number;
    readonly clock?: Clock;
}

export interface Logger {
    info(fields: object, message: string): void;
    warn(fields: object, message: string): void;
    error(fields: object, message: string): void;
}

export interface MemoryCacheStore extends CacheStore {
    readonly size: number;
    get(key: string): CacheEntry | undefined;
}

export interface MemoryCacheStoreOptions {
    readonly maxEntries?: number;
    readonly clock?: Clock;
}

export interface Meter {
    meterOf(pipeline: string): PipelineMeter;
}

export type Observer = (event: HeadgateEvent) => void;

export type Operation<T> = (context: OperationContext) => T | PromiseLike<T>;

export interface OperationContext {
    readonly signal: AbortSignal;
    readonly attempt: number;
    readonly remainingMs: number;
    readonly deadline: number;
    readonly hold: () => () => void;
}

export type OperationResult<T> = {
    readonly ok: true;
    readonly value: T;
    readonly outcome: Outcome;
} | {
    readonly ok: false;
    readonly error: unknown;
    readonly outcome: Outcome;
};

export interface OrderRule {
    readonly outer: readonly string[];
    readonly inner: readonly string[];
    readonly applies?: (outer: Policy, inner: Policy, between: readonly Policy[]) => boolean;
    readonly why: string;
    readonly fix: string;
}

export type Outcome = "success" | "failure" | "dropped" | "ignored";

export type OverloadBounds = readonly [begins: number, full: number];

export declare class Permit {
    readonly weight: number;
    constructor(weight: number, giveBack: () => void);
    release(): void;
    [Symbol.dispose](): void;
}

export declare class Pipeline {
    readonly name: string;
    readonly policies: readonly Policy[];
    readonly clock: Clock;
    readonly route: Route;
    readonly cuts: boolean;
    readonly firstRerun: number;
    readonly firstRepeat: number;
    readonly nothingKept: readonly unknown[];
    readonly judgement: Judgement<unknown>;
    readonly emit: ((event: HeadgateEvent) => void) | undefined;
    readonly timed: boolean;
    readonly tracer: Tracer | undefined;
    inFlight: number;
    readonly insides: (Pipeline | undefined)[];
    constructor(options: PipelineOptions, policies: readonly Policy[], within?: {
        readonly outer: Pipeline;
        readonly at: number;
    });
    execute<T>(operation: Operation<T>, options?: ExecuteOptions<T>): Promise<T>;
    attempt<T>(operation: Operation<T>, options?: ExecuteOptions<T>): Promise<OperationResult<T>>;
    rebuilt(judgement: Judgement<unknown>, policies: readonly Policy[]): Pipeline;
    describe(): string;
    attemptEnded(attempt: Attempt): void;
    report(call: Call): void;
}

export interface PipelineMeter {
    settled(call: Call): void;
    readonly observer?: Observer;
}

export interface PipelineOptions extends Judgement<unknown> {
    readonly name: string;
    readonly observer?: Observer | undefined;
    readonly meter?: Meter | undefined;
    readonly tracer?: Tracer | undefined;
    readonly clock?: Clock;
    readonly checkOrder?: boolean;
}

export interface Policy {
    readonly kind: string;
    readonly repeats?: boolean;
    readonly reruns?: boolean;
    readonly orderRules?: readonly OrderRule[];
    readonly describe?: () => string;
    readonly cuts?: boolean;
    readonly failuresOnly?: boolean;
    readonly busy?: boolean;
    readonly enter?: (call: Call, at: number) => EnterStep;
    readonly leave?: (call: Call, at: number) => LeaveStep;
    readonly interrupt?: (call: Call, at: number) => void;
    readonly gaveUp?: (call: Call, at: number) => GaveUp | undefined;
}

export declare class PolicyOrderError extends HeadgateError {
    readonly problems: readonly string[];
    constructor(pipeline: string, problems: readonly string[]);
    get name(): string;
    get message(): string;
}

export type PriorityClass = "critical-plus" | "critical" | "normal" | "sheddable-plus" | "sheddable";

export type QueueOrder = "fifo" | "lifo" | "priority" | "adaptive-lifo";

export interface QueueWaitSignalOptions {
    readonly name?: string;
    readonly targetMs?: number;
    readonly bounds?: OverloadBounds;
}

export interface Random {
    next(): number;
}

export interface RateAlgorithm<State> {
    waitMs(state: State | undefined, nowMs: number, cost: number, quota: RateQuota): number;
    take(state: State | undefined, nowMs: number, cost: number, quota: RateQuota): RateDecision<State>;
}

export interface RateDecision<State> {
    readonly state: State;
    readonly allowed: boolean;
    readonly remaining: number;
    readonly retryAfterMs: number;
    readonly resetMs: number;
}

export type RateLimit = Policy & RateQuota & {
    readonly kind: "rate-limit";
    readonly name: string;
    readonly admitted: number;
    readonly rejected: number;
    readonly queued: number;
    readonly keys: number;
    readonly forgotten: number;
    readonly backendFailures: number;
    readonly degraded: number;
    tryAcquire(key?: string, cost?: number): RateLimitResult | Promise<RateLimitResult>;
};

export interface RateLimitAnswer {
    readonly allowed: boolean;
    readonly remaining?: number | undefined;
    readonly retryAfterMs?: number | undefined;
    readonly resetMs?: number | undefined;
}

export interface RateLimitBackend {
    take(key: string, cost: number, quota: RateQuota): RateLimitAnswer | PromiseLike<RateLimitAnswer>;
}

export declare class RateLimitError extends HeadgateError {
    readonly rateLimit: string;
    readonly reason: RateLimitReason;
    readonly retryAfterMs: number | undefined;
    readonly weight: number;
    readonly cause: unknown;
    constructor(rateLimit: string, reason: RateLimitReason, retryAfterMs: number | undefined, weight: number, cause?: unknown);
    get name(): string;
    get refusal(): boolean;
    get message(): string;
}

export interface RateLimitOptions {
    readonly name?: string;
    readonly limit: number;
    readonly windowMs?: number;
    readonly burst?: number;
    readonly algorithm?: "gcra" | "token-bucket";
    readonly maxWaitMs?: number;
    readonly maxQueue?: number;
    readonly key?: ((call: Call) => string) | undefined;
    readonly maxKeys?: number;
    readonly backend?: RateLimitBackend | undefined;
    readonly backendTimeoutMs?: number;
    readonly onBackendFailure?: "open" | "closed";
    readonly clock?: Clock;
}

export type RateLimitReason = "limit" | "queue" | "wait" | "weight" | "backend";

export interface RateLimitResult {
    readonly allowed: boolean;
    readonly degraded: boolean;
    readonly limit: number;
    readonly remaining: number | undefined;
    readonly retryAfterMs: number | undefined;
    readonly resetMs: number | undefined;
}

export interface RateQuota {
    readonly limit: number;
    readonly windowMs: number;
    readonly burst: number;
}

export interface RatioOptions {
    readonly failureRatio?: number;
    readonly slowMs?: number;
    readonly slowRatio?: number;
    readonly combinedRatio?: number;
}

export interface Registry {
    readonly size: number;
    get(key: string): Pipeline;
    delete(key: string): boolean;
    entries(): IterableIterator<[key: string, pipeline: Pipeline]>;
    reconfigure(key?: string): void;
}

export declare class RegistryFullError extends HeadgateError {
    readonly maxEntries: number;
    constructor(maxEntries: number);
    get name(): string;
    get refusal(): boolean;
    get message(): string;
}

export interface RegistryOptions {
    readonly create: (key: string, keep: Keep) => Pipeline;
    readonly maxEntries?: number;
    readonly idleMs?: number;
    readonly maxUseMs?: number;
    readonly clock?: Clock;
}

export type Retry = Policy & {
    readonly kind: "retry";
    readonly maxAttempts: number;
    readonly budget: RetryBudget | undefined;
    readonly retries: number;
    readonly exhausted: number;
    readonly outOfTime: number;
    readonly budgetDenied: number;
    readonly pushedBack: number;
};

export interface RetryBudget {
    tryAcquire(call: Call): boolean | RetryPermit;
    callStarted?(call: Call): void;
    callEnded?(): void;
}

export interface RetryBudgetOptions {
    readonly ratio?: number;
    readonly windowMs?: number;
    readonly minPerSecond?: number;
    readonly minConcurrent?: number;
    readonly clock?: Clock;
}

export interface RetryOptions {
    readonly maxAttempts?: number;
    readonly backoff?: Backoff;
    readonly shouldRetry?: (attempt: FailedAttempt) => boolean;
    readonly maxRetryAfterMs?: number;
    readonly minAttemptMs?: number;
    readonly budget?: RetryBudget | undefined;
    readonly clock?: Clock;
    readonly random?: Random;
}

export interface RetryPermit {
    release(): void;
}

export interface ShedCount {
    readonly priorityClass: PriorityClass;
    readonly signal: string;
    readonly rejected: number;
}

export interface ShedSignal {
    readonly name: string;
    read(nowMs: number): number;
    ended?(nowMs: number, durationMs: number, outcome: Outcome): void;
}

export type SingleFlight = Policy & {
    readonly kind: "single-flight";
    readonly inFlight: number;
    readonly joined: number;
    readonly expired: number;
};

export interface SingleFlightOptions {
    readonly key?: (call: Call) => string | undefined;
    readonly maxWaitMs?: number;
    readonly maxKeys?: number;
    readonly maxFollowers?: number;
    readonly share?: (value: unknown) => boolean;
    readonly clock?: Clock;
}

export interface StandardPipelineOptions extends Omit<PipelineOptions, "checkOrder"> {
    readonly totalTimeoutMs?: number;
    readonly attemptTimeoutMs?: number;
    readonly fallback?: FallbackOptions | undefined;
    readonly rateLimit?: Part<RateLimitOptions> | undefined;
    readonly retry?: Omit<Part<RetryOptions>, "budget"> | false;
    readonly retryBudget?: RetryBudget | false;
    readonly hedge?: Omit<Part<HedgeOptions>, "budget"> | undefined;
    readonly adaptiveThrottle?: Part<AdaptiveThrottleOptions> | undefined;
    readonly circuitBreaker?: Part<CircuitBreakerOptions> | false;
    readonly concurrencyLimit?: Part<ConcurrencyLimitOptions> | Part<AdaptiveLimitOptions> | false;
    readonly chaos?: Part<ChaosOptions> | undefined;
    readonly random?: Random;
}

export declare class SupersededError extends HeadgateError {
    constructor();
    get name(): string;
    get message(): string;
}

export interface TimeWindowOptions extends RatioOptions {
    readonly windowMs?: number;
    readonly buckets?: number;
    readonly minCalls?: number;
}

export type Timeout = Policy & {
    readonly kind: "timeout";
    readonly timeoutMs: number;
};

export declare class TimeoutError extends HeadgateError {
    readonly timeoutMs: number;
    readonly scope: TimeoutScope;
    constructor(timeoutMs: number, scope: TimeoutScope);
    get name(): string;
    get message(): string;
}

export interface TimeoutOptions {
    readonly timeoutMs?: number;
    readonly clock?: Clock;
}

export type TimeoutScope = "total" | "attempt" | "deadline" | "idle";

export interface TokenBucketState {
    readonly tokens: number;
    readonly updatedMs: number;
}

export interface Tracer {
    trace(pipeline: string, operation: Operation<unknown>): Operation<unknown>;
    attemptEnded(attempt: OperationContext, call: Call): void;
    settled(call: Call): void;
}

export interface Trip {
    readonly slowMs?: number | undefined;
    readonly timed?: boolean;
    readonly lastSample?: number;
    record(result: TripResult, nowMs: number): boolean;
    failSlow?(sample: number, nowMs: number): boolean;
    counts?(nowMs: number): TripCounts;
    reset(): void;
    describe?(): string;
}

export interface TripCounts {
    readonly calls: number;
    readonly failures: number;
    readonly slow: number;
}

export type TripResult = "success" | "failure" | "overload" | "slow";

export interface VegasLimitOptions {
    readonly initialLimit?: number;
    readonly maxLimit?: number;
    readonly windowMs?: number;
}

export declare function adaptiveLimit(options?: AdaptiveLimitOptions): AdaptiveLimit;

export declare function adaptiveThrottle(options?: AdaptiveThrottleOptions): AdaptiveThrottle;

export declare function aimdLimit(options?: AimdLimitOptions): Limit;

export declare function cache(options: CacheOptions): Cache;

export declare function chaos(options: ChaosOptions): Chaos;

export declare function circuitBreaker(options?: CircuitBreakerOptions): CircuitBreaker;

export declare function concurrencyLimit(options: ConcurrencyLimitOptions): ConcurrencyLimit;

export declare function consecutiveFailures(options?: ConsecutiveFailuresOptions): Trip;

export declare function constantBackoff(options: ConstantBackoffOptions): Backoff;

export declare function countWindow(options?: CountWindowOptions): Trip;

export declare function explain(error: unknown): Explanation | undefined;

export declare function exponentialBackoff(options?: ExponentialBackoffOptions): Backoff;

export declare function fallback(options: FallbackOptions): Fallback;

export declare function fixedLimit({ limit }: FixedLimitOptions): Limit;

export declare function forkInside(call: Call, at: number, settled: (result: OperationResult<unknown>) => void): Call;

export declare const gcra: RateAlgorithm<GcraState>;

export declare function gcraWaitMs(state: GcraState | undefined, nowMs: number, cost: number, quota: RateQuota): number;

export declare function gradientLimit(options?: GradientLimitOptions): Limit;

export declare function hedge(options?: HedgeOptions): Hedge;

export declare function isHeadgateError(error: unknown): error is HeadgateError;

export declare function isRefusal(error: unknown): boolean;

export declare function kneeLimit(options?: KneeLimitOptions): Limit;

export declare function latencySignal(options?: LatencySignalOptions): ShedSignal;

export declare function limitSignal(limit: {
    readonly inUse: number;
    readonly queued: number;
    readonly maxConcurrent: number;
}, options?: LimitSignalOptions): ShedSignal;

export declare function linearBackoff(options?: LinearBackoffOptions): Backoff;

export declare function loadBalance<E>(options: LoadBalanceOptions<E>): LoadBalance<E>;

export declare function loadShed(options: LoadShedOptions): LoadShed;

export declare function logTransitions(options: LogTransitionsOptions): Observer;

export declare function lowerPriority(priority?: number): number;

export declare function memoryCacheStore(options?: MemoryCacheStoreOptions): MemoryCacheStore;

export declare function pipeline(nameOrOptions: string | PipelineOptions, ...policies: readonly (Policy | Pipeline)[]): Pipeline;

export declare function priorityClassOf(priority: number): PriorityClass;

export declare function priorityLevelOf(text: string): number;

export declare function queueWaitSignal(limit: {
    readonly oldestWaitMs: number;
}, options?: QueueWaitSignalOptions): ShedSignal;

export declare function rateLimit(options: RateLimitOptions): RateLimit;

export declare function registry(options: RegistryOptions): Registry;

export declare function retry(options?: RetryOptions): Retry;

export declare function retryBudget(options?: RetryBudgetOptions): CountedRetryBudget;

export declare function runInside(call: Call, at: number, settled: (result: OperationResult<unknown>) => void): Call;

export declare function singleFlight(options?: SingleFlightOptions): SingleFlight;

export declare function standardPipeline(options: StandardPipelineOptions): Pipeline;

export declare const systemClock: Clock;

export declare const systemRandom: Random;

export declare function takeGcra(state: GcraState | undefined, nowMs: number, cost: number, quota: RateQuota): RateDecision<GcraState>;

export declare function takeToken(state: TokenBucketState | undefined, nowMs: number, cost: number, quota: RateQuota): RateDecision<TokenBucketState>;

export declare function timeWindow(options?: TimeWindowOptions): Trip;

export declare function timeout(options?: TimeoutOptions): Timeout;

export declare function toPriority(priorityClass: PriorityClass, level?: number): number;

export declare const tokenBucket: RateAlgorithm<TokenBucketState>;

export declare function tokenWaitMs(state: TokenBucketState | undefined, nowMs: number, cost: number, quota: RateQuota): number;

export declare function vegasLimit(options?: VegasLimitOptions): Limit;

// ── @headgate/core/streams

export interface BatchOptions extends StreamOptions {
    readonly maxItems: number;
    readonly maxWaitMs?: number | undefined;
}

export interface ByteChunk {
    readonly byteLength: number;
}

export declare class ByteLimitError extends HeadgateError {
    readonly maxBytes: number;
    readonly bytes: number;
    constructor(maxBytes: number, bytes: number);
    get name(): string;
    get message(): string;
}

export interface LimitBytesOptions extends StreamOptions {
    readonly maxBytes: number;
}

export interface MapConcurrentOptions extends StreamOptions {
    readonly maxConcurrent: number;
    readonly ordered?: boolean | undefined;
}

export interface MapContext {
    readonly signal: AbortSignal;
    readonly index: number;
}

export interface MergeOptions extends StreamOptions {
    readonly maxConcurrent?: number | undefined;
}

export declare class MinRateError extends HeadgateError {
    readonly bytesPerSecond: number;
    readonly graceMs: number;
    readonly bytes: number;
    readonly waitedMs: number;
    constructor(bytesPerSecond: number, graceMs: number, bytes: number, waitedMs: number);
    get name(): string;
    get message(): string;
}

export interface MinRateOptions extends StreamOptions {
    readonly bytesPerSecond?: number | undefined;
    readonly graceMs?: number | undefined;
}

export type Source<T> = ReadableStream<T> | AsyncIterable<T> | Iterable<T>;

export interface StreamOptions {
    readonly signal?: AbortSignal | undefined;
    readonly clock?: Clock | undefined;
}

export declare class StreamTimeoutError extends HeadgateError {
    readonly timeoutMs: number;
    readonly scope: "first-item" | "idle";
    constructor(timeoutMs: number, scope: "first-item" | "idle");
    get name(): string;
    get message(): string;
}

export interface ToReadableStreamOptions {
    readonly clock?: Clock | undefined;
}

export interface WithTimeoutsOptions extends StreamOptions {
    readonly firstItemTimeoutMs?: number | undefined;
    readonly idleTimeoutMs?: number | undefined;
}

export declare function batch<T>(source: Source<T>, options: BatchOptions): AsyncIterableIterator<T[], undefined, undefined>;

export declare function limitBytes<T extends ByteChunk>(source: Source<T>, options: LimitBytesOptions): AsyncIterableIterator<T, undefined, undefined>;

export declare function mapConcurrent<T, R>(source: Source<T>, mapper: (item: T, context: MapContext) => R | PromiseLike<R>, options: MapConcurrentOptions): AsyncIterableIterator<R, undefined, undefined>;

export declare function merge<T>(sources: Iterable<Source<T>>, options?: MergeOptions): AsyncIterableIterator<T, undefined, undefined>;

export declare function minRate<T extends ByteChunk>(source: Source<T>, options?: MinRateOptions): AsyncIterableIterator<T, undefined, undefined>;

export declare function toReadableStream<T>(source: Source<T>, options?: ToReadableStreamOptions): ReadableStream<T>;

export declare function withTimeouts<T>(source: Source<T>, options: WithTimeoutsOptions): AsyncIterableIterator<T, undefined, undefined>;

// ── @headgate/core/fetch

export interface CallInit extends Pick<ExecuteOptions<Response>, "deadline" | "priority" | "key" | "weight"> {
    readonly idempotent?: boolean | undefined;
}

export type FetchEndpoints = LoadBalance<string | URL>;

export type FetchFunction = (input: string | URL | Request, init?: RequestInit) => Promise<Response>;

export interface FetchSettings {
    readonly fetch?: FetchFunction | undefined;
    readonly idleTimeoutMs?: number;
    readonly maxReplayBytes?: number;
    readonly idempotentMethods?: readonly string[];
    readonly isFailure?: ((response: Response) => boolean) | undefined;
    readonly isOverload?: ((result: unknown) => boolean) | undefined;
    readonly forwardDeadline?: boolean | ForwardDeadlineOptions | undefined;
    readonly forwardPriority?: boolean;
    readonly endpoints?: FetchEndpoints | undefined;
    readonly wallClock?: () => number;
}

export interface ForwardDeadlineOptions {
    readonly header?: string;
    readonly marginMs?: number;
}

export interface HeadersLike {
    get(name: string): string | null | undefined;
}

export interface ResilientFetch {
    (input: string | URL | Request, init?: ResilientFetchInit): Promise<Response>;
    readonly pipeline: Pipeline;
}

export interface ResilientFetchInit extends RequestInit {
    readonly call?: CallInit | undefined;
}

export type ResilientFetchOptions = FetchSettings & (({
    readonly pipeline?: undefined;
} & StandardFetchOptions) | ({
    readonly pipeline: Pipeline;
} & {
    readonly [Name in keyof StandardFetchOptions]?: undefined;
}));

export interface StandardFetchOptions {
    readonly name?: string;
    readonly totalTimeoutMs?: number;
    readonly headersTimeoutMs?: number;
    readonly maxAttempts?: number;
    readonly retryBudget?: RetryBudget | false;
    readonly maxConcurrent?: number | undefined;
    readonly maxQueue?: number;
    readonly openMs?: number;
    readonly observer?: Observer | undefined;
    readonly meter?: Meter | undefined;
    readonly tracer?: Tracer | undefined;
    readonly clock?: Clock;
    readonly random?: Random;
}

export declare const deadlineFields: readonly string[];

export declare function formatPriority(priority: number, attempt?: number): string;

export declare function formatRemainingMs(name: string, remainingMs: number): string;

export declare function parseRemainingMs(read: (name: string) => string | null | undefined, fields?: readonly string[]): number;

export declare function parseRetryAfter(value: string | null | undefined, date?: string | null, wallClock?: () => number): number | undefined;

export declare const priorityField = "priority";

export declare function readPriority(headers: HeadersLike, trusted?: boolean): number;

export declare function resilientFetch(options?: ResilientFetchOptions): ResilientFetch;

// ── @headgate/core/metrics

export interface MergeableMetric {
    readonly name: string;
    readonly kind: string;
    readonly unit: string;
    readonly points: readonly MergeablePoint[];
}

export interface MergeablePoint {
    readonly attributes: MetricAttributes;
    readonly value?: number;
    readonly count?: number;
    readonly sum?: number;
    readonly bucketCounts?: readonly number[];
}

export type MetricAttributes = Readonly<Record<string, string | number>>;

export declare function attributesKey(attributes: MetricAttributes): string;

export declare function isTotal({ kind }: Pick<MergeableMetric, "kind">): boolean;

export declare function mergeMetrics<M extends MergeableMetric>(snapshots: readonly (readonly M[])[]): M[];

export declare function mergePoints(metric: Pick<MergeableMetric, "kind" | "unit">, a: MergeablePoint, b: MergeablePoint): MergeablePoint;

export declare function onlyTotals<M extends MergeableMetric>(snapshot: readonly M[]): M[];

// ── @headgate/core/options

export declare function checkFunction(place: string, value: unknown): void;

export declare function checkInteger(place: string, value: unknown, min: number, max?: number): void;

export declare function checkName(place: string, value: unknown): void;

export declare function checkNumber(place: string, value: unknown, min: number, max: number, above?: boolean): void;

export declare function checkOneOf(place: string, value: unknown, allowed: readonly string[]): void;

export declare const maxDelayMs = 2147483647;

export declare function rejectOption(place: string, allowed: string, got: unknown): never;

// ── @headgate/core/testing

export declare class EventRecorder {
    readonly events: HeadgateEvent[];
    readonly observer: Observer;
    get types(): HeadgateEvent["type"][];
    of<Type extends HeadgateEvent["type"]>(type: Type): Extract<HeadgateEvent, {
        type: Type;
    }>[];
}

export declare class SeededRandom implements Random {
    constructor(seed: number);
    next(): number;
}

export declare class TestClock implements Clock {
    constructor(startMs?: number);
    now(): number;
    after(delayMs: number, callback: () => void): ClockTimer;
    sleep(delayMs: number, signal?: AbortSignal): Promise<void>;
    get pending(): number;
    settle(): Promise<void>;
    advance(ms: number): Promise<void>;
    jump(ms: number): void;
    dropTimers(): void;
}
