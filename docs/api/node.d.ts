// The public API of @headgate/node. Written by `npm run api`.

// ── @headgate/node

export interface Admission extends Policy {
    readonly kind: "admission";
    readonly inFlight: number;
}

export interface AdmissionOptions {
    readonly stopping: AbortSignal;
}

export interface AmbientContext {
    readonly deadline?: number | undefined;
    readonly signal?: AbortSignal | undefined;
    readonly trace?: TraceContext | undefined;
}

export type ClusterEvent = {
    readonly type: "cluster.worker-ready";
    readonly pid: number;
} | {
    readonly type: "cluster.worker-exited";
    readonly pid: number;
    readonly code: number | null;
    readonly signal: string | null;
    readonly expected: boolean;
} | {
    readonly type: "cluster.worker-restarting";
    readonly delayMs: number;
    readonly crashes: number;
} | {
    readonly type: "cluster.worker-killed";
    readonly pid: number;
} | {
    readonly type: "cluster.reloaded";
} | {
    readonly type: "cluster.reload-failed";
    readonly error: unknown;
};

export interface ClusterOptions<M extends MergeableMetric = MergeableMetric> {
    readonly start: (peers: ClusterPeers<M>) => ClusterService<M> | Promise<ClusterService<M>>;
    readonly workers?: number;
    readonly startTimeoutMs?: number;
    readonly stopTimeoutMs?: number;
    readonly collectTimeoutMs?: number;
    readonly restartMinMs?: number;
    readonly restartMaxMs?: number;
    readonly healthyMs?: number;
    readonly onEvent?: (event: ClusterEvent) => void;
    readonly exit?: (code: number) => void;
    readonly clock?: Clock;
}

export interface ClusterPeers<M extends MergeableMetric = MergeableMetric> {
    collect(): Promise<M[]>;
}

export declare class ClusterPrimary<M extends MergeableMetric = MergeableMetric> {
    constructor(settings: ClusterSettings<M>, fork?: () => Worker);
    get pids(): readonly number[];
    start(): Promise<void>;
    collect(): Promise<M[]>;
    reload(): Promise<void>;
    stop(trigger: string): Promise<void>;
}

export interface ClusterService<M extends MergeableMetric = MergeableMetric> {
    stop(trigger: string, reload: boolean): unknown;
    collect?(): readonly M[];
}

export interface ConnectionCounts {
    readonly open: number;
    readonly active: number;
    readonly idle: number;
    readonly accepted: number;
    readonly refused: number;
}

export type DelayReading = Readonly<Record<(typeof delayStatistics)[number], number>>;

export interface DelayWatch {
    read(): DelayReading | undefined;
    stop(): void;
}

export type GcType = "major" | "minor" | "incremental" | "weakcb";

export interface GracefulShutdownOptions {
    readonly signals?: readonly NodeJS.Signals[];
    readonly readinessGraceMs?: number;
    readonly drainTimeoutMs?: number;
    readonly abortGraceMs?: number;
    readonly onStopAdmitting?: (reason: ShutdownError) => unknown;
    readonly flush?: () => unknown;
    readonly flushTimeoutMs?: number;
    readonly onPhase?: (phase: ShutdownPhase, trigger: string) => void;
    readonly onError?: (error: unknown) => void;
    readonly exit?: (code: number) => void;
    readonly clock?: Clock;
}

export interface HeapSpace {
    readonly name: string;
    readonly usedBytes: number;
    readonly sizeBytes: number;
    readonly availableBytes: number;
    readonly physicalBytes: number;
}

export type HttpServer = Server | HttpsServer;

export declare class ListenError extends HeadgateError {
    readonly hostname: string;
    readonly port: number;
    readonly reason: string;
    readonly cause: unknown;
    constructor(hostname: string, port: number, cause: NodeJS.ErrnoException);
    get name(): string;
    get message(): string;
}

export interface LoopTime {
    readonly activeMs: number;
    readonly idleMs: number;
}

export interface RuntimeHistogramMetric extends RuntimeDefinition {
    readonly kind: "histogram";
    readonly boundaries: readonly number[];
    readonly points: readonly RuntimeHistogramPoint[];
}

export interface RuntimeHistogramPoint {
    readonly attributes: Readonly<Record<string, string>>;
    readonly count: number;
    readonly sum: number;
    readonly bucketCounts: readonly number[];
}

export type RuntimeMetric = RuntimeNumberMetric | RuntimeHistogramMetric;

export interface RuntimeMetrics {
    start(): void;
    stop(): void;
    collect(): readonly RuntimeMetric[];
}

export interface RuntimeMetricsOptions {
    readonly resolutionMs?: number;
    readonly windowMs?: number;
    readonly probe?: () => RuntimeProbe;
    readonly clock?: Clock;
}

export interface RuntimeNumberMetric extends RuntimeDefinition {
    readonly kind: "counter" | "up-down-counter" | "gauge";
    readonly points: readonly RuntimeNumberPoint[];
}

export interface RuntimeNumberPoint {
    readonly attributes: Readonly<Record<string, string>>;
    readonly value: number;
}

export interface RuntimeProbe {
    watchDelay(): DelayWatch;
    loopTime(): LoopTime;
    watchGc(onGc: (type: GcType, durationMs: number) => void): {
        stop(): void;
    };
    heapSpaces(): readonly HeapSpace[];
}

export interface Saturation extends SaturationReading {
    readonly pressure: number;
    readonly reason: SaturationReason | undefined;
    readonly signals: readonly ShedSignal[];
    start(): void;
    stop(): void;
}

export interface SaturationBounds {
    readonly elu?: readonly [begins: number, full: number];
    readonly delayP99Ms?: readonly [begins: number, full: number];
    readonly heapRatio?: readonly [begins: number, full: number];
}

export interface SaturationOptions extends SaturationBounds {
    readonly sampleMs?: number;
    readonly resolutionMs?: number;
    readonly smoothing?: number;
    readonly probe?: () => SaturationProbe;
    readonly clock?: Clock;
}

export interface SaturationProbe {
    read(): SaturationReading;
    stop(): void;
}

export interface SaturationReading {
    readonly elu: number;
    readonly delayP99Ms: number;
    readonly heapRatio: number;
}

export type SaturationReason = "elu" | "delay" | "heap";

export interface ServeOptions {
    readonly fetch: (request: Request, env: HttpBindings) => unknown;
    readonly port: number;
    readonly hostname?: string;
    readonly headersTimeoutMs?: number;
    readonly requestTimeoutMs?: number;
    readonly keepAliveTimeoutMs?: number;
    readonly connectionsCheckingIntervalMs?: number;
    readonly maxConnections?: number;
    readonly maxHeaderBytes?: number;
    readonly backlog?: number;
}

export interface ServerHandle {
    readonly url: string;
    readonly port: number;
    readonly hostname: string;
    readonly server: Server;
    readonly connections: ConnectionCounts;
    acceptQueueLength(): number | undefined;
    close(): Promise<void>;
}

export interface Shutdown {
    readonly phase: ShutdownPhase;
    readonly isReady: () => boolean;
    readonly stopping: AbortSignal;
    readonly aborting: AbortSignal;
    start(trigger: string, readinessGraceMs?: number): Promise<ShutdownReport>;
    dispose(): void;
}

export declare class ShutdownError extends HeadgateError {
    readonly trigger: string;
    constructor(trigger: string);
    get name(): string;
    get refusal(): boolean;
    get message(): string;
}

export type ShutdownPhase = "running" | "grace" | "draining" | "aborting" | "flushing" | "done";

export interface ShutdownReport {
    readonly trigger: string;
    readonly aborted: number;
    readonly flushed: boolean;
    readonly durationMs: number;
}

export interface TraceContext {
    readonly traceparent: string;
    readonly tracestate?: string | undefined;
}

export declare function acceptQueueLength(port: number): number | undefined;

export declare function admission(options: AdmissionOptions): Admission;

export declare function ambient(): {
    readonly signal: AbortSignal | undefined;
    readonly deadline: number | undefined;
};

export declare function currentContext(): AmbientContext | undefined;

export declare function gracefulShutdown(servers: ServerHandle | HttpServer | readonly (ServerHandle | HttpServer)[], options?: GracefulShutdownOptions): Shutdown;

export declare function runCluster<M extends MergeableMetric = MergeableMetric>(options: ClusterOptions<M>): Promise<ClusterPrimary<M>>;

export declare function runWithContext<T>(context: AmbientContext, fn: () => T): T;

export declare function runtimeMetrics(options?: RuntimeMetricsOptions): RuntimeMetrics;

export declare function saturation(options?: SaturationOptions): Saturation;

export declare function saturationPressure(reading: SaturationReading, bounds?: SaturationBounds): {
    readonly pressure: number;
    readonly reason: SaturationReason | undefined;
};

export declare function serve(options: ServeOptions): Promise<ServerHandle>;
