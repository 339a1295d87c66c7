// Where outcomes of requests with an idempotency key are kept: the contract, and a store in this process's memory.
import { type Clock, systemClock } from "@headgate/core";
import { checkInteger } from "@headgate/core/options";

/** A response as data. */
export interface StoredResponse {
  readonly status: number;
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** Undefined when the body was too large to be kept. */
  readonly body: Uint8Array<ArrayBuffer> | undefined;
}

/** What a store knows of a key: a request is in progress as long as there is no response. */
export interface IdempotencyRecord {
  /** Tells whether it is the same request. */
  readonly fingerprint: string;
  readonly response?: StoredResponse | undefined;
}

/** Contract of a store. It may answer at once or with a promise. */
export interface IdempotencyStore {
  /**
   * Takes the key for a request, for `lockMs` at most, unless somebody has it: one atomic step.
   *
   * @param token stands for this one request from now on.
   * @returns what there is under the key already; undefined when it was taken.
   */
  begin(key: string, token: string, fingerprint: string, lockMs: number): Awaitable<IdempotencyRecord | undefined>;
  /** Keeps the response for `ttlMs`, if the request still has the key. */
  complete(key: string, token: string, response: StoredResponse, ttlMs: number): Awaitable<void>;
  /** Gives the key up, if the request still has it: the next one may take it. */
  release(key: string, token: string): Awaitable<void>;
}

export type Awaitable<T> = T | PromiseLike<T>;

export interface MemoryIdempotencyStoreOptions {
  /** Keys at a time. An integer of at least 1. @default 10000 */
  readonly maxEntries?: number;
  /** Bytes of bodies in all; the oldest outcomes make room. An integer of at least 0. @default 16777216 */
  readonly maxBytes?: number;
  /** @default systemClock */
  readonly clock?: Clock;
}

export interface MemoryIdempotencyStore extends IdempotencyStore {
  readonly size: number;
  /** Bytes of the bodies that are kept. */
  readonly bytes: number;
}

interface Entry extends IdempotencyRecord {
  readonly token: string;
  readonly untilMs: number;
}

class MemoryStore implements MemoryIdempotencyStore {
  /** The oldest first. */
  readonly #entries = new Map<string, Entry>();
  readonly #maxEntries: number;
  readonly #maxBytes: number;
  readonly #clock: Clock;
  bytes = 0;

  constructor({ maxEntries, maxBytes, clock }: Required<MemoryIdempotencyStoreOptions>) {
    this.#maxEntries = maxEntries;
    this.#maxBytes = maxBytes;
    this.#clock = clock;
  }

  get size(): number {
    return this.#entries.size;
  }

  begin(key: string, token: string, fingerprint: string, lockMs: number): IdempotencyRecord | undefined {
    const nowMs = this.#clock.now();
    const there = this.#entries.get(key);
    if (there !== undefined && nowMs < there.untilMs) return there;
    this.#drop(key);
    if (this.#entries.size >= this.#maxEntries) this.#makeRoom(nowMs);
    this.#entries.set(key, { token, fingerprint, untilMs: nowMs + lockMs });
    return undefined;
  }

  complete(key: string, token: string, response: StoredResponse, ttlMs: number): void {
    const there = this.#entries.get(key);
    if (there?.token !== token) return;
    this.#drop(key);
    const { fingerprint } = there;
    this.#entries.set(key, { token, fingerprint, response, untilMs: this.#clock.now() + ttlMs });
    this.bytes += sizeOf(response);
    for (const [other, entry] of this.#entries) {
      if (this.bytes <= this.#maxBytes) break;
      if (entry.response !== undefined) this.#drop(other);
    }
  }

  release(key: string, token: string): void {
    if (this.#entries.get(key)?.token === token) this.#drop(key);
  }

  /** The oldest outcome goes; a request that is in progress keeps its key, or it would run twice at once. */
  #makeRoom(nowMs: number): void {
    for (const [key, { response, untilMs }] of this.#entries) {
      if (response === undefined && nowMs < untilMs) continue;
      this.#drop(key);
      return;
    }
    throw new RangeError(`All ${this.#maxEntries} keys are of requests in progress`);
  }

  #drop(key: string): void {
    this.bytes -= sizeOf(this.#entries.get(key)?.response);
    this.#entries.delete(key);
  }
}

function sizeOf(response: StoredResponse | undefined): number {
  return response?.body?.byteLength ?? 0;
}

/**
 * Keeps outcomes in this process's memory: one process, or one isolate, does not know what another has served.
 *
 * @throws {InvalidOptionError} for options out of bounds.
 */
export function memoryIdempotencyStore(options: MemoryIdempotencyStoreOptions = {}): MemoryIdempotencyStore {
  const { maxEntries = 10_000, maxBytes = 16_777_216, clock = systemClock } = options;
  checkInteger("memoryIdempotencyStore.maxEntries", maxEntries, 1);
  checkInteger("memoryIdempotencyStore.maxBytes", maxBytes, 0);
  return new MemoryStore({ maxEntries, maxBytes, clock });
}
