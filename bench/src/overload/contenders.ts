// How a service may call its upstream. What is called "as documented" follows the first example of the library's own
// documentation; what is called "by an expert" is the best we know to set up, with a limit that fits this very upstream.
import { adaptive, standard } from "./headgate.ts";
import { usual } from "./setting.ts";
import * as cockatiel from "cockatiel";
import Opossum from "opossum";

/** Sends one request to the upstream and reads its response. */
export type Send = (signal?: AbortSignal) => Promise<string>;

/** `caller` aborts when the client hangs up. */
export type Contender = (send: Send) => (caller: AbortSignal) => Promise<string>;

const attemptMs = 1000;

/** What the upstream can do at once; known to the experts only. */
const { workers } = usual;

export const contenders = {
  fetch: (send) => () => send(),

  "fetch with a timeout": (send) => () => send(AbortSignal.timeout(attemptMs)),

  "cockatiel, as documented": (send) => {
    const { bulkhead, circuitBreaker, ConsecutiveBreaker, ExponentialBackoff, handleAll, retry, timeout, wrap } =
      cockatiel;
    const policy = wrap(
      retry(handleAll, { maxAttempts: 3, backoff: new ExponentialBackoff() }),
      circuitBreaker(handleAll, { halfOpenAfter: 10_000, breaker: new ConsecutiveBreaker(5) }),
      bulkhead(workers, workers),
      timeout(attemptMs, cockatiel.TimeoutStrategy.Aggressive),
    );
    return (caller) => policy.execute(({ signal }) => send(signal), caller);
  },

  "cockatiel, by an expert": (send) => {
    const { bulkhead, circuitBreaker, ExponentialBackoff, handleAll, retry, SamplingBreaker, timeout, wrap } =
      cockatiel;
    const handled = cockatiel.handleWhen((error) => !cockatiel.isBrokenCircuitError(error));
    const policy = wrap(
      bulkhead(workers + 4, workers / 2),
      retry(handled, { maxAttempts: 2, backoff: new ExponentialBackoff() }),
      circuitBreaker(handleAll, {
        halfOpenAfter: 1000,
        breaker: new SamplingBreaker({ threshold: 0.5, duration: 10_000 }),
      }),
      timeout(attemptMs, cockatiel.TimeoutStrategy.Aggressive),
    );
    return (caller) => policy.execute(({ signal }) => send(signal), caller);
  },

  "opossum, as documented": (send) => {
    const breaker = new Opossum(() => send(), { timeout: 3000, errorThresholdPercentage: 50, resetTimeout: 30_000 });
    return () => breaker.fire() as Promise<string>;
  },

  "opossum, by an expert": (send) => {
    const breaker = new Opossum(() => send(), {
      timeout: attemptMs,
      capacity: workers + 4,
      errorThresholdPercentage: 50,
      resetTimeout: 1000,
      errorFilter: (error) => (error as { code?: string }).code === "ESEMLOCKED",
    });
    return () => breaker.fire() as Promise<string>;
  },

  "Headgate, defaults only": standard,

  "Headgate, adaptive": adaptive,
} satisfies Record<string, Contender>;
