// A pipeline made ready for `fetch`: the same policies, with what they cannot know about requests put around them.
import type { Call } from "../call.ts";
import type { Judgement } from "../execute-options.ts";
import type { Pipeline } from "../pipeline.ts";
import type { Policy } from "../policy.ts";
import { exchangeOf } from "./exchange.ts";
import type { Deadline } from "./guarded-body.ts";

/** Policies that send the operation itself again, and whose doing so can be stopped from around them. */
const repeatingKinds: ReadonlySet<string> = new Set(["retry", "hedge"]);

const isRepeating = (policy: Policy): boolean => repeatingKinds.has(policy.kind);

/** Whether a policy may send a request more than once. */
export function repeatsRequests({ policies }: Pipeline): boolean {
  return policies.some((policy) => isRepeating(policy) && (policy as { maxAttempts?: number }).maxAttempts !== 1);
}

/** The policies, and with them their state, stay those of the pipeline that was given. */
export function aroundExchange(given: Pipeline, judgement: Judgement<unknown>): Pipeline {
  const policies = given.policies.map((policy) => (isRepeating(policy) ? onlyRepeatable(policy) : policy));
  policies.splice(given.firstRepeat, 0, deadlineMark);
  return given.rebuilt(judgement, policies);
}

/**
 * Stands where the timeouts of the whole call are armed and those of an attempt are not yet. The former go on to count
 * while the response's body is read.
 */
const deadlineMark: Policy = {
  kind: "resilient-fetch",
  enter(call) {
    const exchange = exchangeOf(call.options);
    if (exchange !== undefined) exchange.deadline = deadlineOf(call);
    return "pass";
  },
};

function deadlineOf(call: Call): Deadline | null {
  const dueMs = call.nearestDeadline();
  if (dueMs === Number.POSITIVE_INFINITY) return null;
  for (let timer = call.timer; timer !== null; timer = timer.outer) {
    if (timer.dueMs !== dueMs) continue;
    const { timeoutMs } = call.pipeline.policies[timer.at] as { timeoutMs?: number };
    if (timeoutMs !== undefined) return { dueMs, timeoutMs, scope: "total" };
  }
  return { dueMs, timeoutMs: call.remainingMs(), scope: "deadline" };
}

/**
 * A retry or a hedge that lets requests be which must not, or cannot, be sent twice. To a retry an outcome that is not
 * to be repeated is shown as `ignored`: it then does what it does for every outcome that says nothing.
 */
function onlyRepeatable(policy: Policy): Policy {
  const { kind, repeats, cuts, failuresOnly, describe } = policy;
  const { budget } = policy as { readonly budget?: unknown };
  const mayRepeat = kind === "hedge" ? mayOverlap : maySendAgain;
  return {
    kind,
    // A hedge looks for its budget further out.
    ...(budget !== undefined && { budget }),
    ...(repeats !== undefined && { repeats }),
    ...(cuts !== undefined && { cuts }),
    ...(failuresOnly !== undefined && { failuresOnly }),
    ...(describe && { describe: () => describe.call(policy) }),
    ...(policy.enter && {
      enter: (call, at) => (mayRepeat(call) ? (policy.enter?.(call, at) ?? "pass") : "pass"),
    }),
    ...(policy.leave && {
      leave(call, at) {
        const { outcome } = call;
        if (policy.enter && !mayRepeat(call)) return "pass";
        const again = outcome === "success" || exchangeOf(call.options)?.repeatable !== false;
        if (!again) call.outcome = "ignored";
        const step = policy.leave?.(call, at) ?? "pass";
        if (!again) call.outcome = outcome;
        return step;
      },
    }),
    interrupt: (call, at) => policy.interrupt?.(call, at),
    ...(policy.gaveUp && { gaveUp: (call, at) => policy.gaveUp?.(call, at) }),
  };
}

function maySendAgain(call: Call): boolean {
  return exchangeOf(call.options)?.mayRepeat !== false;
}

function mayOverlap(call: Call): boolean {
  return exchangeOf(call.options)?.mayOverlap !== false;
}
