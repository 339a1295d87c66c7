// A knee limit that is given its windows one by one, so that what each does to it is known to the last digit.
import { kneeLimit, type Limit } from "@headgate/core";

interface Window {
  /** How long each attempt takes; all the same, so that the window is sure of it. */
  readonly latencyMs?: number;
  readonly inFlight?: number;
  readonly count?: number;
  /** Attempts that are dropped before the others end. */
  readonly dropped?: number;
  /** Calls that find no permit. */
  readonly full?: number;
}

/** A limit that has learnt this, and windows of half a second for it. */
export function learnt(limit: number, baselineMs: number | null = 100) {
  const knee: Limit = kneeLimit();
  knee.restore?.({ limit, baselineMs });
  let nowMs = 1000;
  const end = (latencyMs: number, inFlight: number, outcome: "success" | "failure" | "dropped") =>
    knee.observe({ startMs: nowMs - latencyMs, endMs: nowMs, inFlight, outcome });
  // The first window begins with what ends first.
  end(100, 0, "failure");
  /** Gives the exact limit afterwards. */
  const window = ({ latencyMs = 100, inFlight = 10, count = 25, dropped = 0, full = 0 }: Window = {}): number => {
    for (let i = 0; i < full; i++) knee.full?.(nowMs, inFlight);
    const startMs = nowMs;
    for (let i = 0; i < count; i++) {
      nowMs = startMs + (500 * (i + 1)) / count;
      end(latencyMs, inFlight, i < dropped ? "dropped" : "success");
    }
    return exact();
  };
  const windows = (times: number, one: Window): number[] => Array.from({ length: times }, () => window(one));
  const exact = () => knee.learnt?.().limit as number;
  const baseline = () => knee.learnt?.().baselineMs as number;
  return { knee, window, windows, end, baseline, now: () => nowMs };
}
