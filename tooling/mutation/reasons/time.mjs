// Why mutants of timeouts, timers, retries may survive; the shape of a reason stands in `index.mjs`.
import { again, context, exact, skipped, swallowed } from "./common.mjs";

export const time = [
  ["timeout.ts", "timersAreShared", undefined, context],
  ["timeout.ts", "call.justTimed = ", "false", "faster: the clock is read once more"],
  ["timeout.ts", "call === null", undefined, "twice: a call that has left this timeout is past the place that is cut"],
  ["timeout.ts", "at > firstRepeat", undefined, "equivalent: no timeout repeats what is inside it"],
  [
    "timers.ts",
    "previous === null && next === null",
    undefined,
    "equivalent: what has no predecessor and is not the head is not in the list",
  ],
  ["timers.ts", "this.#host === null", undefined, "equivalent but for a host timer more, which finds nothing due"],
  ["timers.ts", "leftMs > earlyMs", undefined, exact],
  ["signal-link.ts", "once: true", undefined, "equivalent: a signal aborts once"],
  ["signal-link.ts", "Object.isExtensible", undefined, "faster: the WeakMap works for every signal"],
  ["retry.ts", "if (call.cutting) return", undefined, "equivalent: a policy that is told of the end is not asked"],
  ["retry.ts", "call.refusedForMs !== null", undefined, "equivalent: the error of an open circuit says the same time"],
  ["retry.ts", "failuresOnly", undefined, skipped],
  [
    "retry.ts",
    'outcome === "success"',
    undefined,
    "twice: the engine does not ask on success; the line is for the type",
  ],
  ["retry.ts", "timer?.cancel", undefined, swallowed],
  ["retry.ts", '"again"', undefined, again],
  [
    "retry.ts",
    "reopensInMs(call) < call.remainingMs()",
    "<=",
    "twice: a delay that reaches the deadline is not waited for",
  ],
  ["retry.ts", "budget?.tryAcquire", undefined, "differs only in the error for `null`"],
];
