// Metrics of all isolates as those of one service. An isolate lives as long as it likes and ends without a word, so what it has
// counted is told to a Durable Object after responses: as what was added since the last time, in numbered messages. A
// message whose answer is lost is sent again unchanged, and counted once.
import { type Clock, exponentialBackoff, type Pipeline, pipeline, retry, systemClock, timeout } from "@headgate/core";
import { mergeMetrics } from "@headgate/core/metrics";
import { checkFunction, checkInteger, checkName, checkNumber } from "@headgate/core/options";
import type { DurableObjectNamespaceLike, DurableObjectStubLike, ExecutionContextLike } from "./bindings.ts";
import { MetricDeltas } from "./metric-deltas.ts";
import { type MetricLike, readMetrics } from "./metric-message.ts";
import { checkBinding } from "./options.ts";

export interface DurableMetricsOptions<M extends MetricLike = MetricLike> {
  /** The binding of the class `HeadgateMetrics`, or of one that extends it. */
  readonly namespace: DurableObjectNamespaceLike;
  /** All numbers of this isolate as they are now, counters and histograms as totals: `() => telemetry.collect()`. */
  readonly collect: () => readonly M[];
  /** Which objects: `<name>-0`, `<name>-1`, …; isolates that name the same ones add up. @default "metrics" */
  readonly name?: string;
  /**
   * Objects that share the work; an isolate stays with one of them. One object answers up to about 1000 messages a second,
   * and what an object has added up stays there: fewer of them later show less. An integer from 1 to 64. @default 4
   */
  readonly shards?: number;
  /** An isolate sends at most that often. Above 0, at most 20000: a request is kept for it, for 30 s at most. @default 10000 */
  readonly intervalMs?: number;
  /** How long a flush may take, its repetitions included. Above 0, at most `intervalMs`. @default 5000 */
  readonly timeoutMs?: number;
  /** Is given why an object could not be reached. @default none */
  readonly onError?: ((error: unknown) => void) | undefined;
  /** @default systemClock */
  readonly clock?: Clock;
}

export interface DurableMetrics<M extends MetricLike = MetricLike> {
  /** Flushes after which the object had everything. */
  readonly flushes: number;
  /** Flushes after which it had not: the next one makes up for it. */
  readonly failures: number;
  /**
   * Call it in every request, before anything is waited for: `flush(context, work)` sends what was counted once `work` has
   * settled, at once or when `intervalMs` have passed since the last time, and keeps the request for that through
   * `context.waitUntil`, also when its client leaves. Never throws.
   */
  flush(context: ExecutionContextLike, work?: Promise<unknown>): void;
  /**
   * The metrics of all isolates, those of this one up to now.
   *
   * @throws what went wrong with an object: a part of the totals would look like counters that fell.
   */
  collect(): Promise<readonly M[]>;
}

const maxIntervalMs = 20_000;
/** Messages that one flush sends at most: this many times 500 totals that have changed. */
const maxMessages = 20;
const maxAttempts = 3;
/** Of the time of a flush: what hangs is tried again while there is time. */
const attemptShare = 0.4;

/** The object does not take a message, and will not take it when it comes again. */
class RefusedError extends Error {
  override readonly name = "RefusedError";
}

class SharedMetrics<M extends MetricLike> implements DurableMetrics<M> {
  private readonly options: Required<DurableMetricsOptions<M>>;
  private readonly clock: Clock;
  private readonly calls: Pipeline;
  flushes = 0;
  failures = 0;
  /** A flush has begun by then, or begins then. */
  private dueMs = Number.NEGATIVE_INFINITY;
  private deltas: MetricDeltas | undefined = undefined;
  private shard = 0;

  constructor(options: Required<DurableMetricsOptions<M>>) {
    this.options = options;
    const { clock, timeoutMs } = options;
    this.clock = clock;
    this.calls = pipeline(
      { name: "durable-metrics", clock },
      timeout({ timeoutMs, clock }),
      retry({
        maxAttempts,
        backoff: exponentialBackoff({ initialMs: timeoutMs / 50, jitter: "equal" }),
        shouldRetry: ({ result }) => !(result instanceof RefusedError),
        clock,
      }),
      timeout({ timeoutMs: timeoutMs * attemptShare, clock }),
    );
  }

  flush(context: ExecutionContextLike, work?: Promise<unknown>): void {
    try {
      context.waitUntil(this.flushAfter(work));
    } catch (error) {
      this.report(error);
    }
  }

  async collect(): Promise<readonly M[]> {
    const { shards } = this.options;
    await this.send();
    const all = await Promise.all(
      Array.from({ length: shards }, (_, shard) =>
        this.calls.execute(({ signal }) => this.ask(shard, { method: "GET", signal })),
      ),
    );
    // They are of the same shape as what `collect` gave.
    return mergeMetrics(all.map(readMetrics)) as readonly MetricLike[] as readonly M[];
  }

  /** Never rejects. */
  private async flushAfter(work: Promise<unknown> | undefined): Promise<void> {
    // What becomes of it is told to whoever waits for it.
    await work?.catch(() => {});
    const nowMs = this.clock.now();
    // By time and not by a flag: the request that was to send may have been killed.
    if (nowMs < this.dueMs) return;
    this.dueMs = Math.max(nowMs, this.dueMs + this.options.intervalMs);
    if (this.dueMs > nowMs) await this.clock.sleep(this.dueMs - nowMs);
    try {
      await this.send();
      this.flushes++;
    } catch (error) {
      this.failures++;
      this.report(error);
    }
  }

  /** Two that send at once only say the same twice. */
  private async send(): Promise<void> {
    const deltas = (this.deltas ??= this.begin());
    await this.calls.execute(async ({ signal }) => {
      for (let sent = 0; sent < maxMessages; sent++) {
        const isRepeated = deltas.isUnanswered;
        const message = deltas.next();
        if (message === undefined) return;
        try {
          await this.ask(this.shard, { method: "POST", body: message.body, signal });
        } catch (error) {
          if (error instanceof RefusedError) deltas.refuse(message);
          throw error;
        }
        deltas.settle(message);
        if (!isRepeated && !message.isFull) return;
      }
    });
  }

  /** Not earlier than in a request: at module scope Workers know no chance. */
  private begin(): MetricDeltas {
    const isolate = crypto.randomUUID();
    this.shard = Number.parseInt(isolate.slice(0, 8), 16) % this.options.shards;
    return new MetricDeltas(isolate, this.options.collect);
  }

  private async ask(shard: number, init: Parameters<DurableObjectStubLike["fetch"]>[1]): Promise<string> {
    const { namespace, name } = this.options;
    // A stub belongs to the request that makes it.
    const stub = namespace.get(namespace.idFromName(`${name}-${shard}`));
    const response = await stub.fetch("https://headgate.invalid/metrics", init);
    const text = await response.text();
    if (response.ok) return text;
    const problem = `The Durable Object answers ${response.status}: ${text.slice(0, 200)}`;
    throw response.status < 500 ? new RefusedError(problem) : new Error(problem);
  }

  private report(error: unknown): void {
    try {
      this.options.onError?.(error);
    } catch {
      // Telling must not stop what is told about.
    }
  }
}

/**
 * Adds the metrics of this isolate to those of the others, in Durable Objects of the class `HeadgateMetrics`. When those
 * cannot be reached nothing is lost but time, as long as the isolate lives. Makes no timer and asks for no chance until
 * `flush` is called, so it may stand at module scope where the binding is known.
 *
 * @throws {InvalidOptionError} for options out of bounds.
 */
export function durableMetrics<M extends MetricLike>(options: DurableMetricsOptions<M>): DurableMetrics<M> {
  const {
    namespace,
    collect,
    name = "metrics",
    shards = 4,
    intervalMs = 10_000,
    timeoutMs = Math.min(5000, intervalMs),
    onError,
    clock = systemClock,
  } = options;
  checkBinding("durableMetrics.namespace", "the binding of a Durable Object", namespace, ["idFromName", "get"]);
  checkFunction("durableMetrics.collect", collect);
  checkName("durableMetrics.name", name);
  checkInteger("durableMetrics.shards", shards, 1, 64);
  checkNumber("durableMetrics.intervalMs", intervalMs, 0, maxIntervalMs, true);
  checkNumber("durableMetrics.timeoutMs", timeoutMs, 0, intervalMs, true);
  if (onError !== undefined) checkFunction("durableMetrics.onError", onError);
  return new SharedMetrics({ namespace, collect, name, shards, intervalMs, timeoutMs, onError, clock });
}
