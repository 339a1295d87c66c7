// Pipelines by key: one for each host, tenant or queue, made when it is first asked for. What is not in use is forgotten,
// the least recently asked for first.
import { type Clock, systemClock } from "./clock.ts";
import { HeadgateError, withoutStack } from "./errors.ts";
import { checkFunction, checkInteger, checkNumber, rejectOption } from "./options.ts";
import { Pipeline } from "./pipeline.ts";
import type { Policy } from "./policy.ts";

/**
 * Gives the policy that was made under this name for the same key before, or makes it: what stands behind it keeps its
 * state when pipelines are made anew.
 */
export type Keep = <P extends Policy>(name: string, make: () => P) => P;

export interface RegistryOptions {
  /** Makes the pipeline of a key: once, and again on `reconfigure`. Policies from `keep` are then the same as before. */
  readonly create: (key: string, keep: Keep) => Pipeline;
  /** Pipelines at a time. An integer of at least 1. @default 1000 */
  readonly maxEntries?: number;
  /** A pipeline that is not asked for so long is forgotten, unless it is in use. Above 0. @default Infinity */
  readonly idleMs?: number;
  /**
   * A pipeline that is not asked for so long counts as not in use, whatever it says: on Workers a call whose request was
   * killed never says that it has ended. Above 0; longer than any call takes. @default 600000
   */
  readonly maxUseMs?: number;
  /** @default systemClock */
  readonly clock?: Clock;
}

export interface Registry {
  /** Pipelines that are remembered. */
  readonly size: number;
  /**
   * The pipeline of the key: the same as long as it is remembered. Ask for each call anew; whoever holds on to a
   * pipeline that is forgotten shares its state with nobody.
   *
   * @throws {RegistryFullError} when there are `maxEntries` already and all are in use. What `create` throws is thrown.
   */
  get(key: string): Pipeline;
  /** Forgets the pipeline of the key, in use or not. Calls that are under way end as they would have. */
  delete(key: string): boolean;
  /** Keys and pipelines, the least recently asked for first. Looking is not asking. */
  entries(): IterableIterator<[key: string, pipeline: Pipeline]>;
  /**
   * Makes the pipeline of the key anew, or all of them: for settings that have changed. Calls that are under way end on
   * the pipeline they began on. When `create` throws, nothing is changed.
   */
  reconfigure(key?: string): void;
}

/** Every pipeline of the registry is in use, and there is room for no more. */
export class RegistryFullError extends HeadgateError {
  readonly maxEntries: number;

  constructor(maxEntries: number) {
    super("ERR_REGISTRY_FULL", "registry");
    this.maxEntries = maxEntries;
  }

  override get name(): string {
    return "RegistryFullError";
  }

  override get refusal(): boolean {
    return true;
  }

  override get message(): string {
    return `All ${this.maxEntries} pipelines of the registry are in use`;
  }
}

/** The pipeline of one key, and what is kept when it is made anew. */
interface Entry {
  readonly key: string;
  pipeline: Pipeline;
  kept: ReadonlyMap<string, Policy>;
  /** Pipelines before `reconfigure` whose calls are still under way. */
  retired: readonly Pipeline[];
  askedMs: number;
}

function inUse({ pipeline, retired }: Entry): boolean {
  const { inFlight, policies } = pipeline;
  return inFlight > 0 || policies.some(({ busy }) => busy === true) || retired.some((before) => before.inFlight > 0);
}

class PipelineRegistry implements Registry {
  readonly #create: RegistryOptions["create"];
  readonly #maxEntries: number;
  readonly #idleMs: number;
  readonly #maxUseMs: number;
  readonly #clock: Clock;
  /** The least recently asked for first. */
  readonly #entries = new Map<string, Entry>();
  #latest: Entry | null = null;

  constructor({ create, maxEntries, idleMs, maxUseMs, clock }: Required<RegistryOptions>) {
    this.#create = create;
    this.#maxEntries = maxEntries;
    this.#idleMs = idleMs;
    this.#maxUseMs = maxUseMs;
    this.#clock = clock;
  }

  get size(): number {
    this.#dropIdle(this.#clock.now());
    return this.#entries.size;
  }

  get(key: string): Pipeline {
    const nowMs = this.#clock.now();
    this.#dropIdle(nowMs);
    const entry = this.#entries.get(key) ?? this.#add(key, nowMs);
    entry.askedMs = nowMs;
    if (entry !== this.#latest) {
      this.#entries.delete(key);
      this.#entries.set(key, entry);
      this.#latest = entry;
    }
    return entry.pipeline;
  }

  delete(key: string): boolean {
    return this.#entries.delete(key);
  }

  *entries(): IterableIterator<[string, Pipeline]> {
    this.#dropIdle(this.#clock.now());
    for (const [key, { pipeline }] of this.#entries) yield [key, pipeline];
  }

  reconfigure(key?: string): void {
    const only = key === undefined ? undefined : this.#entries.get(key);
    const changed = key === undefined ? [...this.#entries.values()] : only === undefined ? [] : [only];
    const made = changed.map((entry) => ({ entry, ...this.#make(entry.key, entry.kept) }));
    for (const { entry, pipeline, kept } of made) {
      entry.retired = [...entry.retired, entry.pipeline].filter(({ inFlight }) => inFlight > 0);
      entry.pipeline = pipeline;
      entry.kept = kept;
    }
  }

  #add(key: string, nowMs: number): Entry {
    if (typeof key !== "string") rejectOption("registry.get key", "a string", key);
    if (this.#entries.size >= this.#maxEntries) this.#makeRoom(nowMs);
    const entry: Entry = { key, ...this.#make(key, new Map()), retired: [], askedMs: nowMs };
    this.#entries.set(key, entry);
    this.#latest = entry;
    return entry;
  }

  /** Policies are kept for as long as each new pipeline asks for them again. */
  #make(key: string, before: ReadonlyMap<string, Policy>): { pipeline: Pipeline; kept: ReadonlyMap<string, Policy> } {
    const kept = new Map<string, Policy>();
    const keep: Keep = <P extends Policy>(name: string, make: () => P): P => {
      const policy = (kept.get(name) ?? before.get(name) ?? make()) as P;
      kept.set(name, policy);
      return policy;
    };
    const pipeline = this.#create(key, keep);
    if (!(pipeline instanceof Pipeline))
      rejectOption("registry.create", "a function that returns a pipeline", pipeline);
    return { pipeline, kept };
  }

  #makeRoom(nowMs: number): void {
    for (const entry of this.#entries.values()) {
      if (nowMs - entry.askedMs < this.#maxUseMs && inUse(entry)) continue;
      this.delete(entry.key);
      return;
    }
    throw withoutStack(() => new RegistryFullError(this.#maxEntries));
  }

  /** Decided when somebody asks, not by a timer: on Workers a timer dies with the request that started it. */
  #dropIdle(nowMs: number): void {
    for (const entry of this.#entries.values()) {
      const idleMs = nowMs - entry.askedMs;
      if (idleMs < this.#idleMs) return;
      if (idleMs >= this.#maxUseMs || !inUse(entry)) this.delete(entry.key);
    }
  }
}

/**
 * Keeps a pipeline for each key. At most `maxEntries` are remembered; one that is in use (calls under way, permits held,
 * a circuit that is open, a limit that is used up) is not forgotten to make room for another.
 *
 * @throws {InvalidOptionError} for options out of bounds.
 */
export function registry(options: RegistryOptions): Registry {
  const {
    create,
    maxEntries = 1000,
    idleMs = Number.POSITIVE_INFINITY,
    maxUseMs = 600_000,
    clock = systemClock,
  } = options;
  checkFunction("registry.create", create);
  checkInteger("registry.maxEntries", maxEntries, 1);
  checkNumber("registry.idleMs", idleMs, 0, Number.POSITIVE_INFINITY, true);
  checkNumber("registry.maxUseMs", maxUseMs, 0, Number.POSITIVE_INFINITY, true);
  return new PipelineRegistry({ create, maxEntries, idleMs, maxUseMs, clock });
}
