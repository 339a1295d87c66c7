// Why mutants of the circuit breaker and its trips may survive; the shape of a reason stands in `index.mjs`.
import { always, cheap } from "./common.mjs";

export const breaker = [
  ["circuit-breaker.ts", "trip?.record", undefined, "differs only in the error for `null`"],
  ["circuit-breaker.ts", "clock?.now", undefined, "differs only in the error for `null`"],
  ["circuit-breaker.ts", "random?.next", undefined, "differs only in the error for `null`"],
  [
    "circuit-breaker-evidence.ts",
    "} catch {",
    undefined,
    "equivalent: what the predicate throws is no answer either way",
  ],
  ["circuit-breaker-open-time.ts", "nowMs < this.#openedAtMs", undefined, "equivalent: the same time"],
  [
    "circuit-breaker-policy.ts",
    'mode === "forced-closed" ||',
    undefined,
    "faster: without the quick way the general one answers",
  ],
  ["circuit-breaker-policy.ts", "this.#plain = ", undefined, "faster: without the quick way the general one answers"],
  ["circuit-breaker-policy.ts", 'this.#lastState === "open" ?', undefined, cheap],
  ["circuit-breaker-policy.ts", "oldest?.startedMs", undefined, always],
  [
    "circuit-breaker-policy.ts",
    "entry.generation !== this.#generation",
    undefined,
    "twice: asked again when the breaker has caught up, as of the same moment whoever notices",
  ],
  ["circuit-breaker-policy.ts", "slowMs === undefined) return", undefined, cheap],
  ["circuit-breaker-policy.ts", "nowMs < oldest.startedMs", undefined, "equivalent: the same time"],
  ["circuit-breaker-policy.ts", "this.#generation++", undefined, "equivalent: only whether two are the same is asked"],
  ["circuit-breaker-policy.ts", "trip.failSlow?.", undefined, always],
  ["circuit-breaker-policy.ts", "trip.counts?.", "?.", always],
  [
    "trip-count-window.ts",
    "2 * this.calls",
    undefined,
    "equivalent: the remainder is the same for every sample that is still there",
  ],
  [
    "trip-count-window.ts",
    "this.lastSample",
    undefined,
    "equivalent at the first sample; later ones are counted from it",
  ],
  ["trip-count-window.ts", "lastSample = -1", undefined, "equivalent: only differences of numbers are asked"],
  ["trip-count-window.ts", "slowMs === undefined ? null", undefined, cheap],
  ["trip-thresholds.ts", "bad === 0", undefined, cheap],
  ["trip-time-window.ts", "passed > 0", undefined, "equivalent: no bucket is cleared for no time"],
  ["trip-time-window.ts", "passed >= this.buckets", undefined, "equivalent: the loop clears every bucket as well"],
  ["trip-time-window.ts", "base + callsAt", undefined, "equivalent: `callsAt` is 0"],
];
