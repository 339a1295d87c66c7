// A pipeline: an ordered list of policies, outermost first, around any asynchronous function.
import { Call, type ExecuteOptions, type Operation, goDown, settle } from "./call.ts";
import { type Clock, systemClock } from "./clock.ts";
import type { HeadgateEvent, Observer } from "./observer.ts";
import { checkFunction, checkName, rejectOption } from "./options.ts";
import type { Policy } from "./policy.ts";
import { linkTo } from "./signal-link.ts";

export interface PipelineOptions {
  /** Stands in errors, events and metrics. */
  readonly name: string;
  /** Is told what happens. @default none */
  readonly observer?: Observer | undefined;
  /** Where durations and remaining time come from. @default systemClock */
  readonly clock?: Clock;
}

const noOptions: ExecuteOptions<unknown> = {};

// `new Promise` hands its functions to an executor; one that is shared costs no closure per call.
let capturedResolve: (value: unknown) => void;
let capturedReject: (error: unknown) => void;
const capture = (resolve: (value: unknown) => void, reject: (error: unknown) => void) => {
  capturedResolve = resolve;
  capturedReject = reject;
};

export class Pipeline {
  readonly name: string;
  readonly policies: readonly Policy[];
  readonly clock: Clock;
  /** For each place, that of the next policy from there on inwards that has an `enter`. */
  readonly entered: readonly number[];
  /** For each place, that of the next policy outside it that is asked on success; -1 without any. */
  readonly leftOnSuccess: readonly number[];
  /** Whether a policy of this pipeline can end a call from outside: then an attempt's signal is its own. */
  readonly cuts: boolean;
  /** The place of the outermost policy that runs caller's code again; one past the last without any. */
  readonly firstRerun: number;
  /** Tells the observer; undefined without one. */
  readonly emit: ((event: HeadgateEvent) => void) | undefined;

  constructor(options: PipelineOptions, policies: readonly Policy[]) {
    this.name = options.name;
    this.policies = policies;
    const depth = policies.length;
    this.entered = Array.from({ length: depth + 1 }, (_, from) => {
      const next = policies.findIndex((policy, i) => i >= from && policy.enter !== undefined);
      return next < 0 ? depth : next;
    });
    this.leftOnSuccess = Array.from({ length: depth + 1 }, (_, from) =>
      policies.findLastIndex((policy, i) => i < from && policy.failuresOnly !== true),
    );
    this.clock = options.clock ?? systemClock;
    this.cuts = policies.some((policy) => policy.cuts === true);
    const firstRerun = policies.findIndex((policy) => policy.reruns === true);
    this.firstRerun = firstRerun < 0 ? policies.length : firstRerun;
    this.emit = options.observer && guarded(options.observer);
  }

  /**
   * Runs the operation through the policies.
   *
   * @returns what the operation returned, also when `isFailure` calls that a failure.
   * @throws what the operation threw, the same object; the reason of the caller's signal, unchanged; or the error of
   * the policy that decided: `TimeoutError`, `CircuitOpenError`, `ConcurrencyLimitError`.
   */
  execute<T>(operation: Operation<T>, options?: ExecuteOptions<T>): Promise<T> {
    const call = new Call(this, operation, (options as ExecuteOptions<unknown> | undefined) ?? noOptions);
    if (this.emit !== undefined) call.startedMs = this.clock.now();
    const signal = options?.signal;
    if (signal?.aborted) {
      call.conclude("ignored", true, signal.reason);
      settle(call);
    } else {
      goDown(call, 0);
      if (signal && call.phase !== "done") {
        // The operation's first part may have aborted it.
        if (signal.aborted) call.cut(-1, "ignored", signal.reason);
        else call.link = linkTo(signal, call);
      }
    }
    if (call.phase === "done")
      return (call.threw ? rejectLater(call.result) : Promise.resolve(call.result)) as Promise<T>;
    const promise = new Promise(capture);
    call.resolve = capturedResolve;
    call.reject = capturedReject;
    return promise as Promise<T>;
  }

  /** @internal The engine's last word on a call. */
  report(call: Call): void {
    this.emit?.({
      type: "pipeline.settled",
      pipeline: this.name,
      outcome: call.outcome,
      error: call.threw ? call.result : undefined,
      durationMs: this.clock.now() - call.startedMs,
      attempts: call.attempt,
    });
  }
}

// A rejection one microtask later finds its handler attached, which spares the host's bookkeeping of unhandled
// rejections: a third of the cost of a refusal.
function rejectLater(error: unknown): Promise<never> {
  return new Promise((_, reject) => {
    void Promise.resolve().then(() => reject(error));
  });
}

function guarded(observer: Observer): (event: HeadgateEvent) => void {
  return (event) => {
    try {
      observer(event);
    } catch {
      // Telling must not change a call.
    }
  };
}

/**
 * Composes policies, outermost first. A pipeline given among them stands for its policies.
 *
 * @param nameOrOptions the name for errors, events and metrics, or the options.
 */
export function pipeline(
  nameOrOptions: string | PipelineOptions,
  ...policies: readonly (Policy | Pipeline)[]
): Pipeline {
  const options = typeof nameOrOptions === "string" ? { name: nameOrOptions } : nameOrOptions;
  checkName("pipeline.name", options.name);
  if (options.observer !== undefined) checkFunction("pipeline.observer", options.observer);
  const flat = policies.flatMap((part) => (part instanceof Pipeline ? part.policies : [part]));
  flat.forEach((policy, i) => {
    const isPolicy = typeof policy?.leave === "function";
    if (!isPolicy) rejectOption(`pipeline("${options.name}") policy ${i + 1}`, "a policy", policy);
    if (flat.indexOf(policy) !== i)
      rejectOption(
        `pipeline("${options.name}") policy ${i + 1}`,
        "used once in a pipeline",
        `${policy.kind} a second time`,
      );
  });
  return new Pipeline(options, flat);
}
