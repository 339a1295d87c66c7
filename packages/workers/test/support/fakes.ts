// The platform's bindings, as far as they are used, in memory. What the platform itself does with them, the isolate tests see.
import type {
  CacheLike,
  DurableObjectNamespaceLike,
  DurableObjectStateLike,
  DurableObjectStorageLike,
  ExecutionContextLike,
  KVNamespaceLike,
} from "@headgate/workers";

/** Notes what was given to `waitUntil`. */
export class FakeContext implements ExecutionContextLike {
  readonly given: Promise<unknown>[] = [];
  readonly waitUntil = (work: Promise<unknown>): void => {
    this.given.push(work);
  };

  /** Waits for everything that was given so far, which never rejects. */
  async ended(): Promise<void> {
    await Promise.all(this.given);
  }
}

export class FakeKv implements KVNamespaceLike {
  readonly entries = new Map<string, { value: string; metadata: unknown; expirationTtl: number }>();

  async getWithMetadata(key: string): Promise<{ value: string | null; metadata: unknown }> {
    return this.entries.get(key) ?? { value: null, metadata: null };
  }

  async put(key: string, value: string, options: { expirationTtl: number; metadata: unknown }): Promise<void> {
    if (options.expirationTtl < 60) throw new Error("Invalid expiration_ttl");
    // As on the wire.
    this.entries.set(key, { value, ...(JSON.parse(JSON.stringify(options)) as typeof options) });
  }

  async delete(key: string): Promise<void> {
    this.entries.delete(key);
  }
}

export class FakeCache implements CacheLike {
  readonly entries = new Map<string, Response>();

  async match(url: string): Promise<Response | undefined> {
    return this.entries.get(url)?.clone();
  }

  async put(url: string, response: Response): Promise<void> {
    this.entries.set(url, response);
  }

  async delete(url: string): Promise<boolean> {
    return this.entries.delete(url);
  }
}

export class FakeStorage implements DurableObjectStorageLike {
  readonly stored = new Map<string, unknown>();
  alarmMs: number | null = null;

  async list(): Promise<Map<string, unknown>> {
    return new Map(this.stored);
  }

  async put(key: string, value: unknown): Promise<void> {
    this.stored.set(key, structuredClone(value));
  }

  async delete(keys: string[]): Promise<number> {
    return keys.filter((key) => this.stored.delete(key)).length;
  }

  async getAlarm(): Promise<number | null> {
    return this.alarmMs;
  }

  async setAlarm(epochMs: number): Promise<void> {
    this.alarmMs = epochMs;
  }
}

/** The state of an object, whose requests wait until it has loaded. */
export class FakeState implements DurableObjectStateLike {
  readonly storage: FakeStorage;
  ready: Promise<unknown> = Promise.resolve();

  constructor(storage: FakeStorage = new FakeStorage()) {
    this.storage = storage;
  }

  blockConcurrencyWhile<T>(callback: () => Promise<T>): Promise<T> {
    const loaded = callback();
    this.ready = loaded;
    return loaded;
  }
}

/** One object, reached as over a network; `handle` may be replaced to make it fail. */
export class FakeNamespace implements DurableObjectNamespaceLike {
  readonly names = new Set<string>();
  messages = 0;
  handle: (request: Request) => Promise<Response>;

  constructor(handle: (request: Request) => Promise<Response>) {
    this.handle = handle;
  }

  idFromName(name: string): string {
    this.names.add(name);
    return name;
  }

  get(_id: unknown): { fetch(url: string, init: RequestInit): Promise<Response> } {
    return {
      fetch: (url, { method, body }) => {
        this.messages++;
        return this.handle(new Request(url, { method: method ?? "GET", body: body ?? null }));
      },
    };
  }
}
