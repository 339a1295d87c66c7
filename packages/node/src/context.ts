// What surrounds a piece of work without being handed from function to function: when its time is up, who may end it, and
// which trace it belongs to.
import { AsyncLocalStorage } from "node:async_hooks";
import { InvalidOptionError } from "@headgate/core";

/** The fields of W3C Trace Context, as they came or as they are to be sent on. */
export interface TraceContext {
  readonly traceparent: string;
  readonly tracestate?: string | undefined;
}

export interface AmbientContext {
  /** On the system clock: `performance.now() + 500`. */
  readonly deadline?: number | undefined;
  /** Its abort ends the work. */
  readonly signal?: AbortSignal | undefined;
  readonly trace?: TraceContext | undefined;
}

// The one state of this module: an AsyncLocalStorage tells contexts apart by itself, and holds nothing outside `run`.
const storage = new AsyncLocalStorage<AmbientContext>();

/**
 * Runs `fn`, and everything that it starts, in this context. Inside another context the earlier deadline holds, either
 * signal ends the work, and what is not given is inherited. While `fn` runs its signal follows both; what it leaves
 * running after it has settled is no longer ended by the outer one.
 *
 * @returns what `fn` returned.
 * @throws {InvalidOptionError} for a deadline that is no time.
 */
export function runWithContext<T>(context: AmbientContext, fn: () => T): T {
  const { deadline, signal, trace } = context;
  if (deadline !== undefined && !(deadline >= 0)) {
    throw new InvalidOptionError("runWithContext.deadline", "a time on the system clock", String(deadline));
  }
  const outer = storage.getStore();
  if (outer === undefined) return storage.run(context, fn);
  const nearest = Math.min(outer.deadline ?? Number.POSITIVE_INFINITY, deadline ?? Number.POSITIVE_INFINITY);
  const rest = {
    deadline: nearest === Number.POSITIVE_INFINITY ? undefined : nearest,
    trace: trace ?? outer.trace,
  };
  if (signal === undefined) return storage.run(new Inheriting(outer, rest), fn);
  const outerSignal = outer.signal;
  if (outerSignal === undefined || outerSignal === signal) return storage.run({ ...rest, signal }, fn);
  const both = eitherOf(outerSignal, signal);
  return untilSettled(() => storage.run({ ...rest, signal: both.signal }, fn), both.unlink);
}

/** Runs `fn` in exactly this context, whatever surrounds it. */
export function runInsideContext<A extends unknown[], T>(
  context: AmbientContext,
  fn: (...args: A) => T,
  ...args: A
): T {
  return storage.run(context, fn, ...args);
}

/** The context of the work that asks; undefined outside of any. */
export function currentContext(): AmbientContext | undefined {
  return storage.getStore();
}

/**
 * The context in the form that `execute` takes: `pipeline.execute(operation, { ...ambient(), key })`. The pipeline must be
 * on the system clock, as it is by default.
 */
export function ambient(): { readonly signal: AbortSignal | undefined; readonly deadline: number | undefined } {
  const context = storage.getStore();
  return { signal: context?.signal, deadline: context?.deadline };
}

/** A signal costs a controller where it is made on demand, so that an inherited one is asked for when it is wanted. */
class Inheriting implements AmbientContext {
  readonly deadline: number | undefined;
  readonly trace: TraceContext | undefined;
  readonly #outer: AmbientContext;

  constructor(outer: AmbientContext, { deadline, trace }: Omit<AmbientContext, "signal">) {
    this.#outer = outer;
    this.deadline = deadline;
    this.trace = trace;
  }

  get signal(): AbortSignal | undefined {
    return this.#outer.signal;
  }
}

// Not AbortSignal.any: it stays linked for as long as the longer-lived of the two lives, a kilobyte each time.
function eitherOf(first: AbortSignal, second: AbortSignal): { signal: AbortSignal; unlink: () => void } {
  const controller = new AbortController();
  const aborted = [first, second].find((each) => each.aborted);
  if (aborted) {
    controller.abort(aborted.reason);
    return { signal: controller.signal, unlink: () => {} };
  }
  const followFirst = () => controller.abort(first.reason);
  const followSecond = () => controller.abort(second.reason);
  first.addEventListener("abort", followFirst, { once: true });
  second.addEventListener("abort", followSecond, { once: true });
  return {
    signal: controller.signal,
    unlink: () => {
      first.removeEventListener("abort", followFirst);
      second.removeEventListener("abort", followSecond);
    },
  };
}

function untilSettled<T>(fn: () => T, unlink: () => void): T {
  let running = false;
  try {
    const result = fn();
    // Of other thenables nobody knows whether `then` would start them; they run where they are awaited, not in here.
    if (result instanceof Promise) {
      running = true;
      result.then(
        () => unlink(),
        () => unlink(),
      );
    }
    return result;
  } finally {
    if (!running) unlink();
  }
}
