// Metrics of this process by the names of OpenTelemetry's conventions: the event loop, collections of garbage, the heap.
import { type Clock, systemClock } from "@headgate/core";
import { checkInteger } from "@headgate/core/options";
import { checkCallback, checkDuration } from "./options.ts";
import * as definitions from "./runtime-metrics-definitions.ts";
import type {
  RuntimeHistogramMetric,
  RuntimeMetric,
  RuntimeNumberMetric,
  RuntimeNumberPoint,
} from "./runtime-metrics-definitions.ts";
import {
  type DelayReading,
  type DelayWatch,
  type GcType,
  type HeapSpace,
  type LoopTime,
  processProbe,
  type RuntimeProbe,
} from "./runtime-metrics-probe.ts";

export interface RuntimeMetricsOptions {
  /** How finely the event loop's delay is measured. An idle loop's delay reads about as much. 1 to 1000. @default 10 */
  readonly resolutionMs?: number;
  /**
   * How far back delays and utilization look, at least. Who collects this often sees every delay, whoever else collects.
   * At least 1. @default 30000
   */
  readonly windowMs?: number;
  /** Called when measuring starts. @default this process */
  readonly probe?: () => RuntimeProbe;
  /** @default systemClock */
  readonly clock?: Clock;
}

export interface RuntimeMetrics {
  /** Measures from now on, without holding the process. */
  start(): void;
  /** Measures no more. Totals stay, and go on rising when it starts again. */
  stop(): void;
  /**
   * The numbers as they are now; counters and histograms are totals since the first `start()`. Nothing before it, and only
   * the totals after `stop()`.
   */
  collect(): readonly RuntimeMetric[];
}

/**
 * Measures this process: `nodejs.eventloop.*`, `v8js.gc.duration` and `v8js.memory.heap.*`. Nothing is measured before
 * `start()`.
 *
 * Collecting takes nothing from others who collect: delays and utilization cover the last `windowMs` at least. Who
 * collects often sees about twice that at most, who collects alone and less often the time of two collections.
 *
 * @throws {InvalidOptionError} for options out of bounds.
 */
export function runtimeMetrics(options: RuntimeMetricsOptions = {}): RuntimeMetrics {
  const { resolutionMs = 10, windowMs = 30_000, clock = systemClock } = options;
  checkInteger("runtimeMetrics.resolutionMs", resolutionMs, 1, 1000);
  checkDuration("runtimeMetrics.windowMs", windowMs, 1);
  checkCallback("runtimeMetrics.probe", options.probe);
  const { probe = () => processProbe(resolutionMs) } = options;
  return new Measuring(probe, windowMs, clock);
}

class Measuring implements RuntimeMetrics {
  readonly #makeProbe: () => RuntimeProbe;
  readonly #windowMs: number;
  readonly #clock: Clock;
  readonly #gc = new GcDurations();
  #started = false;
  #running: Running | null = null;
  /** Of the times before that it was running. */
  #loopTime: LoopTime = { activeMs: 0, idleMs: 0 };

  constructor(probe: () => RuntimeProbe, windowMs: number, clock: Clock) {
    this.#makeProbe = probe;
    this.#windowMs = windowMs;
    this.#clock = clock;
  }

  start(): void {
    if (this.#running !== null) return;
    this.#started = true;
    this.#running = new Running(this.#makeProbe(), this.#windowMs, this.#clock, this.#gc);
  }

  stop(): void {
    if (this.#running === null) return;
    this.#loopTime = this.#totalTime();
    this.#running.stop();
    this.#running = null;
  }

  collect(): readonly RuntimeMetric[] {
    if (!this.#started) return [];
    const totals = [loopTimeMetric(this.#totalTime()), this.#gc.metric()];
    return this.#running === null ? totals : [...this.#running.read(), ...totals];
  }

  #totalTime(): LoopTime {
    const { activeMs, idleMs } = this.#running?.loopTime() ?? { activeMs: 0, idleMs: 0 };
    return { activeMs: this.#loopTime.activeMs + activeMs, idleMs: this.#loopTime.idleMs + idleMs };
  }
}

interface LoopWindow {
  readonly sinceMs: number;
  readonly from: LoopTime;
  readonly delay: DelayWatch;
}

/**
 * What is measured between `start()` and `stop()`. Two windows overlap: the older one is read, and gives way to the newer
 * one once that is long enough. No window is ever reset, as that would forget the delay that is going on: it is among the
 * numbers of the next collection instead.
 */
class Running {
  readonly #probe: RuntimeProbe;
  readonly #windowMs: number;
  readonly #clock: Clock;
  readonly #from: LoopTime;
  readonly #gc: { stop(): void };
  #older: LoopWindow;
  #newer: LoopWindow;

  constructor(probe: RuntimeProbe, windowMs: number, clock: Clock, gc: GcDurations) {
    this.#probe = probe;
    this.#windowMs = windowMs;
    this.#clock = clock;
    this.#from = probe.loopTime();
    this.#older = this.#newer = this.#open();
    this.#gc = probe.watchGc((type, durationMs) => gc.record(type, durationMs / 1000));
  }

  loopTime(): LoopTime {
    return since(this.#from, this.#probe.loopTime());
  }

  read(): RuntimeMetric[] {
    const { from, delay } = this.#older;
    const metrics = [
      ...delayMetrics(delay.read()),
      utilizationMetric(since(from, this.#probe.loopTime())),
      ...heapMetrics(this.#probe.heapSpaces()),
    ];
    this.#roll();
    return metrics;
  }

  stop(): void {
    this.#gc.stop();
    this.#older.delay.stop();
    this.#newer.delay.stop();
  }

  #open(): LoopWindow {
    return { sinceMs: this.#clock.now(), from: this.#probe.loopTime(), delay: this.#probe.watchDelay() };
  }

  #roll(): void {
    if (this.#clock.now() - this.#newer.sinceMs < this.#windowMs) return;
    if (this.#older !== this.#newer) this.#older.delay.stop();
    this.#older = this.#newer;
    this.#newer = this.#open();
  }
}

class GcDurations {
  readonly #byType = new Map<GcType, { count: number; sum: number; bucketCounts: number[] }>();

  record(type: GcType, seconds: number): void {
    const { boundaries } = definitions.gcDuration;
    const durations = this.#byType.get(type) ?? {
      count: 0,
      sum: 0,
      bucketCounts: Array.from({ length: boundaries.length + 1 }, () => 0),
    };
    this.#byType.set(type, durations);
    let i = 0;
    while (i < boundaries.length && seconds > (boundaries[i] as number)) i++;
    durations.bucketCounts[i] = (durations.bucketCounts[i] as number) + 1;
    durations.count++;
    durations.sum += seconds;
  }

  metric(): RuntimeHistogramMetric {
    const points = Array.from(this.#byType, ([type, { count, sum, bucketCounts }]) => ({
      attributes: { [definitions.gcType]: type },
      count,
      sum,
      bucketCounts: [...bucketCounts],
    }));
    return { ...definitions.gcDuration, points };
  }
}

function since(from: LoopTime, to: LoopTime): LoopTime {
  return { activeMs: to.activeMs - from.activeMs, idleMs: to.idleMs - from.idleMs };
}

function delayMetrics(reading: DelayReading | undefined): RuntimeNumberMetric[] {
  return definitions.delayStatistics.map((statistic) => ({
    ...definitions.delayDefinition(statistic),
    points: reading === undefined ? [] : [{ attributes: {}, value: reading[statistic] / 1000 }],
  }));
}

function utilizationMetric({ activeMs, idleMs }: LoopTime): RuntimeNumberMetric {
  const allMs = activeMs + idleMs;
  return {
    ...definitions.loopUtilization,
    points: allMs > 0 ? [{ attributes: {}, value: activeMs / allMs }] : [],
  };
}

function loopTimeMetric({ activeMs, idleMs }: LoopTime): RuntimeNumberMetric {
  const point = (state: string, ms: number): RuntimeNumberPoint => ({
    attributes: { [definitions.loopState]: state },
    value: ms / 1000,
  });
  return { ...definitions.loopTime, points: [point("active", activeMs), point("idle", idleMs)] };
}

function heapMetrics(spaces: readonly HeapSpace[]): RuntimeNumberMetric[] {
  const bytes = (value: (space: HeapSpace) => number): RuntimeNumberPoint[] =>
    spaces.map((space) => ({ attributes: { [definitions.heapSpaceName]: space.name }, value: value(space) }));
  return [
    { ...definitions.heapUsed, points: bytes(({ usedBytes }) => usedBytes) },
    { ...definitions.heapSize, points: bytes(({ sizeBytes }) => sizeBytes) },
    { ...definitions.heapAvailable, points: bytes(({ availableBytes }) => availableBytes) },
    { ...definitions.heapPhysical, points: bytes(({ physicalBytes }) => physicalBytes) },
  ];
}
