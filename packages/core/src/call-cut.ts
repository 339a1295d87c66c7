// The parts of ending a call from outside: by its caller, by a deadline, or by a policy further out. `Call.cut` puts them together.
import type { Call } from "./call.ts";
import type { Outcome } from "./policy.ts";

/** The end of everything inside the policy at `at`; -1 is the caller itself. */
export interface Cut {
  readonly at: number;
  readonly outcome: Outcome;
  readonly error: unknown;
}

/** A cut that was asked for while the call was moving, and is due before it goes down again; null without one. */
export function dueCut({ options: { signal }, pendingCut }: Call): Cut | null {
  return signal?.aborted ? { at: -1, outcome: "ignored", error: signal.reason } : pendingCut;
}

// What a policy throws while the call is being ended is dropped: the call ends with its own reason, and the policies
// further out must be told all the same.

/** Tells the policies from this place outwards, up to and with the one at `to`, that the call is being ended. */
export function unwind(call: Call, from: number, to: number): void {
  call.phase = "cutting";
  for (let i = from; i >= to && i >= 0; i--) {
    try {
      call.pipeline.policies[i]?.leave?.(call, i);
    } catch {}
  }
  call.phase = "moving";
}

/** Takes the call from what it waits for. `byTimer`: this is not the asynchronous context of the call. */
export function leaveRest(call: Call, error: unknown, byTimer: boolean): void {
  const { at, work, pipeline } = call;
  if (at < pipeline.policies.length) {
    try {
      pipeline.policies[at]?.interrupt?.(call, at);
    } catch {}
  } else if (work !== null) {
    work.abandon(error, byTimer);
    pipeline.attemptEnded(work);
    call.emit?.({ type: "operation.abandoned", pipeline: pipeline.name, attempt: work.attempt });
  }
}
