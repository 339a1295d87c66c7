// The public API of @headgate/workers. Written by `npm run api`.

// ── @headgate/workers

export type AcceptCircuit = (breaker: CircuitBreaker, view: CircuitView) => boolean;

export interface Background extends ExecutionContextLike {
    readonly running: number;
    readonly done: number;
    readonly failed: number;
    readonly refused: number;
    run(task: (signal: AbortSignal) => unknown): boolean;
    readonly waitUntil: (work: Promise<unknown>) => void;
}

export interface BackgroundOptions {
    readonly maxConcurrent?: number;
    readonly timeoutMs?: number;
    readonly onError?: ((error: unknown) => void) | undefined;
    readonly clock?: Clock;
}

export interface CacheApiStoreOptions extends ValueTextOptions {
    readonly name?: string;
    readonly clock?: WallClock;
}

export interface CacheLike {
    match(request: string): Promise<Response | undefined>;
    put(request: string, response: Response): Promise<void>;
    delete(request: string): Promise<boolean>;
}

export interface CircuitView {
    readonly name: string;
    readonly epoch: number;
    readonly state: "open" | "closed";
    readonly forMs: number;
    readonly openings: number;
}

export declare class CompatibilityError extends HeadgateError {
    constructor();
    get name(): string;
    get message(): string;
}

export interface DurableMetrics<M extends MetricLike = MetricLike> {
    readonly flushes: number;
    readonly failures: number;
    flush(context: ExecutionContextLike, work?: Promise<unknown>): void;
    collect(): Promise<readonly M[]>;
}

export interface DurableMetricsOptions<M extends MetricLike = MetricLike> {
    readonly namespace: DurableObjectNamespaceLike;
    readonly collect: () => readonly M[];
    readonly name?: string;
    readonly shards?: number;
    readonly intervalMs?: number;
    readonly timeoutMs?: number;
    readonly onError?: ((error: unknown) => void) | undefined;
    readonly clock?: Clock;
}

export interface DurableObjectNamespaceLike {
    idFromName(name: string): unknown;
    get(id: unknown): DurableObjectStubLike;
}

export interface DurableObjectStateLike {
    readonly id?: {
        toString(): string;
    };
    readonly storage: DurableObjectStorageLike;
    blockConcurrencyWhile<T>(callback: () => Promise<T>): Promise<T>;
}

export interface DurableObjectStorageLike {
    list(): Promise<Map<string, unknown>>;
    put(key: string, value: unknown): Promise<void>;
    delete(keys: string[]): Promise<number>;
    getAlarm(): Promise<number | null>;
    setAlarm(epochMs: number): Promise<void>;
}

export interface DurableObjectStubLike {
    fetch(url: string, init: {
        method: string;
        body?: string;
        signal: AbortSignal;
    }): Promise<Response>;
}

export interface DurableState {
    readonly refreshes: number;
    readonly failures: number;
    readonly applied: number;
    sync(context: ExecutionContextLike): void;
    rateLimitBackend(name: string): RateLimitBackend;
}

export interface DurableStateOptions {
    readonly namespace: DurableObjectNamespaceLike;
    readonly name?: string;
    readonly breakers?: readonly CircuitBreaker[];
    readonly refreshMs?: number;
    readonly timeoutMs?: number;
    readonly accept?: AcceptCircuit;
    readonly maxKeys?: number;
    readonly onError?: ((error: unknown) => void) | undefined;
    readonly clock?: Clock;
}

export interface ExecutionContextLike {
    waitUntil(work: Promise<unknown>): void;
}

export declare class HeadgateMetrics<M extends MetricLike = MetricLike> {
    constructor(state: DurableObjectStateLike, _env?: unknown, options?: HeadgateMetricsOptions);
    protected push(_report: MetricsReport<M>): unknown;
    fetch(request: Request): Promise<Response>;
    alarm(): Promise<void>;
}

export interface HeadgateMetricsOptions {
    readonly intervalMs?: number;
    readonly timeoutMs?: number;
    readonly onError?: ((error: unknown) => void) | undefined;
    readonly clock?: WallClock;
    readonly timer?: Clock;
}

export declare class HeadgateState {
    constructor(state: DurableObjectStateLike, _env?: unknown, clock?: WallClock);
    fetch(request: Request): Promise<Response>;
    alarm(): Promise<void>;
}

export interface KVNamespaceLike {
    getWithMetadata(key: string, type: "text"): Promise<{
        readonly value: string | null;
        readonly metadata: unknown;
    }>;
    put(key: string, value: string, options: {
        expirationTtl: number;
        metadata: unknown;
    }): Promise<void>;
    delete(key: string): Promise<void>;
}

export interface KvStoreOptions extends ValueTextOptions {
    readonly keyPrefix?: string;
    readonly clock?: WallClock;
}

export interface MetricLike extends MergeableMetric {
    readonly kind: "counter" | "up-down-counter" | "gauge" | "histogram";
    readonly description: string;
    readonly attributes: readonly string[];
    readonly boundaries?: readonly number[];
}

export interface MetricsReport<M extends MetricLike = MetricLike> {
    readonly metrics: readonly M[];
    readonly startTimeMs: number;
    readonly timeMs: number;
    readonly instanceId: string;
    readonly signal: AbortSignal;
}

export interface RateLimitBinding {
    limit(options: {
        key: string;
    }): Promise<{
        readonly success: boolean;
    }>;
}

export interface RateLimitBindingOptions {
    readonly keyPrefix?: string;
    readonly maxCost?: number;
}

export interface ValueTextOptions {
    readonly serialize?: (value: unknown) => string;
    readonly deserialize?: (text: string) => unknown;
}

export interface WallClock {
    now(): number;
}

export declare function assertCompatibility(): void;

export declare function background(context: ExecutionContextLike, options?: BackgroundOptions): Background;

export declare function cacheApiStore(cache: CacheLike, options?: CacheApiStoreOptions): CacheStore;

export declare function durableMetrics<M extends MetricLike>(options: DurableMetricsOptions<M>): DurableMetrics<M>;

export declare function durableState(options: DurableStateOptions): DurableState;

export declare function kvStore(namespace: KVNamespaceLike, options?: KvStoreOptions): CacheStore;

export declare const minCompatibilityDate = "2024-10-14";

export declare function rateLimitBinding(binding: RateLimitBinding, options?: RateLimitBindingOptions): RateLimitBackend;
