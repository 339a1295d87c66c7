// What a shutdown means for the calls of a pipeline: those that run may end, those that wait are told at once, and nothing
// new begins.
import type { Call, Policy } from "@headgate/core";
import { rejectOption } from "@headgate/core/options";
import { Roster, type Seat } from "./roster.ts";
import { ShutdownError } from "./shutdown-error.ts";

export interface AdmissionOptions {
  /** From when nothing is admitted any more: `stopping` of a shutdown. */
  readonly stopping: AbortSignal;
}

export interface Admission extends Policy {
  readonly kind: "admission";
  /** Calls inside, those that wait included. */
  readonly inFlight: number;
}

/** A call inside, and the policy's place in its pipeline. */
interface Visit {
  readonly call: Call;
  readonly at: number;
}

/** Policies in which a call waits and does nothing else. In others a call may be parked while work for it is running. */
const waitingKinds: ReadonlySet<string> = new Set(["concurrency-limit", "rate-limit", "retry"]);

/**
 * Refuses calls with a `ShutdownError` once `stopping` aborts, and ends those that wait for a permit or for their next
 * attempt then. Calls whose operation runs go on. Belongs inside the retry, which then makes no further attempt, and outside
 * the limits.
 *
 * @throws {InvalidOptionError} without a signal.
 */
export function admission(options: AdmissionOptions): Admission {
  const { stopping } = options;
  if (!(stopping instanceof AbortSignal)) rejectOption("admission.stopping", "an AbortSignal", stopping);
  const inside = new Roster<Visit>();
  const endWaiting = () => {
    for (const { call, at } of inside.values()) {
      if (isWaiting(call)) call.cut(at, "ignored", refusalOf(stopping, call));
    }
  };
  stopping.addEventListener("abort", endWaiting, { once: true });
  return {
    kind: "admission",
    cuts: true,
    get inFlight() {
      return inside.size;
    },
    describe: () => (stopping.aborted ? "refuses everything" : ""),
    enter(call, at) {
      if (stopping.aborted) return call.refuse(() => refusalOf(stopping, call));
      call.keep(at, inside.join({ call, at }));
      return "pass";
    },
    leave(call, at) {
      inside.leave(call.recall(at) as Seat<Visit>);
      return "pass";
    },
  };
}

function isWaiting(call: Call): boolean {
  return call.phase === "resting" && waitingKinds.has(call.pipeline.policies[call.at]?.kind ?? "");
}

/** One for each call: it says in which pipeline the call was refused. */
function refusalOf({ reason }: AbortSignal, call: Call): ShutdownError {
  const error = new ShutdownError(reason instanceof ShutdownError ? reason.trigger : "stopping");
  error.pipeline = call.pipeline.name;
  return error;
}
