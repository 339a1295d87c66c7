// What counting needs of a pipeline. It stands beside the observer because an event for every call would be an object for
// every call: a meter is given the call itself.
import type { Call } from "./call.ts";
import type { Observer } from "./observer.ts";

/** Counts the calls of any number of pipelines. */
export interface Meter {
  /** Where the calls of pipelines of this name are counted. Asked once for each pipeline, when it is made. */
  meterOf(pipeline: string): PipelineMeter;
}

/** Counts the calls of one pipeline. What it throws is dropped, because counting must not change a call. */
export interface PipelineMeter {
  /**
   * A call has ended. `call.outcome`, `call.threw`, `call.result`, `call.attempt` and `call.elapsedMs()` tell how; the
   * error of a refusal is made when `call.result` is read. Keep nothing of the call.
   */
  settled(call: Call): void;
  /** Is told what else happens, `pipeline.settled` excepted. @default nobody */
  readonly observer?: Observer;
}
