// What tracing needs of a pipeline. It stands beside the meter because a span must be there before the operation runs, which
// then finds it in its asynchronous context.
import type { OperationContext } from "./attempt.ts";
import type { Call } from "./call.ts";
import type { Operation } from "./execute-options.ts";

/** Traces the calls of any number of pipelines. What it throws is dropped, because tracing must not change a call. */
export interface Tracer {
  /**
   * A call begins, on the stack of its caller.
   *
   * @returns what is run for each attempt instead of the operation, also where work is shared or outlasts the call. It must
   * return and throw what the operation does, at the same time. The operation itself where nobody records the call.
   */
  trace(pipeline: string, operation: Operation<unknown>): Operation<unknown>;
  /**
   * An attempt has ended: `call.outcome`, `call.threw` and `call.result` tell how. An abandoned one ends when it is given up,
   * with the error of whoever did that. Told once for each run of what `trace` has returned, unless that never began.
   */
  attemptEnded(attempt: OperationContext, call: Call): void;
  /** A call has ended, as for a meter. `call.operation` is what `trace` has returned. Keep nothing of the call. */
  settled(call: Call): void;
}
