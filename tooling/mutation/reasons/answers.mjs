// Why mutants of fallback, cache, single flight, chaos, registry may survive; the shape of a reason stands in `index.mjs`.
import { again, always, cheap, context, skipped, swallowed } from "./common.mjs";

const early = "faster: the loop below finds nothing to remove";

export const answers = [
  ["fallback.ts", "timersAreShared", undefined, context],
  ["fallback.ts", "this.ownSignal.abort(this.reason, false)", undefined, context],
  ["fallback.ts", "this.ownSignal?.abort", "?.", swallowed],
  ["fallback.ts", "this.ownSignal?.abort", undefined, context],
  ["fallback.ts", "failuresOnly", undefined, skipped],
  [
    "fallback.ts",
    'call.outcome === "success" || call.cutting',
    "pass",
    "equivalent: every step but `park` and `again` passes where the call is to end",
  ],
  ["fallback.ts", 'call.outcome === "success" || call.cutting', undefined, skipped],
  [
    "fallback.ts",
    "index < this.handlers.length",
    undefined,
    "equivalent: there is no handler there, and that is caught as any failure",
  ],
  ["fallback.ts", "isThenable(returned)", undefined, "equivalent but for a microtask"],
  ["fallback.ts", "failed.restore()", undefined, "twice: restored after each handler, and again at the end"],
  [
    "fallback.ts",
    "if (!failed.gone) call.finish",
    undefined,
    "twice: `finish` does nothing for a call that was taken away",
  ],
  ["fallback.ts", "failed.gone) {", undefined, "twice: `settle` asks the same"],
  [
    "fallback.ts",
    "this.settle(index, failed, true, error)",
    undefined,
    "equivalent: a handler that ended the call itself, which is waiting to be ended",
  ],
  [
    "fallback.ts",
    "call.judge(false, result)",
    undefined,
    "twice: what was thrown is no answer, and the failure is restored",
  ],
  [
    "fallback.ts",
    "failed.result !== result) call",
    undefined,
    "equivalent unless `isFailure` changes its mind about one value",
  ],
  ["cache.ts", 'typeof store === "object"', undefined, "equivalent: what is no object has none of the functions"],
  ["cache-policy.ts", "timer?.cancel", undefined, always],
  ["cache-policy.ts", "this.refreshes.size < maxRefreshes) return true", undefined, early],
  [
    "cache-policy.ts",
    "this.refreshes.delete(key);",
    undefined,
    "equivalent: the entry is replaced; only its place in the order of age differs",
  ],
  ["single-flight-policy.ts", "this.flights.size < this.maxKeys) return true", undefined, early],
  [
    "single-flight-policy.ts",
    "flight === undefined &&",
    undefined,
    "equivalent: a flight that is there and joined no more makes room itself",
  ],
  [
    "single-flight-policy.ts",
    "this.flights.delete(flight.key)",
    undefined,
    "equivalent: the entry is replaced; only its place in the order of age differs",
  ],
  [
    "single-flight-policy.ts",
    "passenger.gone) return",
    undefined,
    "twice: the timer of one that has left is cancelled",
  ],
  [
    "single-flight-policy.ts",
    "this.close(flight)",
    undefined,
    "twice: what starts next takes the place of the closed one",
  ],
  ["single-flight-policy.ts", "inner?.work", undefined, always],
  ["chaos.ts", 'return "end"', undefined, again],
  ["registry.ts", "key === undefined ?", undefined, "twice: without a key all entries are taken"],
  [
    "registry.ts",
    "retired: []",
    undefined,
    "equivalent: what is not a pipeline with calls in flight is dropped when it is looked at",
  ],
  ["registry.ts", "inFlight > 0", undefined, "memory only: a pipeline without calls is kept until the next change"],
  ["registry.ts", "entry !== this.#latest", undefined, cheap],
];
