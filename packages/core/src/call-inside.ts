// What is inside a policy, run in a call of its own: for work that outlasts the call, that several calls share, or that goes on
// beside what is inside already. Apart from the call, so that a bundle holds it only with a policy that does so.
import { Call } from "./call.ts";
import { goDown, type OperationResult, toResult } from "./engine.ts";
import type { ExecuteOptions } from "./execute-options.ts";
import type { TimeoutTimer } from "./host-timers.ts";
import { Pipeline } from "./pipeline.ts";

/** Of a call that was made here. */
interface InsideOptions extends ExecuteOptions<unknown> {
  readonly within: Call;
}

/** Whether the call was made inside another. */
export function isInside({ options }: Call): boolean {
  return (options as Partial<InsideOptions>).within !== undefined;
}

/** The call and those that it was made inside of, the outermost last. */
export function callsAround(call: Call): Call[] {
  const calls: Call[] = [];
  for (let each: Call | undefined = call; each; each = (each.options as Partial<InsideOptions>).within)
    calls.push(each);
  return calls;
}

/**
 * Runs everything inside the policy at `at` in a call of its own, for work that must outlast the call or that several
 * calls share: neither the call's signal nor its deadlines end it, but `cut(-1, …)` of the call that is returned. The
 * policies further out are not told. `settled` is called once, before this returns when nothing inside had to wait.
 */
export function runInside(call: Call, at: number, settled: (result: OperationResult<unknown>) => void): Call {
  return run(call, at, { ...call.options, signal: undefined, deadline: undefined, within: call }, null, settled);
}

/**
 * The same for work of the call alone, beside what is inside already: its deadlines are those of the call. Whoever forks a
 * call ends the fork with `cut(-1, …)` when the call is ended, or has another answer.
 */
export function forkInside(call: Call, at: number, settled: (result: OperationResult<unknown>) => void): Call {
  let { timer } = call;
  while (timer !== null && timer.at >= at) timer = timer.outer;
  return run(call, at, { ...call.options, signal: undefined, within: call }, timer, settled);
}

function run(
  call: Call,
  at: number,
  options: InsideOptions,
  timer: TimeoutTimer | null,
  settled: (result: OperationResult<unknown>) => void,
): Call {
  const inner = new Call(insideOf(call.pipeline, at), call.operation, options);
  inner.attempt = call.attempt;
  inner.history = call.history?.slice() ?? null;
  inner.timer = timer;
  goDown(inner, 0);
  if (inner.phase === "done") settled(toResult(inner));
  else inner.resolve = settled as (value: unknown) => void;
  return inner;
}

/** What is inside the policy at `at`, as a pipeline of its own. */
function insideOf(outer: Pipeline, at: number): Pipeline {
  const { judgement, name, clock, emit, tracer, policies, insides } = outer;
  return (insides[at] ??= new Pipeline(
    {
      ...judgement,
      name,
      clock,
      // Work inside a call is no call of a caller's, and is not counted as one.
      observer: emit && ((event) => event.type !== "pipeline.settled" && emit(event)),
      tracer,
    },
    policies.slice(at + 1),
    { outer, at },
  ));
}
