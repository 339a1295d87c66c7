// The Durable Object that adds up what isolates have counted. Several of them share the isolates of a service; each passes on
// what it has, on the platform's alarm, as one reporter of its own.
import { type Clock, systemClock, TimeoutError } from "@headgate/core";
import { mergeMetrics } from "@headgate/core/metrics";
import { checkFunction } from "@headgate/core/options";
import type { DurableObjectStateLike, DurableObjectStorageLike } from "./bindings.ts";
import { type MetricLike, type MetricMessage, readMetricMessage, writeMetrics } from "./metric-message.ts";
import { MetricTotals, type TotalsPiece } from "./metric-totals.ts";
import { checkDelay } from "./options.ts";
import { type ReportingIsolate, ReportingIsolates } from "./reporting-isolates.ts";
import { type WallClock, wallClock } from "./wall-clock.ts";

const totalPrefix = "total:";
const isolatePrefix = "isolate:";
const startKey = "start";

/** So long after the last message there is nothing new to pass on. */
const idleMs = 300_000;
/** What could not be passed on is tried for so long. */
const giveUpMs = 86_400_000;

/** Keys that storage deletes at a time. */
const maxKeys = 128;

export interface HeadgateMetricsOptions {
  /** How often `push` is called while isolates report. Above 0, at most 2^31 - 1. @default 30000 */
  readonly intervalMs?: number;
  /** How long `push` may take. Above 0, at most 2^31 - 1. @default 10000 */
  readonly timeoutMs?: number;
  /** Is given what `push` has thrown, and a `TimeoutError` when it took too long. @default none */
  readonly onError?: ((error: unknown) => void) | undefined;
  /** The time of day. @default that of the platform */
  readonly clock?: WallClock;
  /** Ends a `push` that takes too long. @default systemClock */
  readonly timer?: Clock;
}

/** What a Durable Object has to pass on. */
export interface MetricsReport<M extends MetricLike = MetricLike> {
  /** Counters and histograms: totals since `startTimeMs`. The others: what isolates have said in the last five minutes. */
  readonly metrics: readonly M[];
  /** When the first message came, in milliseconds since 1970. */
  readonly startTimeMs: number;
  /** Now, in milliseconds since 1970. */
  readonly timeMs: number;
  /** The object's own id, the same for as long as it exists: `service.instance.id`. */
  readonly instanceId: string;
  /** Aborts when the time for it is up. */
  readonly signal: AbortSignal;
}

/**
 * Export it, or a class that extends it and has a `push`, from the Worker's main module and bind it. What is answered is
 * stored: an object that is stopped goes on with the same totals.
 *
 * At most 200 metrics with 2,000 points each; what is past that is added to a point whose attributes are `_OTHER`. 5,000
 * isolates are remembered, each for a day after its last message.
 */
export class HeadgateMetrics<M extends MetricLike = MetricLike> {
  readonly #state: DurableObjectStateLike;
  readonly #storage: DurableObjectStorageLike;
  readonly #options: Required<HeadgateMetricsOptions>;
  readonly #totals = new MetricTotals();
  readonly #isolates = new ReportingIsolates();
  #startTimeMs: number | undefined;
  #alarmIsSet = false;

  /** @throws {InvalidOptionError} for options out of bounds. */
  constructor(state: DurableObjectStateLike, _env?: unknown, options: HeadgateMetricsOptions = {}) {
    const { intervalMs = 30_000, timeoutMs = 10_000, onError, clock = wallClock, timer = systemClock } = options;
    checkDelay("HeadgateMetrics.intervalMs", intervalMs);
    checkDelay("HeadgateMetrics.timeoutMs", timeoutMs);
    if (onError !== undefined) checkFunction("HeadgateMetrics.onError", onError);
    this.#options = { intervalMs, timeoutMs, onError, clock, timer };
    this.#state = state;
    this.#storage = state.storage;
    void state.blockConcurrencyWhile(() => this.#load());
  }

  /** Passes metrics on, to a collector for example. What it throws is told; the next time makes up for it. */
  protected push(_report: MetricsReport<M>): unknown {
    return undefined;
  }

  async fetch(request: Request): Promise<Response> {
    if (request.method === "GET") return json(writeMetrics(this.#metrics()));
    if (request.method !== "POST")
      return new Response("Only GET and POST are allowed", { status: 405, headers: { allow: "GET, POST" } });
    let message: MetricMessage;
    try {
      message = readMetricMessage(await request.text());
    } catch (error) {
      return new Response(error instanceof Error ? error.message : String(error), { status: 400 });
    }
    await this.#take(message);
    return json("{}");
  }

  /** Called by the platform. */
  async alarm(): Promise<void> {
    const nowMs = this.#options.clock.now();
    this.#alarmIsSet = false;
    const writes = this.#write(isolatePrefix, this.#isolates.sweep(nowMs));
    // A message that comes meanwhile sets it again.
    const hasPassedOn = await this.#pass(nowMs);
    const silentMs = this.#isolates.silentMs(nowMs);
    if (silentMs < (hasPassedOn ? idleMs : giveUpMs)) writes.push(this.#setAlarm());
    await Promise.all(writes);
  }

  async #load(): Promise<void> {
    const isolates: [string, ReportingIsolate][] = [];
    for (const [key, value] of await this.#storage.list()) {
      if (key.startsWith(totalPrefix)) this.#totals.load(value as TotalsPiece);
      else if (key.startsWith(isolatePrefix))
        isolates.push([key.slice(isolatePrefix.length), value as ReportingIsolate]);
      else if (key === startKey) this.#startTimeMs = value as number;
    }
    this.#isolates.load(isolates);
    this.#alarmIsSet = (await this.#storage.getAlarm()) !== null;
  }

  /**
   * Adds a message to the totals, once. One step without an await until all is handed to storage: writes of one step are
   * stored together or not at all, and nothing is answered before they are.
   */
  async #take(message: MetricMessage): Promise<void> {
    if (this.#isolates.hasTold(message)) return;
    const nowMs = this.#options.clock.now();
    const writes = [
      ...this.#write(totalPrefix, this.#totals.add(message.metrics)),
      ...this.#write(isolatePrefix, this.#isolates.note(message, nowMs)),
    ];
    if (this.#startTimeMs === undefined) {
      this.#startTimeMs = nowMs;
      writes.push(this.#storage.put(startKey, nowMs));
    }
    writes.push(this.#setAlarm());
    await Promise.all(writes);
  }

  /** Starts all writes before it returns. */
  #write(prefix: string, values: ReadonlyMap<string, unknown>): Promise<unknown>[] {
    const kept = [...values].filter(([, value]) => value !== undefined);
    const gone = [...values].flatMap(([key, value]) => (value === undefined ? [prefix + key] : []));
    const writes: Promise<unknown>[] = kept.map(([key, value]) => this.#storage.put(prefix + key, value));
    for (let at = 0; at < gone.length; at += maxKeys) writes.push(this.#storage.delete(gone.slice(at, at + maxKeys)));
    return writes;
  }

  async #setAlarm(): Promise<void> {
    if (this.#alarmIsSet) return;
    this.#alarmIsSet = true;
    await this.#storage.setAlarm(this.#options.clock.now() + this.#options.intervalMs);
  }

  #metrics(): readonly MetricLike[] {
    return mergeMetrics([this.#totals.all(), ...this.#isolates.current(this.#options.clock.now())]);
  }

  /** Says whether it has gone well. Never rejects and never takes longer than it may. */
  async #pass(timeMs: number): Promise<boolean> {
    const { timeoutMs, timer, onError } = this.#options;
    const controller = new AbortController();
    const { promise: late, reject } = Promise.withResolvers<never>();
    const ending = timer.after(timeoutMs, () => {
      const error = new TimeoutError(timeoutMs, "total");
      reject(error);
      controller.abort(error);
    });
    try {
      const report: MetricsReport<M> = {
        metrics: this.#metrics() as readonly M[],
        startTimeMs: this.#startTimeMs ?? timeMs,
        timeMs,
        instanceId: String(this.#state.id ?? ""),
        signal: controller.signal,
      };
      await Promise.race([this.push(report), late]);
      return true;
    } catch (error) {
      try {
        onError?.(error);
      } catch {
        // Telling must not stop what is told about.
      }
      return false;
    } finally {
      ending.cancel();
    }
  }
}

function json(text: string): Response {
  return new Response(text, { headers: { "content-type": "application/json" } });
}
