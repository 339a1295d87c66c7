// The seam behind which a rate limit may be kept elsewhere: in Redis, in a Durable Object, by a binding of the platform.
// Whoever answers is asked once per call, and has a time limit.
import type { Clock } from "./clock.ts";
import type { RateQuota } from "./rate-quota.ts";

/** What a backend answers. What it does not know it leaves out. */
export interface RateLimitAnswer {
  readonly allowed: boolean;
  readonly remaining?: number | undefined;
  readonly retryAfterMs?: number | undefined;
  readonly resetMs?: number | undefined;
}

/**
 * Decides instead of the process's memory. `cost` is above 0 and at most `quota.burst`. A backend that keeps the state of
 * `takeGcra` or `takeToken` decides exactly as memory does.
 */
export interface RateLimitBackend {
  take(key: string, cost: number, quota: RateQuota): RateLimitAnswer | PromiseLike<RateLimitAnswer>;
}

/** The answer, or why there is none. */
export type BackendOutcome =
  | { readonly answer: RateLimitAnswer; readonly failure?: undefined }
  | { readonly answer?: undefined; readonly failure: unknown };

/** A question that is waiting for its answer. */
export interface Asked {
  cancel(): void;
}

export interface Question {
  readonly backend: RateLimitBackend;
  readonly clock: Clock;
  readonly timeoutMs: number;
  readonly quota: RateQuota;
}

/**
 * Asks once. The answer is given directly when the backend answers at once; otherwise `answered` is called with it, once
 * and later, unless the question is cancelled before.
 */
export function askBackend(
  { backend, clock, timeoutMs, quota }: Question,
  key: string,
  cost: number,
  answered: (outcome: BackendOutcome) => void,
): BackendOutcome | Asked {
  let given: RateLimitAnswer | PromiseLike<RateLimitAnswer>;
  try {
    given = backend.take(key, cost, quota);
  } catch (failure) {
    return { failure };
  }
  if (typeof (given as PromiseLike<RateLimitAnswer> | undefined)?.then !== "function") return checked(given);

  let open = true;
  const settle = (outcome: BackendOutcome): void => {
    if (!open) return;
    open = false;
    timer.cancel();
    answered(outcome);
  };
  const timer = clock.after(timeoutMs, () =>
    settle({ failure: new Error(`The backend did not answer within ${timeoutMs} ms`) }),
  );
  void Promise.resolve(given).then(
    (answer) => settle(checked(answer)),
    (failure: unknown) => settle({ failure }),
  );
  return {
    cancel: () => {
      open = false;
      timer.cancel();
    },
  };
}

export function isPending(asked: BackendOutcome | Asked): asked is Asked {
  return "cancel" in asked;
}

function checked(answer: unknown): BackendOutcome {
  if (typeof (answer as RateLimitAnswer | undefined)?.allowed === "boolean")
    return { answer: answer as RateLimitAnswer };
  return { failure: new TypeError("The backend's answer has no `allowed`") };
}
