// How close this process is to doing all that it can: the event loop's utilisation, its delay, and the heap. A delay alone
// does not see a loop that is busy with many short tasks, utilisation alone does not see one long block.
import { type EventLoopUtilization, performance } from "node:perf_hooks";
import { getHeapStatistics } from "node:v8";
import { type Clock, type ClockTimer, type ShedSignal, systemClock } from "@headgate/core";
import { checkInteger, rejectOption } from "@headgate/core/options";
import { checkCallback, checkDuration, checkRange } from "./options.ts";

export interface SaturationReading {
  /** The share of the time in which the event loop was busy, 0 to 1. */
  readonly elu: number;
  /** By how much timers were late, in milliseconds: the 99th percentile. */
  readonly delayP99Ms: number;
  /** The share of the heap's limit that is in use, 0 to 1. */
  readonly heapRatio: number;
}

/** Where pressure begins and where it is full, for each part of a reading. */
export interface SaturationBounds {
  /** @default [0.85, 0.98] */
  readonly elu?: readonly [begins: number, full: number];
  /** @default [30, 100] */
  readonly delayP99Ms?: readonly [begins: number, full: number];
  /** @default [0.92, 0.98] */
  readonly heapRatio?: readonly [begins: number, full: number];
}

/** What presses most. */
export type SaturationReason = "elu" | "delay" | "heap";

const defaults = { elu: [0.85, 0.98], delayP99Ms: [30, 100], heapRatio: [0.92, 0.98] } as const;

/**
 * The pressure of one reading: 0 while everything is below where its pressure begins, 1 when something is full, linear
 * between, by what presses most.
 */
export function saturationPressure(
  reading: SaturationReading,
  bounds: SaturationBounds = {},
): { readonly pressure: number; readonly reason: SaturationReason | undefined } {
  const parts = [
    ["elu", part(reading.elu, bounds.elu ?? defaults.elu)],
    ["delay", part(reading.delayP99Ms, bounds.delayP99Ms ?? defaults.delayP99Ms)],
    ["heap", part(reading.heapRatio, bounds.heapRatio ?? defaults.heapRatio)],
  ] as const;
  const [reason, pressure] = parts.reduce((most, each) => (each[1] > most[1] ? each : most));
  return { pressure, reason: pressure > 0 ? reason : undefined };
}

function part(value: number, bounds: readonly [number, number]): number {
  return Math.min(1, Math.max(0, overload(value, bounds)));
}

/** Below 0 where there is room. */
function overload(value: number, [begins, full]: readonly [number, number]): number {
  return (value - begins) / (full - begins);
}

/** Takes readings: each covers the time since the one before. */
export interface SaturationProbe {
  read(): SaturationReading;
  stop(): void;
}

export interface SaturationOptions extends SaturationBounds {
  /** How often a reading is taken. @default 250 */
  readonly sampleMs?: number;
  /** How finely the loop's delay is measured. 1 to 1000. @default 10 */
  readonly resolutionMs?: number;
  /** How much the newest reading counts in `pressure`, against all before it. Above 0, at most 1. @default 0.5 */
  readonly smoothing?: number;
  /** Called when sampling starts. @default this process */
  readonly probe?: () => SaturationProbe;
  /** @default systemClock */
  readonly clock?: Clock;
}

export interface Saturation extends SaturationReading {
  /** 0 to 1, smoothed, of what presses most. 0 until something was read. */
  readonly pressure: number;
  /** What pressed most at the last reading; undefined when nothing did. */
  readonly reason: SaturationReason | undefined;
  /** For `loadShed`: `elu`, `delay` and `heap`, each by the last reading and its bounds. */
  readonly signals: readonly ShedSignal[];
  /** Takes readings from now on, without holding the process. */
  start(): void;
  /** Takes no more; everything reads 0. */
  stop(): void;
}

/**
 * Samples how saturated this process is. Nothing is measured before `start()`.
 *
 * @throws {InvalidOptionError} for options out of bounds.
 */
export function saturation(options: SaturationOptions = {}): Saturation {
  const { sampleMs = 250, resolutionMs = 10, smoothing = 0.5, clock = systemClock } = options;
  checkDuration("saturation.sampleMs", sampleMs, 1);
  checkInteger("saturation.resolutionMs", resolutionMs, 1, 1000);
  checkRange("saturation.smoothing", smoothing, Number.MIN_VALUE, 1);
  for (const name of ["elu", "delayP99Ms", "heapRatio"] as const) {
    const [begins, full] = options[name] ?? defaults[name];
    checkRange(`saturation.${name}[0]`, begins, 0, Number.MAX_VALUE);
    if (!(full > begins && full < Number.POSITIVE_INFINITY)) {
      rejectOption(`saturation.${name}[1]`, `a number above ${begins}`, full);
    }
  }
  checkCallback("saturation.probe", options.probe);
  const { probe = () => new ProcessProbe(resolutionMs) } = options;
  return new Sampler(probe, sampleMs, smoothing, options, clock);
}

const signalNames = [
  ["elu", "elu"],
  ["delay", "delayP99Ms"],
  ["heap", "heapRatio"],
] as const satisfies readonly (readonly [SaturationReason, keyof SaturationReading])[];

const nothing: SaturationReading = { elu: 0, delayP99Ms: 0, heapRatio: 0 };

class Sampler implements Saturation {
  pressure = 0;
  reason: SaturationReason | undefined = undefined;
  readonly #makeProbe: () => SaturationProbe;
  readonly #sampleMs: number;
  readonly #smoothing: number;
  readonly #bounds: SaturationBounds;
  readonly signals: readonly ShedSignal[];
  readonly #clock: Clock;
  #probe: SaturationProbe | null = null;
  #timer: ClockTimer | null = null;
  #last = nothing;

  constructor(
    probe: () => SaturationProbe,
    sampleMs: number,
    smoothing: number,
    bounds: SaturationBounds,
    clock: Clock,
  ) {
    this.#makeProbe = probe;
    this.#sampleMs = sampleMs;
    this.#smoothing = smoothing;
    this.#bounds = bounds;
    this.#clock = clock;
    this.signals = signalNames.map(([name, key]) => {
      const range = bounds[key] ?? defaults[key];
      return { name, read: () => overload(this.#last[key], range) };
    });
  }

  get elu(): number {
    return this.#last.elu;
  }

  get delayP99Ms(): number {
    return this.#last.delayP99Ms;
  }

  get heapRatio(): number {
    return this.#last.heapRatio;
  }

  start(): void {
    if (this.#probe !== null) return;
    this.#probe = this.#makeProbe();
    this.#arm();
  }

  stop(): void {
    this.#timer?.cancel();
    this.#probe?.stop();
    this.#timer = this.#probe = null;
    this.#last = nothing;
    this.pressure = 0;
    this.reason = undefined;
  }

  #arm(): void {
    this.#timer = this.#clock.after(this.#sampleMs, () => this.#sample());
    this.#timer.unref();
  }

  #sample(): void {
    if (this.#probe === null) return;
    this.#last = this.#probe.read();
    const { pressure, reason } = saturationPressure(this.#last, this.#bounds);
    this.pressure += this.#smoothing * (pressure - this.pressure);
    this.reason = reason;
    this.#arm();
  }
}

class ProcessProbe implements SaturationProbe {
  readonly #delay: DelayProbe;
  #utilization: EventLoopUtilization = performance.eventLoopUtilization();

  constructor(resolutionMs: number) {
    this.#delay = new DelayProbe(resolutionMs);
  }

  read(): SaturationReading {
    const now = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(now, this.#utilization);
    this.#utilization = now;
    const heap = getHeapStatistics();
    return {
      elu: utilization,
      delayP99Ms: this.#delay.read(),
      heapRatio: heap.used_heap_size / heap.heap_size_limit,
    };
  }

  stop(): void {
    this.#delay.stop();
  }
}

/**
 * By how much a timer of `resolutionMs` is late. Not `monitorEventLoopDelay`: its `reset()` forgets the interval that is
 * running, and with it every block of the loop during which a reading is due.
 */
class DelayProbe {
  readonly #resolutionMs: number;
  readonly #timer: NodeJS.Timeout;
  #delays: number[] = [];
  #lastMs = performance.now();

  constructor(resolutionMs: number) {
    this.#resolutionMs = resolutionMs;
    this.#timer = setInterval(() => this.#tick(), resolutionMs);
    this.#timer.unref();
  }

  /** The 99th percentile since the last reading, what is late right now included. */
  read(): number {
    this.#tick();
    const sorted = this.#delays.sort((a, b) => a - b);
    this.#delays = [];
    return sorted[Math.ceil(sorted.length * 0.99) - 1] ?? 0;
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #tick(): void {
    const nowMs = performance.now();
    this.#delays.push(Math.max(0, nowMs - this.#lastMs - this.#resolutionMs));
    this.#lastMs = nowMs;
  }
}
