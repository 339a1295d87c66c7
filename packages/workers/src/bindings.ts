// What of the platform is used, as structural types: the published declarations need no types of the platform, and fit any
// version of them. `test/types.test-d.ts` holds them against the platform's own.

/** A request's context, or `{ waitUntil }` of `cloudflare:workers`. */
export interface ExecutionContextLike {
  waitUntil(work: Promise<unknown>): void;
}

/** A rate-limit binding (`ratelimits` in the configuration). */
export interface RateLimitBinding {
  limit(options: { key: string }): Promise<{ readonly success: boolean }>;
}

/** `caches.default`, or what `caches.open` gives. */
export interface CacheLike {
  match(request: string): Promise<Response | undefined>;
  put(request: string, response: Response): Promise<void>;
  delete(request: string): Promise<boolean>;
}

/** A KV namespace. */
export interface KVNamespaceLike {
  getWithMetadata(key: string, type: "text"): Promise<{ readonly value: string | null; readonly metadata: unknown }>;
  put(key: string, value: string, options: { expirationTtl: number; metadata: unknown }): Promise<void>;
  delete(key: string): Promise<void>;
}

export interface DurableObjectStubLike {
  fetch(url: string, init: { method: string; body?: string; signal: AbortSignal }): Promise<Response>;
}

/** The binding of a Durable Object class. */
export interface DurableObjectNamespaceLike {
  idFromName(name: string): unknown;
  get(id: unknown): DurableObjectStubLike;
}

export interface DurableObjectStorageLike {
  list(): Promise<Map<string, unknown>>;
  put(key: string, value: unknown): Promise<void>;
  delete(keys: string[]): Promise<number>;
  getAlarm(): Promise<number | null>;
  setAlarm(epochMs: number): Promise<void>;
}

/** What a Durable Object is made with. */
export interface DurableObjectStateLike {
  readonly id?: { toString(): string };
  readonly storage: DurableObjectStorageLike;
  blockConcurrencyWhile<T>(callback: () => Promise<T>): Promise<T>;
}
