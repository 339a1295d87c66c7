// The public API of @headgate/hono. Written by `npm run api`.

// ── @headgate/hono

export type Awaitable<T> = T | PromiseLike<T>;

export interface BodyLimitOptions extends RespondOptions {
    readonly maxBytes?: number;
}

export type CallInit = Pick<ExecuteOptions<Response>, "priority" | "key" | "weight">;

export interface ConcurrencyLimitOptions extends RespondOptions {
    readonly limit: ConcurrencyLimit | AdaptiveLimit | PolicyOptions;
    readonly call?: ((c: Context) => CallInit) | undefined;
}

export interface DeadlineOptions extends RespondOptions {
    readonly header?: string;
    readonly maxMs?: number;
    readonly trusted?: boolean | ((c: Context) => boolean);
    readonly clock?: Clock;
}

export type HealthCheck = (signal: AbortSignal) => unknown;

export interface HealthOptions {
    readonly livePath?: string;
    readonly readyPath?: string;
    readonly isReady?: () => boolean;
    readonly checks?: Readonly<Record<string, HealthCheck>>;
    readonly checkTimeoutMs?: number;
    readonly details?: boolean;
    readonly clock?: Clock;
}

export interface HttpMetricsOptions {
    readonly meter: HttpServerMeter;
    readonly whenSent?: ((c: Context, over: (error?: unknown) => void) => unknown) | undefined;
    readonly clock?: Clock;
}

export interface HttpServerMeter {
    active(change: 1 | -1, method: string, scheme: string): void;
    served(request: ServedRequest, seconds: number): void;
}

export declare class IdempotencyError extends HeadgateError {
    readonly cause: unknown;
    constructor(code: IdempotencyErrorCode, header: string, cause?: unknown);
    get name(): string;
    get refusal(): boolean;
    get message(): string;
}

export type IdempotencyErrorCode = keyof typeof messages;

export interface IdempotencyOptions extends RespondOptions {
    readonly store: IdempotencyStore;
    readonly header?: string;
    readonly methods?: readonly string[];
    readonly required?: boolean;
    readonly ttlMs?: number;
    readonly lockMs?: number;
    readonly scope?: (c: Context) => string;
    readonly maxBodyBytes?: number;
    readonly isOutcome?: (response: Response) => boolean;
    readonly onStoreFailure?: (error: unknown, c: Context) => void;
}

export interface IdempotencyRecord {
    readonly fingerprint: string;
    readonly response?: StoredResponse | undefined;
}

export interface IdempotencyStore {
    begin(key: string, token: string, fingerprint: string, lockMs: number): Awaitable<IdempotencyRecord | undefined>;
    complete(key: string, token: string, response: StoredResponse, ttlMs: number): Awaitable<void>;
    release(key: string, token: string): Awaitable<void>;
}

export interface LoadShedOptions extends RespondOptions {
    readonly shed: LoadShed | PolicyOptions;
    readonly trusted?: boolean | ((c: Context) => boolean);
    readonly priority?: ((c: Context) => number | undefined) | undefined;
    readonly tenant?: ((c: Context) => string | undefined) | undefined;
    readonly skip?: (c: Context) => boolean;
}

export interface MemoryIdempotencyStore extends IdempotencyStore {
    readonly size: number;
    readonly bytes: number;
}

export interface MemoryIdempotencyStoreOptions {
    readonly maxEntries?: number;
    readonly maxBytes?: number;
    readonly clock?: Clock;
}

export interface MinDataRateOptions extends RespondOptions {
    readonly bytesPerSecond?: number;
    readonly graceMs?: number;
    readonly clock?: Clock;
}

export interface Problem {
    readonly type: string;
    readonly title: string;
    readonly status: number;
    readonly detail?: string;
    readonly code: string;
    readonly policy?: string;
    readonly pipeline?: string;
    readonly "violated-policies"?: readonly string[];
}

export interface ProblemKind {
    readonly status: number | ((error: Error) => number);
    readonly title: string;
    readonly type?: string;
    readonly detail?: (error: Error) => string;
    readonly retryAfterMs?: (error: Error) => number | undefined;
    readonly headers?: Readonly<Record<string, string>>;
    readonly members?: (error: Error) => Readonly<Record<string, unknown>>;
}

export interface ProblemParts {
    readonly status: number;
    readonly headers: Readonly<Record<string, string>>;
    readonly problem: Problem;
}

export interface RateLimitOptions extends RespondOptions {
    readonly limit: RateLimit | Omit<PolicyOptions, "key" | "maxWaitMs" | "maxQueue">;
    readonly key: (c: Context) => string;
    readonly cost?: (c: Context) => number;
    readonly fields?: boolean;
}

export interface RemainingHeadersOptions {
    readonly header?: string;
    readonly marginMs?: number;
}

export interface ResilienceEnv {
    Variables: ResilienceVariables;
}

export interface ResilienceOptions extends RespondOptions {
    readonly isFailure?: ((response: Response) => boolean) | undefined;
    readonly isOverload?: ((response: Response) => boolean) | undefined;
    readonly serverTiming?: boolean;
    readonly call?: ((c: Context) => CallInit) | undefined;
}

export interface ResilienceVariables {
    signal: AbortSignal;
    deadline: number;
    priority: number;
    resilience: OperationContext;
}

export interface RespondOptions {
    readonly respond?: ((error: HeadgateError, c: Context) => Response | Promise<Response>) | undefined;
}

export interface ServedRequest {
    readonly method: string;
    readonly scheme: string;
    readonly route: string | undefined;
    readonly status: number;
    readonly error: unknown;
}

export interface StoredResponse {
    readonly status: number;
    readonly headers: readonly (readonly [name: string, value: string])[];
    readonly body: Uint8Array<ArrayBuffer> | undefined;
}

export interface TimeoutOptions extends RespondOptions {
    readonly timeoutMs: number;
    readonly clock?: Clock;
}

export declare function bodyLimit(options?: BodyLimitOptions): MiddlewareHandler;

export declare function concurrencyLimit(options: ConcurrencyLimitOptions): MiddlewareHandler<ResilienceEnv>;

export declare function deadline(options?: DeadlineOptions): MiddlewareHandler<ResilienceEnv>;

export declare function health(options?: HealthOptions): MiddlewareHandler;

export declare function httpMetrics(options: HttpMetricsOptions): MiddlewareHandler;

export declare function idempotency(options: IdempotencyOptions): MiddlewareHandler;

export declare function loadShed(options: LoadShedOptions): MiddlewareHandler<ResilienceEnv>;

export declare function memoryIdempotencyStore(options?: MemoryIdempotencyStoreOptions): MemoryIdempotencyStore;

export declare function minDataRate(options?: MinDataRateOptions): MiddlewareHandler;

export declare function priorityHeaders(c: Context, attempt?: number): Record<string, string>;

export declare function problem(error: unknown, more?: Readonly<Record<string, ProblemKind>>): Response;

export declare function rateLimit(options: RateLimitOptions): MiddlewareHandler;

export declare function remainingHeaders(c: Context, options?: RemainingHeadersOptions): Record<string, string>;

export declare function resilience(pipeline: Pipeline, options?: ResilienceOptions): MiddlewareHandler<ResilienceEnv>;

export declare function timeout(options: TimeoutOptions): MiddlewareHandler<ResilienceEnv>;

export declare function toProblem(error: unknown, more?: Readonly<Record<string, ProblemKind>>): ProblemParts;
