// Where the numbers of `runtimeMetrics` come from: Node's own measurements of this process.
import { constants, monitorEventLoopDelay, PerformanceObserver, performance } from "node:perf_hooks";
import { getHeapSpaceStatistics } from "node:v8";
import type { delayStatistics } from "./runtime-metrics-definitions.ts";

export type DelayReading = Readonly<Record<(typeof delayStatistics)[number], number>>;

export interface DelayWatch {
  /** In milliseconds, since the watch began; undefined until something was measured. */
  read(): DelayReading | undefined;
  stop(): void;
}

export interface LoopTime {
  readonly activeMs: number;
  readonly idleMs: number;
}

/** `minor` frees what is young, `major` everything, `incremental` is a step of a major one. */
export type GcType = "major" | "minor" | "incremental" | "weakcb";

export interface HeapSpace {
  readonly name: string;
  readonly usedBytes: number;
  readonly sizeBytes: number;
  readonly availableBytes: number;
  readonly physicalBytes: number;
}

/** What a process is measured with. */
export interface RuntimeProbe {
  /** Measures the event loop's delay from now on. There may be several watches at once. */
  watchDelay(): DelayWatch;
  /** How long the event loop has been in each state until now. */
  loopTime(): LoopTime;
  /** Calls back for each collection of garbage from now on. */
  watchGc(onGc: (type: GcType, durationMs: number) => void): { stop(): void };
  heapSpaces(): readonly HeapSpace[];
}

interface GcEntry extends PerformanceEntry {
  readonly detail?: { readonly kind?: number };
}

/** Young generations can be collected in two ways; the older Node.js versions have no name for the second. */
const minorMarkSweep = 2;

const gcTypes: ReadonlyMap<unknown, GcType> = new Map<unknown, GcType>([
  [constants.NODE_PERFORMANCE_GC_MAJOR, "major"],
  [constants.NODE_PERFORMANCE_GC_MINOR, "minor"],
  [minorMarkSweep, "minor"],
  [constants.NODE_PERFORMANCE_GC_INCREMENTAL, "incremental"],
  [constants.NODE_PERFORMANCE_GC_WEAKCB, "weakcb"],
]);

export function processProbe(resolutionMs: number): RuntimeProbe {
  return {
    watchDelay: () => watchDelay(resolutionMs),
    loopTime() {
      const { active, idle } = performance.eventLoopUtilization();
      return { activeMs: active, idleMs: idle };
    },
    watchGc(onGc) {
      const observer = new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) {
          const type = gcTypes.get((entry as GcEntry).detail?.kind);
          if (type !== undefined) onGc(type, entry.duration);
        }
      });
      observer.observe({ entryTypes: ["gc"] });
      return { stop: () => observer.disconnect() };
    },
    heapSpaces: () =>
      getHeapSpaceStatistics().map((space) => ({
        name: space.space_name,
        usedBytes: space.space_used_size,
        sizeBytes: space.space_size,
        availableBytes: space.space_available_size,
        physicalBytes: space.physical_space_size,
      })),
  };
}

function watchDelay(resolutionMs: number): DelayWatch {
  const histogram = monitorEventLoopDelay({ resolution: resolutionMs });
  const percentile = (percent: number) => histogram.percentile(percent) / 1e6;
  histogram.enable();
  return {
    read() {
      // While it is empty its numbers are not those of a delay.
      if (histogram.count === 0) return undefined;
      return {
        min: histogram.min / 1e6,
        max: histogram.max / 1e6,
        mean: histogram.mean / 1e6,
        stddev: histogram.stddev / 1e6,
        p50: percentile(50),
        p90: percentile(90),
        p99: percentile(99),
      };
    },
    stop: () => histogram.disable(),
  };
}
