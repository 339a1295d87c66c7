// What tells a load shedder that there is too much to do, wherever the code runs. What only one runtime can measure comes from
// its package.
import { checkName, checkNumber, rejectOption } from "./options.ts";
import type { Outcome } from "./policy.ts";

/** Tells how overloaded something is. Of several signals the highest counts. */
export interface ShedSignal {
  /** Stands in errors, events and metrics. */
  readonly name: string;
  /**
   * How far things are from where they should be: above 0 is overload, and the longer it lasts the more calls are shed; 1 is
   * as bad as can be told. Below 0 there is room, -1 the most that can be told. What is no number, or throws, says nothing. Asked at
   * intervals, while calls come. `nowMs` is on the policy's clock.
   */
  read(nowMs: number): number;
  /** Is told of each call that was let in and has ended, and how long it took. @default nobody is told, which is cheaper */
  ended?(nowMs: number, durationMs: number, outcome: Outcome): void;
}

/** Where overload begins, which is what shedding holds, and where it is full; linear between the two and below. */
export type OverloadBounds = readonly [begins: number, full: number];

export interface LimitSignalOptions {
  /** @default "concurrency" */
  readonly name?: string;
  /**
   * In multiples of the limit: what runs and what waits. 1 is a limit that is used up with nobody waiting, 1.5 one with half
   * as many waiting as may run. A limit with a shorter queue, or none, never gets there: give it less, `[0.8, 1]`. Not below 0.
   * @default [1.5, 2.5]
   */
  readonly bounds?: OverloadBounds;
}

/**
 * Tells how many run and wait at a concurrency limit, as a multiple of how many may run. Divided by how many may run, the number
 * of those that wait is how many times as long as the work itself the last of them will wait.
 *
 * Source of the measure: Uber's Cinnamon.
 *
 * @param limit a `concurrencyLimit`, or anything that counts alike.
 * @throws {InvalidOptionError} for options out of bounds.
 */
export function limitSignal(
  limit: { readonly inUse: number; readonly queued: number; readonly maxConcurrent: number },
  options: LimitSignalOptions = {},
): ShedSignal {
  const { name = "concurrency", bounds = [1.5, 2.5] } = options;
  checkName("limitSignal.name", name);
  checkBounds("limitSignal.bounds", bounds, 0);
  if (typeof limit?.inUse !== "number" || typeof limit.queued !== "number" || typeof limit.maxConcurrent !== "number")
    rejectOption("limitSignal.limit", "a concurrency limit", limit);
  return { name, read: () => overloadOf((limit.inUse + limit.queued) / limit.maxConcurrent, bounds) };
}

export interface QueueWaitSignalOptions {
  /** @default "queue-wait" */
  readonly name?: string;
  /** How long calls should wait for a permit on average, in milliseconds. Above 0. @default 20 */
  readonly targetMs?: number;
  /**
   * In multiples of the target, not below 0. Who waits longest has waited twice as long as all on average, where as many come as
   * go: that is where overload begins. Both have to be within what the limit lets anybody wait. @default [2, 6]
   */
  readonly bounds?: OverloadBounds;
}

/**
 * Tells how long the one that waits longest at a concurrency limit has done so. Where work is quick many may wait, where it is
 * slow few: the time says it for both. For a limit with a queue, and an order other than `adaptive-lifo`, which itself lets nobody
 * wait that long.
 *
 * Source of the measure and of its default: DAGOR (Zhou et al., "Overload Control for Scaling WeChat Microservices", 2018), which
 * holds how long requests wait on average against 20 ms.
 *
 * @param limit a `concurrencyLimit`, an `adaptiveLimit`, or anything that tells the same.
 * @throws {InvalidOptionError} for options out of bounds.
 */
export function queueWaitSignal(
  limit: { readonly oldestWaitMs: number },
  options: QueueWaitSignalOptions = {},
): ShedSignal {
  const { name = "queue-wait", targetMs = 20, bounds = [2, 6] } = options;
  checkName("queueWaitSignal.name", name);
  checkNumber("queueWaitSignal.targetMs", targetMs, 0, Number.MAX_SAFE_INTEGER, true);
  checkBounds("queueWaitSignal.bounds", bounds, 0);
  if (typeof limit?.oldestWaitMs !== "number") rejectOption("queueWaitSignal.limit", "a concurrency limit", limit);
  return { name, read: () => overloadOf(limit.oldestWaitMs / targetMs, bounds) };
}

export interface LatencySignalOptions {
  /** @default "latency" */
  readonly name?: string;
  /** How long calls should take on average, in milliseconds. Above 0. @default what they take while all is well, learnt */
  readonly targetMs?: number | undefined;
  /** In multiples of the target, not below 1. @default [2, 4] */
  readonly bounds?: OverloadBounds;
}

/** Calls are averaged over at least so long and so many. */
const windowMs = 100;
const minSamples = 10;

/** What was measured says nothing any more after this long without calls. */
const staleMs = 10_000;

/** How soon what is usual follows: while all is well, and during overload, which must not become the usual. */
const learnMs = 20_000;
const driftMs = 600_000;

/**
 * Tells how much longer than usual calls take, from where they are let in until they have ended, whatever they wait for. For runtimes that cannot
 * look at themselves, Workers for one. What is usual is learnt; it follows a change for good within about ten minutes.
 *
 * @throws {InvalidOptionError} for options out of bounds.
 */
export function latencySignal(options: LatencySignalOptions = {}): ShedSignal {
  const { name = "latency", targetMs, bounds = [2, 4] } = options;
  checkName("latencySignal.name", name);
  if (targetMs !== undefined) checkNumber("latencySignal.targetMs", targetMs, 0, Number.MAX_SAFE_INTEGER, true);
  checkBounds("latencySignal.bounds", bounds, 1);
  return new LatencySignal(name, targetMs, bounds);
}

class LatencySignal implements ShedSignal {
  readonly name: string;
  private readonly bounds: OverloadBounds;
  private readonly learns: boolean;
  private target: number;
  /** Windows that what is usual was learnt from. */
  private windows = 0;
  private recent = 0;
  private recentMs = 0;
  private sum = 0;
  private samples = 0;
  private sinceMs = 0;
  private lastMs = 0;

  constructor(name: string, targetMs: number | undefined, bounds: OverloadBounds) {
    this.name = name;
    this.bounds = bounds;
    this.learns = targetMs === undefined;
    this.target = targetMs ?? 0;
  }

  ended(nowMs: number, durationMs: number, outcome: Outcome): void {
    if (outcome === "ignored" || !(durationMs >= 0)) return;
    if (this.samples === 0) this.sinceMs = nowMs;
    this.lastMs = nowMs;
    this.sum += durationMs;
    this.samples++;
  }

  read(nowMs: number): number {
    if (this.samples >= minSamples && nowMs - this.sinceMs >= windowMs) this.closeWindow();
    if (this.target === 0 || nowMs - this.recentMs > staleMs) return 0;
    return overloadOf(this.recent / this.target, this.bounds);
  }

  private closeWindow(): void {
    const recent = this.sum / this.samples;
    this.recent = recent;
    this.recentMs = this.lastMs;
    this.sum = 0;
    this.samples = 0;
    if (!this.learns) return;
    this.windows++;
    const isUsual = this.windows === 1 || recent < this.target * this.bounds[0];
    const lastedMs = Math.min(staleMs, this.lastMs - this.sinceMs);
    const share = isUsual ? Math.max(lastedMs / learnMs, 1 / this.windows) : lastedMs / driftMs;
    this.target += (recent - this.target) * share;
  }
}

function overloadOf(value: number, [begins, full]: OverloadBounds): number {
  return (value - begins) / (full - begins);
}

function checkBounds(place: string, [begins, full]: OverloadBounds, min: number): void {
  checkNumber(`${place}[0]`, begins, min, Number.MAX_SAFE_INTEGER);
  checkNumber(`${place}[1]`, full, begins, Number.MAX_SAFE_INTEGER, true);
}
