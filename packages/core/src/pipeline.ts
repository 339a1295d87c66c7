// A pipeline: an ordered list of policies, outermost first, around any asynchronous function.
import type { Attempt } from "./attempt.ts";
import { Call } from "./call.ts";
import type { ExecuteOptions, Judgement, Operation } from "./execute-options.ts";
import { type Clock, maxDelayMs, systemClock } from "./clock.ts";
import { follow, goDown, type OperationResult, settle, toResult } from "./engine.ts";
import { InvalidOptionError, TimeoutError, withoutStack } from "./errors.ts";
import { both, guarded } from "./guarded-observer.ts";
import type { Meter, PipelineMeter } from "./meter.ts";
import type { HeadgateEvent, Observer } from "./observer.ts";
import { checkFunction, checkName, rejectOption } from "./options.ts";
import { checkOrder } from "./order.ts";
import type { Policy } from "./policy.ts";
import { made, newPromise } from "./promise-parts.ts";
import { linkTo } from "./signal-link.ts";
import { Route } from "./route.ts";
import type { Tracer } from "./tracer.ts";

export interface PipelineOptions extends Judgement<unknown> {
  /** Stands in errors, events and metrics. */
  readonly name: string;
  /** Is told what happens. @default none */
  readonly observer?: Observer | undefined;
  /** Counts the calls, for metrics. @default none */
  readonly meter?: Meter | undefined;
  /** Makes spans of the calls and their attempts. @default none */
  readonly tracer?: Tracer | undefined;
  /** Where durations and remaining time come from. @default systemClock */
  readonly clock?: Clock;
  /** Whether an order in which a policy can never act is refused. @default true */
  readonly checkOrder?: boolean;
}

const noOptions: ExecuteOptions<unknown> = {};

export class Pipeline {
  readonly name: string;
  readonly policies: readonly Policy[];
  readonly clock: Clock;
  readonly route: Route;
  /** Whether a policy of this pipeline can end a call from outside: then an attempt's signal is its own. */
  readonly cuts: boolean;
  /** The place of the outermost policy that runs caller's code again; one past the last without any. */
  readonly firstRerun: number;
  /** The place of the outermost policy that sends calls down more than once; one past the last without any. */
  readonly firstRepeat: number;
  /** A place for each policy's memory of a call; calls copy it when they need it. */
  readonly nothingKept: readonly unknown[];
  /** How results count where `execute` does not say it. */
  readonly judgement: Judgement<unknown>;
  /** Tells whoever wants to know what happens; undefined without anybody. */
  readonly emit: ((event: HeadgateEvent) => void) | undefined;
  /** Whether somebody wants to know how calls end, and how long they take. */
  readonly timed: boolean;
  readonly tracer: Tracer | undefined;
  readonly #options: PipelineOptions;
  readonly #isInner: boolean;
  readonly #observe: ((event: HeadgateEvent) => void) | undefined;
  readonly #meter: PipelineMeter | undefined;
  /** Calls that are not settled yet. On Workers a call whose request was killed never is. */
  inFlight = 0;
  /** @internal For each place, what is inside it as a pipeline, once that was asked for. */
  readonly insides: (Pipeline | undefined)[] = [];

  /** @param within the pipeline that this one is the inner part of, and the place that it begins after. */
  constructor(
    options: PipelineOptions,
    policies: readonly Policy[],
    within?: { readonly outer: Pipeline; readonly at: number },
  ) {
    const { name, clock = systemClock, observer, meter, tracer } = options;
    const { isFailure, isIgnored, isOverload, discard, retryAfterMs } = options;
    this.#options = options;
    this.#isInner = within !== undefined;
    this.name = name;
    this.policies = policies;
    this.route = new Route(policies);
    this.clock = clock;
    this.cuts = policies.some((policy) => policy.cuts === true);
    const depth = policies.length;
    // -1: what is outside this part repeats, so that all of it is inside.
    const first = (wanted: (policy: Policy) => boolean, outside: number | undefined) => {
      if (within !== undefined && within.at >= (outside as number)) return -1;
      const at = policies.findIndex(wanted);
      return at < 0 ? depth : at;
    };
    this.firstRepeat = first(({ repeats }) => repeats === true, within?.outer.firstRepeat);
    this.firstRerun = first(({ repeats, reruns }) => repeats === true || reruns === true, within?.outer.firstRerun);
    this.nothingKept = policies.map(() => undefined);
    this.judgement = { isFailure, isIgnored, isOverload, discard, retryAfterMs };
    this.#meter = meter?.meterOf(name);
    this.tracer = tracer;
    this.timed = observer !== undefined || meter !== undefined || tracer !== undefined;
    this.#observe = observer && guarded(observer);
    const counted = this.#meter?.observer && guarded(this.#meter.observer);
    this.emit = this.#observe && counted ? both(this.#observe, counted) : (this.#observe ?? counted);
  }

  /**
   * Runs the operation through the policies.
   *
   * @returns what the operation returned, also when `isFailure` calls that a failure.
   * @throws what the operation threw, the same object; the reason of the caller's signal, unchanged; or the error of
   * the policy that decided: `TimeoutError`, `CircuitOpenError`, `ConcurrencyLimitError`, …
   */
  execute<T>(operation: Operation<T>, options?: ExecuteOptions<T>): Promise<T> {
    const call = this.#begin(operation, options);
    if (call.phase === "done")
      return (call.threw ? rejectLater(call.result) : Promise.resolve(call.result)) as Promise<T>;
    if (endsWithOperation(call)) {
      call.resolve = call.reject = follow;
      return call.parked as Promise<T>;
    }
    const promise = newPromise();
    call.resolve = made.resolve;
    call.reject = made.reject;
    return promise as Promise<T>;
  }

  /**
   * Like `execute`, but never rejects: for hot paths, where throwing a refusal costs more than deciding it, and for
   * callers who want to know how the call counted.
   */
  attempt<T>(operation: Operation<T>, options?: ExecuteOptions<T>): Promise<OperationResult<T>> {
    const call = this.#begin(operation, options);
    if (call.phase === "done") return Promise.resolve(toResult(call)) as Promise<OperationResult<T>>;
    if (endsWithOperation(call)) {
      call.resolve = follow;
      return call.parked as Promise<OperationResult<T>>;
    }
    const promise = newPromise();
    call.resolve = made.resolve;
    return promise as Promise<OperationResult<T>>;
  }

  /** @internal This pipeline with other policies and another judgement: who is told, counts and traces stays. */
  rebuilt(judgement: Judgement<unknown>, policies: readonly Policy[]): Pipeline {
    return new Pipeline({ ...this.#options, ...judgement }, policies);
  }

  /** Sends a call on its way, until it is settled or waits for something. */
  #begin<T>(operation: Operation<T>, options: ExecuteOptions<T> | undefined): Call {
    const run = this.tracer === undefined ? operation : this.#traced(this.tracer, operation);
    const call = new Call(this, run, (options as ExecuteOptions<unknown> | undefined) ?? noOptions);
    if (this.timed) call.start(this.clock.now());
    if (options !== undefined && !this.#admits(call, options)) {
      settle(call);
      return call;
    }
    goDown(call, 0);
    if (options !== undefined && call.phase !== "done") this.#watch(call, options);
    return call;
  }

  #traced(tracer: Tracer, operation: Operation<unknown>): Operation<unknown> {
    try {
      return tracer.trace(this.name, operation);
    } catch {
      return operation;
    }
  }

  /** Whether the caller wants the call at all. */
  #admits(call: Call, { signal, deadline }: ExecuteOptions<never>): boolean {
    if (signal?.aborted) {
      call.conclude("ignored", true, signal.reason);
      return false;
    }
    if (deadline === undefined || this.clock.now() < deadline) return true;
    const error = Number.isNaN(deadline)
      ? new InvalidOptionError("execute.deadline", "a time on the pipeline's clock", "NaN")
      : this.#deadlineError(0);
    call.conclude("ignored", true, error);
    return false;
  }

  /** The call is under way: its caller may still leave, or be out of time. */
  #watch(call: Call, { signal, deadline }: ExecuteOptions<never>): void {
    // The operation's first part may have aborted it.
    if (signal?.aborted) return call.cut(-1, "ignored", signal.reason);
    if (signal) call.link = linkTo(signal, call);
    if (deadline === undefined || deadline === Number.POSITIVE_INFINITY) return;
    const leftMs = Math.max(0, deadline - this.clock.now());
    call.deadlineTimer = this.clock.after(Math.min(leftMs, maxDelayMs), () => {
      // One microtask later, as for any timeout: a result that is already there wins, and so does the caller's abort.
      void Promise.resolve().then(() => call.cut(-1, "ignored", this.#deadlineError(leftMs)));
    });
  }

  #deadlineError(leftMs: number): TimeoutError {
    const error = withoutStack(() => new TimeoutError(leftMs, "deadline"));
    error.pipeline = this.name;
    return error;
  }

  /** The pipeline as text, a line for each policy, outermost first. */
  describe(): string {
    const width = Math.max(0, ...this.policies.map(({ kind }) => kind.length));
    const lines = this.policies.map((policy) =>
      `  ${policy.kind.padEnd(width)}  ${policy.describe?.() ?? ""}`.trimEnd(),
    );
    return [`pipeline "${this.name}"`, ...lines, "  operation"].join("\n");
  }

  /** @internal The engine's word on an attempt. */
  attemptEnded(attempt: Attempt): void {
    try {
      this.tracer?.attemptEnded(attempt, attempt.call);
    } catch {
      // As for an observer.
    }
  }

  /** @internal The engine's last word on a call. */
  report(call: Call): void {
    try {
      this.#meter?.settled(call);
    } catch {
      // As for an observer.
    }
    try {
      // Work inside a call is no call of a caller's.
      if (!this.#isInner) this.tracer?.settled(call);
    } catch {
      // As for an observer.
    }
    this.#observe?.({
      type: "pipeline.settled",
      pipeline: this.name,
      outcome: call.outcome,
      error: call.threw ? call.result : undefined,
      durationMs: call.elapsedMs(),
      attempts: call.attempt,
    });
  }
}

/**
 * Whether nothing can settle the call before its operation has: then the caller is given the promise of the reaction to the
 * operation's own, and no promise is made for the call.
 */
function endsWithOperation({ at, pipeline, cuts, options }: Call): boolean {
  return at === pipeline.policies.length && !cuts && options.signal === undefined;
}

// A rejection one microtask later finds its handler attached, which spares the host's bookkeeping of unhandled
// rejections: a third of the cost of a refusal.
function rejectLater(error: unknown): Promise<never> {
  return new Promise((_, reject) => {
    void Promise.resolve().then(() => reject(error));
  });
}

/**
 * Composes policies, outermost first. A pipeline given among them stands for its policies.
 *
 * @param nameOrOptions the name for errors, events and metrics, or the options.
 * @throws {InvalidOptionError} for options out of bounds, and for what is no policy.
 * @throws {PolicyOrderError} for an order in which a policy can never act, with the fix.
 */
export function pipeline(
  nameOrOptions: string | PipelineOptions,
  ...policies: readonly (Policy | Pipeline)[]
): Pipeline {
  const options = typeof nameOrOptions === "string" ? { name: nameOrOptions } : nameOrOptions;
  checkName("pipeline.name", options.name);
  if (options.observer !== undefined) checkFunction("pipeline.observer", options.observer);
  if (options.meter !== undefined && typeof options.meter?.meterOf !== "function")
    rejectOption("pipeline.meter", "an object with a function `meterOf`", options.meter);
  if (options.tracer !== undefined && typeof options.tracer?.trace !== "function")
    rejectOption("pipeline.tracer", "an object with a function `trace`", options.tracer);
  const flat = policies.flatMap((part) => (part instanceof Pipeline ? part.policies : [part]));
  flat.forEach((policy, i) => {
    const isPolicy = typeof policy?.enter === "function" || typeof policy?.leave === "function";
    if (!isPolicy) rejectOption(`pipeline("${options.name}") policy ${i + 1}`, "a policy", policy);
    if (flat.indexOf(policy) !== i)
      rejectOption(
        `pipeline("${options.name}") policy ${i + 1}`,
        "used once in a pipeline",
        `${policy.kind} a second time`,
      );
  });
  if (options.checkOrder !== false) checkOrder(options.name, flat);
  return new Pipeline(options, flat);
}
