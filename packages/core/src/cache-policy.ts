// What a cache does with a call. A call that is answered reaches no policy further in, so that what they count is the
// dependency and not the cache.
import type { CacheOptions } from "./cache.ts";
import type { CacheEntry, CacheStore } from "./cache-store.ts";
import type { Call } from "./call.ts";
import { runInside } from "./call-inside.ts";
import type { ClockTimer } from "./clock.ts";
import type { OperationResult } from "./engine.ts";
import { isRefusal, TimeoutError, withoutStack } from "./errors.ts";
import { Invalidations } from "./invalidations.ts";
import type { HeadgateEvent } from "./observer.ts";
import type { Policy } from "./policy.ts";
import { isThenable, made, newPromise } from "./promise-parts.ts";
import { isReadOnce } from "./read-once.ts";

/** One call on its way past the cache. */
class Lookup {
  readonly key: string;
  /** The last invalidation before it. */
  readonly since: number;
  /** What answers the call if it does not succeed. */
  stale: CacheEntry | null = null;
  timer: ClockTimer | null = null;
  /** It does not wait for the store, or no more. */
  over = false;

  constructor(key: string, since: number) {
    this.key = key;
    this.since = since;
  }
}

/** A value that is fetched in the background. */
class Refresh {
  readonly startedMs: number;
  timer: ClockTimer | null = null;

  constructor(startedMs: number) {
    this.startedMs = startedMs;
  }
}

type StoreOperation = Extract<HeadgateEvent, { type: "cache.store-failed" }>["operation"];

export class CachePolicy implements Policy {
  readonly kind = "cache";
  readonly name: string;
  private readonly options: Required<CacheOptions>;
  private readonly keepMs: number;
  private readonly invalidations = new Invalidations();
  /** By key, in the order in which they started. */
  private readonly refreshes = new Map<string, Refresh>();
  hits = 0;
  misses = 0;
  staleHits = 0;

  constructor(options: Required<CacheOptions>) {
    this.name = options.name;
    this.options = options;
    this.keepMs = options.freshMs + Math.max(options.staleWhileRevalidateMs, options.staleIfErrorMs);
  }

  get refreshing(): number {
    return this.refreshes.size;
  }

  describe(): string {
    const { freshMs, staleWhileRevalidateMs, staleIfErrorMs } = this.options;
    return `fresh ${freshMs} ms, stale while revalidating ${staleWhileRevalidateMs} ms, on errors ${staleIfErrorMs} ms`;
  }

  async invalidate(key: string): Promise<void> {
    this.invalidations.add(key);
    this.refreshes.delete(key);
    await this.options.store.delete(key);
  }

  enter(call: Call, at: number): "pass" | "park" | "end" {
    const key = this.options.key(call);
    if (key === undefined) return "pass";
    const lookup = new Lookup(key, this.invalidations.last);
    call.keep(at, lookup);
    let found: ReturnType<CacheStore["get"]>;
    try {
      found = this.options.store.get(key);
    } catch (error) {
      this.storeFailed(call, "get", error);
    }
    if (!isThenable(found)) return this.answer(found, lookup, call, at);
    this.waitFor(found, lookup, call, at);
    return "park";
  }

  leave(call: Call, at: number): "pass" {
    const lookup = call.recall(at) as Lookup | undefined;
    if (lookup === undefined || call.cutting) return "pass";
    if (call.outcome === "success") {
      const stored = this.put(call, lookup, call.result, this.options.clone);
      if (stored !== undefined) this.defer(call, stored);
    } else if (lookup.stale !== null) this.answerInstead(call, lookup.stale);
    return "pass";
  }

  interrupt(call: Call, at: number): void {
    const lookup = call.recall(at) as Lookup;
    lookup.over = true;
    lookup.timer?.cancel();
  }

  private waitFor(found: PromiseLike<unknown>, lookup: Lookup, call: Call, at: number): void {
    const { clock, storeTimeoutMs } = this.options;
    const goOn = (entry: unknown): void => {
      if (lookup.over) return;
      lookup.over = true;
      lookup.timer?.cancel();
      if (this.answer(entry as CacheEntry | undefined, lookup, call, at) === "end") call.finish(at);
      else call.resume(at);
    };
    const fail = (error: unknown): void => {
      if (!lookup.over) this.storeFailed(call, "get", error);
      goOn(undefined);
    };
    lookup.timer = clock.after(storeTimeoutMs, () => {
      fail(outOfTime(storeTimeoutMs));
    });
    void Promise.resolve(found).then(goOn, fail);
  }

  /** What the store has: answers the call, or lets it through. */
  private answer(entry: CacheEntry | null | undefined, lookup: Lookup, call: Call, at: number): "pass" | "end" {
    const { freshMs, staleWhileRevalidateMs, staleIfErrorMs } = this.options;
    if (entry !== undefined && entry !== null) {
      const { ageMs } = entry;
      if (ageMs < freshMs && this.handOut(call, entry)) {
        this.hits++;
        call.emit?.({ type: "cache.hit", pipeline: call.pipeline.name, name: this.name, key: lookup.key, ageMs });
        return "end";
      }
      if (ageMs >= freshMs && ageMs < freshMs + staleWhileRevalidateMs && this.handOut(call, entry)) {
        this.servedStale(call, ageMs, "revalidating");
        this.refresh(lookup, call, at);
        return "end";
      }
      if (ageMs < freshMs + staleIfErrorMs) lookup.stale = entry;
    }
    this.misses++;
    call.emit?.({ type: "cache.missed", pipeline: call.pipeline.name, name: this.name, key: lookup.key });
    return "pass";
  }

  /** A stale value stands in for a call that did not succeed. */
  private answerInstead(call: Call, entry: CacheEntry): void {
    const { outcome, threw, result, options } = call;
    // A signal that has aborted ends the call in a moment, where it has not yet.
    if ((outcome === "ignored" && !isRefusal(result)) || options.signal?.aborted || !this.handOut(call, entry)) return;
    if (!threw) call.discard(result);
    this.servedStale(call, entry.ageMs, "failed");
  }

  private handOut(call: Call, { value }: CacheEntry): boolean {
    const { clone } = this.options;
    try {
      call.conclude("success", false, clone === undefined ? value : clone(value));
      return true;
    } catch (error) {
      this.storeFailed(call, "clone", error);
      return false;
    }
  }

  private servedStale(call: Call, ageMs: number, because: "revalidating" | "failed"): void {
    this.staleHits++;
    call.emit?.({ type: "cache.served-stale", pipeline: call.pipeline.name, name: this.name, because, ageMs });
  }

  /** Fetches a new value in the background, through the policies inside, unless somebody does so already. */
  private refresh({ key }: Lookup, call: Call, at: number): void {
    const { clock, refreshTimeoutMs } = this.options;
    const nowMs = clock.now();
    if (!this.mayRefresh(key, nowMs)) return;
    const refresh = new Refresh(nowMs);
    this.refreshes.set(key, refresh);
    const lookup = new Lookup(key, this.invalidations.last);
    const ended = newPromise();
    const end = made.resolve;
    const inner = runInside(call, at, (result) => end(this.refreshed(refresh, lookup, call, result)));
    if (inner.phase !== "done") {
      refresh.timer = clock.after(refreshTimeoutMs, () => {
        // One microtask later, as for any timeout: a result that is already there wins.
        void Promise.resolve().then(() => inner.cut(-1, "dropped", outOfTime(refreshTimeoutMs)));
      });
    }
    this.defer(call, ended);
  }

  /** A refresh whose request was killed on Workers never ends: after its time it counts no more. */
  private mayRefresh(key: string, nowMs: number): boolean {
    const { refreshTimeoutMs, maxRefreshes } = this.options;
    const running = this.refreshes.get(key);
    if (running !== undefined && nowMs - running.startedMs < refreshTimeoutMs) return false;
    this.refreshes.delete(key);
    if (this.refreshes.size < maxRefreshes) return true;
    for (const [other, { startedMs }] of this.refreshes) {
      if (nowMs - startedMs < refreshTimeoutMs) break;
      this.refreshes.delete(other);
    }
    return this.refreshes.size < maxRefreshes;
  }

  private refreshed(refresh: Refresh, lookup: Lookup, call: Call, result: OperationResult<unknown>): unknown {
    refresh.timer?.cancel();
    if (this.refreshes.get(lookup.key) === refresh) this.refreshes.delete(lookup.key);
    const { outcome } = result;
    const { name } = call.pipeline;
    call.emit?.({ type: "cache.refreshed", pipeline: name, name: this.name, key: lookup.key, outcome });
    if (!result.ok) return undefined;
    let stored: PromiseLike<unknown> | true | undefined;
    try {
      // Nobody else is given this value, so that it needs no copy.
      if (outcome === "success")
        stored = this.put(call, lookup, result.value, this.options.clone && ((value) => value));
    } catch (error) {
      this.storeFailed(call, "set", error);
    }
    if (stored === undefined) call.discard(result.value);
    return stored;
  }

  /** Stores a value that may be stored. True when that is done, a promise when it is on its way, undefined when not. */
  private put(
    call: Call,
    { key, since }: Lookup,
    value: unknown,
    copy: ((value: unknown) => unknown) | undefined,
  ): PromiseLike<unknown> | true | undefined {
    if (!this.options.shouldCache(value) || this.invalidations.since(since, key)) return undefined;
    if (copy === undefined && isReadOnce(value)) {
      call.emit?.({ type: "cache.skipped", pipeline: call.pipeline.name, name: this.name, key });
      return undefined;
    }
    try {
      const stored = this.options.store.set(key, copy === undefined ? value : copy(value), this.keepMs);
      if (!isThenable(stored)) return true;
      return Promise.resolve(stored).then(undefined, (error) => this.storeFailed(call, "set", error));
    } catch (error) {
      this.storeFailed(call, "set", error);
      return undefined;
    }
  }

  private defer(call: Call, work: PromiseLike<unknown> | true): void {
    if (work === true || this.options.defer === undefined) return;
    try {
      this.options.defer(Promise.resolve(work));
    } catch (error) {
      this.storeFailed(call, "defer", error);
    }
  }

  private storeFailed(call: Call, operation: StoreOperation, error: unknown): void {
    call.emit?.({ type: "cache.store-failed", pipeline: call.pipeline.name, name: this.name, operation, error });
  }
}

function outOfTime(ms: number): TimeoutError {
  return withoutStack(() => new TimeoutError(ms, "attempt"));
}
