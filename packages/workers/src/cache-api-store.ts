// The Cache API as the store of a `cache`: shared by the isolates of one data centre, free, and gone when there is no room.
import type { CacheEntry, CacheStore } from "@headgate/core";
import type { CacheLike } from "./bindings.ts";
import { checkName } from "@headgate/core/options";
import { checkBinding } from "./options.ts";
import { type ValueTextOptions, valueText } from "./value-text.ts";
import { ageOf, type WallClock, wallClock } from "./wall-clock.ts";

export interface CacheApiStoreOptions extends ValueTextOptions {
  /** Keeps the keys of several stores in one cache apart. @default "default" */
  readonly name?: string;
  /** @default the time of day */
  readonly clock?: WallClock;
}

const storedHeader = "headgate-stored-ms";
const keepHeader = "headgate-keep-ms";

class CacheApiStore implements CacheStore {
  private readonly cache: CacheLike;
  private readonly base: string;
  private readonly text: Required<ValueTextOptions>;
  private readonly clock: WallClock;

  constructor(cache: CacheLike, name: string, text: Required<ValueTextOptions>, clock: WallClock) {
    this.cache = cache;
    // A name that belongs to nobody, so that no request from outside is ever answered with it.
    this.base = `https://headgate.invalid/${encodeURIComponent(name)}/`;
    this.text = text;
    this.clock = clock;
  }

  async get(key: string): Promise<CacheEntry | undefined> {
    const response = await this.cache.match(this.urlOf(key));
    if (response === undefined) return undefined;
    const ageMs = ageOf(Number(response.headers.get(storedHeader)), this.clock);
    if (!(ageMs < Number(response.headers.get(keepHeader)))) {
      // A body that nobody reads holds a connection. Not awaited: there may be another reader, who is in no hurry.
      void response.body?.cancel().catch(() => {});
      return undefined;
    }
    return { value: this.text.deserialize(await response.text()), ageMs };
  }

  async set(key: string, value: unknown, keepMs: number): Promise<void> {
    const headers = {
      // Whole seconds are all that the platform knows; `get` is exact.
      "cache-control": `max-age=${Math.ceil(keepMs / 1000)}`,
      "content-type": "text/plain;charset=utf-8",
      [storedHeader]: String(this.clock.now()),
      [keepHeader]: String(keepMs),
    };
    await this.cache.put(this.urlOf(key), new Response(this.text.serialize(value), { headers }));
  }

  async delete(key: string): Promise<void> {
    await this.cache.delete(this.urlOf(key));
  }

  private urlOf(key: string): string {
    return this.base + encodeURIComponent(key);
  }
}

/**
 * Keeps values in the data centre's cache. On a `workers.dev` name the platform keeps nothing, and everything is a miss.
 *
 * @throws {InvalidOptionError} for options out of bounds.
 */
export function cacheApiStore(cache: CacheLike, options: CacheApiStoreOptions = {}): CacheStore {
  const { name = "default", clock = wallClock } = options;
  checkBinding("cacheApiStore.cache", "a cache", cache, ["match", "put", "delete"]);
  checkName("cacheApiStore.name", name);
  return new CacheApiStore(cache, name, valueText("cacheApiStore", options), clock);
}
