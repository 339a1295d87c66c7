// What a breaker can be saved as and made from again: in another process, or in the next life of this one. Times are
// what remains, because two processes share no monotonic clock and a wall clock steps.
import { checkInteger, checkNumber, checkOneOf, rejectOption } from "./options.ts";

export type CircuitState = "closed" | "open" | "half-open";

/**
 * Who decides.
 *
 * - `normal`: the results of calls.
 * - `forced-open`: nobody is let through; nothing is recorded.
 * - `forced-closed`: everybody is let through; results are recorded, but the circuit does not open.
 * - `metrics-only`: the state changes as ever, and nobody is refused: to see what the breaker would do.
 * - `disabled`: everybody is let through, nothing is recorded.
 */
export type CircuitMode = "normal" | "forced-open" | "forced-closed" | "metrics-only" | "disabled";

const states: readonly CircuitState[] = ["closed", "open", "half-open"];
const modes: readonly CircuitMode[] = ["normal", "forced-open", "forced-closed", "metrics-only", "disabled"];

/** A breaker's state as plain JSON. Calls in flight, what the trip has counted and the last failure are not in it. */
export interface CircuitSnapshot {
  readonly mode: CircuitMode;
  /** The state beneath the mode: what a release to `normal` goes on from. */
  readonly state: CircuitState;
  /** Until the circuit is half-open, in milliseconds; 0 unless it is open. */
  readonly openForMs: number;
  /** How often the circuit has opened in this outage: the next open time grows with it. */
  readonly openings: number;
  /** How long the circuit must stay closed yet until the outage counts as over, in milliseconds; 0 unless it is closed. */
  readonly healthyInMs: number;
}

export function checkMode(place: string, mode: CircuitMode): void {
  checkOneOf(place, mode, modes);
}

export function checkSnapshot(snapshot: CircuitSnapshot): void {
  const place = "circuitBreaker.restore";
  if (typeof snapshot !== "object" || snapshot === null)
    rejectOption(place, "a snapshot of a circuit breaker", snapshot);
  checkMode(`${place}.mode`, snapshot.mode);
  checkOneOf(`${place}.state`, snapshot.state, states);
  checkNumber(`${place}.openForMs`, snapshot.openForMs, 0, Number.MAX_SAFE_INTEGER);
  checkInteger(`${place}.openings`, snapshot.openings, 0);
  checkNumber(`${place}.healthyInMs`, snapshot.healthyInMs, 0, Number.MAX_SAFE_INTEGER);
}
