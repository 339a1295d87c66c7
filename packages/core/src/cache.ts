// Answers a call with an earlier result: while that is fresh, while a new one is being fetched, and when none can be had.
import { CachePolicy } from "./cache-policy.ts";
import { type CacheStore, memoryCacheStore } from "./cache-store.ts";
import type { Call } from "./call.ts";
import { type Clock, maxDelayMs, systemClock } from "./clock.ts";
import { checkFunction, checkInteger, checkName, checkNumber, rejectOption } from "./options.ts";
import type { Policy } from "./policy.ts";

export interface CacheOptions {
  /** Stands in events. @default "default" */
  readonly name?: string;
  /** What the answer depends on. A call without a key is not cached. @default (call) => call.options.key */
  readonly key?: (call: Call) => string | undefined;
  /** How long a value answers calls by itself. At least 0. */
  readonly freshMs: number;
  /** How long after that it still answers at once, while one call fetches a new one. At least 0. @default 0 */
  readonly staleWhileRevalidateMs?: number;
  /** How long after `freshMs` it answers calls that did not succeed. At least 0. @default 0 */
  readonly staleIfErrorMs?: number;
  /** Asked about the value of a call that succeeded. @default (value) => value !== undefined && value !== null */
  readonly shouldCache?: (value: unknown) => boolean;
  /**
   * Copies a value when it is stored and each time it is handed out: `structuredClone`, for values that callers change.
   * Without it all are given the same object, and what can be read once only (a `Response`, a stream) is not cached.
   * @default none
   */
  readonly clone?: ((value: unknown) => unknown) | undefined;
  /** @default memoryCacheStore(): the 1000 entries asked for last */
  readonly store?: CacheStore;
  /** How long a call waits for what `store.get` has promised; then it goes on without. Above 0. @default 250 */
  readonly storeTimeoutMs?: number;
  /** How long fetching a new value in the background may take. Above 0. @default 30000 */
  readonly refreshTimeoutMs?: number;
  /** Values that are fetched in the background at once; beyond, stale ones go on answering. At least 1. @default 100 */
  readonly maxRefreshes?: number;
  /** Is given the promise of work that outlasts the call: `waitUntil` of `cloudflare:workers`. @default none */
  readonly defer?: ((work: Promise<unknown>) => void) | undefined;
  /** @default systemClock */
  readonly clock?: Clock;
}

export type Cache = Policy & {
  readonly kind: "cache";
  readonly name: string;
  /** Calls that a fresh value has answered. */
  readonly hits: number;
  /** Calls that were sent on because there was no value to answer them. */
  readonly misses: number;
  /** Calls that a stale value has answered. */
  readonly staleHits: number;
  /** Values that are being fetched in the background. */
  readonly refreshing: number;
  /** Removes a value. What is on its way to the cache under this key is not stored. Rejects with what the store throws. */
  invalidate(key: string): Promise<void>;
};

/**
 * Answers calls with an earlier result under the same key: at once while it is fresh, at once while a new one is fetched in
 * the background (`staleWhileRevalidateMs`), and instead of a failure (`staleIfErrorMs`); both times count from the end of
 * `freshMs`, as in RFC 5861. A store that fails or is slow makes misses, never failures.
 *
 * @throws {InvalidOptionError} for options out of bounds.
 */
export function cache(options: CacheOptions): Cache {
  const {
    name = "default",
    key = (call) => call.options.key,
    freshMs,
    staleWhileRevalidateMs = 0,
    staleIfErrorMs = 0,
    shouldCache = (value) => value !== undefined && value !== null,
    clone,
    clock = systemClock,
    store = memoryCacheStore({ clock }),
    storeTimeoutMs = 250,
    refreshTimeoutMs = 30_000,
    maxRefreshes = 100,
    defer,
  } = options;
  checkName("cache.name", name);
  checkFunction("cache.key", key);
  checkNumber("cache.freshMs", freshMs, 0, Number.MAX_VALUE);
  checkNumber("cache.staleWhileRevalidateMs", staleWhileRevalidateMs, 0, Number.MAX_VALUE);
  checkNumber("cache.staleIfErrorMs", staleIfErrorMs, 0, Number.MAX_VALUE);
  checkFunction("cache.shouldCache", shouldCache);
  if (clone !== undefined) checkFunction("cache.clone", clone);
  if (!isStore(store)) rejectOption("cache.store", "a store with `get`, `set` and `delete`", store);
  checkNumber("cache.storeTimeoutMs", storeTimeoutMs, 0, maxDelayMs, true);
  checkNumber("cache.refreshTimeoutMs", refreshTimeoutMs, 0, maxDelayMs, true);
  checkInteger("cache.maxRefreshes", maxRefreshes, 1);
  if (defer !== undefined) checkFunction("cache.defer", defer);
  return new CachePolicy({
    name,
    key,
    freshMs,
    staleWhileRevalidateMs,
    staleIfErrorMs,
    shouldCache,
    clone,
    store,
    storeTimeoutMs,
    refreshTimeoutMs,
    maxRefreshes,
    defer,
    clock,
  });
}

function isStore(store: CacheStore | null): boolean {
  const functions: readonly (keyof CacheStore)[] = ["get", "set", "delete"];
  return typeof store === "object" && store !== null && functions.every((name) => typeof store[name] === "function");
}
