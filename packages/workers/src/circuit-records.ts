// What isolates tell each other about a circuit, and how it is merged. An opening spreads; so does a closing, but only one that
// knows the latest opening: an isolate that is behind cannot end an outage that has begun anew.
//
// On the wire times are what remains, because no two isolates share a clock. Records are on the clock of the one object.

/** What an isolate's breaker has decided by itself since it last said so. */
export interface CircuitChange {
  readonly state: "open" | "closed";
  /** Open: until it lets a probe through. Closed: until the outage counts as over. Milliseconds. */
  readonly forMs: number;
  readonly openings: number;
  /** How long ago it may have happened at most. */
  readonly ageMs: number;
}

/** What an isolate knows of a circuit, with what it has to say. */
export interface CircuitReport {
  readonly name: string;
  /** That of the last view it was given; 0 when there was none. */
  readonly epoch: number;
  readonly change?: CircuitChange | undefined;
}

/** What the object answers for a circuit that it knows. */
export interface CircuitView {
  readonly name: string;
  /** Another one than before: the state has changed. */
  readonly epoch: number;
  readonly state: "open" | "closed";
  readonly forMs: number;
  readonly openings: number;
}

export interface CircuitRecord {
  readonly epoch: number;
  readonly state: "open" | "closed";
  /** When `forMs` will have passed. */
  readonly untilMs: number;
  readonly openings: number;
  readonly changedMs: number;
}

/** The record after a report; the same object when the report changes nothing. */
export function mergeReport(
  record: CircuitRecord | undefined,
  { epoch, change }: CircuitReport,
  nowMs: number,
): CircuitRecord | undefined {
  if (change === undefined) return record;
  const untilMs = nowMs + change.forMs;
  const { state, openings } = change;
  if (record === undefined) return { epoch: Math.floor(nowMs), state, untilMs, openings, changedMs: nowMs };
  if (epoch !== record.epoch) {
    // Behind. An opening that is surely newer than what it has not heard of counts all the same.
    if (state === "closed" || nowMs - change.ageMs <= record.changedMs) return record;
  }
  const longer = state === "open" && record.state === "open";
  if (longer && untilMs <= record.untilMs) return record;
  return {
    // From the clock, so that a circuit that was forgotten meanwhile never gets an epoch again.
    epoch: Math.max(record.epoch + 1, Math.floor(nowMs)),
    state,
    untilMs,
    openings: longer ? Math.max(openings, record.openings) : openings,
    changedMs: nowMs,
  };
}

export function viewOf(name: string, record: CircuitRecord, nowMs: number): CircuitView {
  const { epoch, state, untilMs, openings } = record;
  return { name, epoch, state, forMs: Math.max(0, untilMs - nowMs), openings };
}
