// KV as the store of a `cache`: shared by all isolates everywhere, and up to a minute behind.
import type { CacheEntry, CacheStore } from "@headgate/core";
import type { KVNamespaceLike } from "./bindings.ts";
import { rejectOption } from "@headgate/core/options";
import { checkBinding } from "./options.ts";
import { type ValueTextOptions, valueText } from "./value-text.ts";
import { ageOf, type WallClock, wallClock } from "./wall-clock.ts";

export interface KvStoreOptions extends ValueTextOptions {
  /** Stands before each key. KV takes 512 bytes for both together. @default "headgate:" */
  readonly keyPrefix?: string;
  /** @default the time of day */
  readonly clock?: WallClock;
}

/** KV keeps nothing for less. */
const minTtlSeconds = 60;

/** What stands beside the value: ages are told, and what was to be kept for less than a minute is not handed out. */
interface Kept {
  readonly storedMs: number;
  readonly keepMs: number;
}

class KvStore implements CacheStore {
  private readonly namespace: KVNamespaceLike;
  private readonly keyPrefix: string;
  private readonly text: Required<ValueTextOptions>;
  private readonly clock: WallClock;

  constructor(namespace: KVNamespaceLike, keyPrefix: string, text: Required<ValueTextOptions>, clock: WallClock) {
    this.namespace = namespace;
    this.keyPrefix = keyPrefix;
    this.text = text;
    this.clock = clock;
  }

  async get(key: string): Promise<CacheEntry | undefined> {
    const { value, metadata } = await this.namespace.getWithMetadata(this.keyPrefix + key, "text");
    const kept = metadata as Partial<Kept> | null | undefined;
    if (value === null || typeof kept?.storedMs !== "number" || typeof kept.keepMs !== "number") return undefined;
    const ageMs = ageOf(kept.storedMs, this.clock);
    return ageMs < kept.keepMs ? { value: this.text.deserialize(value), ageMs } : undefined;
  }

  async set(key: string, value: unknown, keepMs: number): Promise<void> {
    const metadata: Kept = { storedMs: this.clock.now(), keepMs };
    const expirationTtl = Math.max(minTtlSeconds, Math.ceil(keepMs / 1000));
    await this.namespace.put(this.keyPrefix + key, this.text.serialize(value), { expirationTtl, metadata });
  }

  async delete(key: string): Promise<void> {
    await this.namespace.delete(this.keyPrefix + key);
  }
}

/**
 * Keeps values in a KV namespace. A value that is replaced or deleted may answer elsewhere for another minute, and a key takes
 * one write a second: for what changes rarely and is read often.
 *
 * @throws {InvalidOptionError} for options out of bounds.
 */
export function kvStore(namespace: KVNamespaceLike, options: KvStoreOptions = {}): CacheStore {
  const { keyPrefix = "headgate:", clock = wallClock } = options;
  checkBinding("kvStore.namespace", "a KV namespace", namespace, ["getWithMetadata", "put", "delete"]);
  if (typeof keyPrefix !== "string") rejectOption("kvStore.keyPrefix", "a string", keyPrefix);
  return new KvStore(namespace, keyPrefix, valueText("kvStore", options), clock);
}
