// Policies and pipelines whose own counts are read when somebody asks for the numbers.
import type {
  AdaptiveThrottle,
  CircuitBreaker,
  ConcurrencyLimit,
  LoadBalance,
  LoadShed,
  Pipeline,
  RateLimit,
} from "@headgate/core";
import { ByName } from "./counts.ts";

/** Those of one name. Their totals add up, and what one has counted stays when it is watched no more. */
export class Watched<P, Totals extends Readonly<Record<string, number>>> {
  readonly name: string;
  readonly now: Set<P> = new Set();
  readonly #read: (one: P) => Totals;
  #gone: Totals | undefined = undefined;

  constructor(name: string, read: (one: P) => Totals) {
    this.name = name;
    this.#read = read;
  }

  remove(one: P): void {
    if (!this.now.delete(one)) return;
    const last = this.#read(one);
    this.#gone = this.#gone === undefined ? last : plus(this.#gone, last);
  }

  totals(): Totals | undefined {
    let sum = this.#gone;
    for (const one of this.now) sum = sum === undefined ? this.#read(one) : plus(sum, this.#read(one));
    return sum;
  }

  /** What is now, added up. */
  sum(value: (one: P) => number): number {
    let sum = 0;
    for (const one of this.now) sum += value(one);
    return sum;
  }
}

function plus<Totals extends Readonly<Record<string, number>>>(a: Totals, b: Totals): Totals {
  const sum: Record<string, number> = { ...a };
  // Load shedders of one name may go by different signals.
  for (const [key, value] of Object.entries(b)) sum[key] = (sum[key] ?? 0) + value;
  return sum as Totals;
}

type Totals<Key extends string> = Readonly<Record<Key, number>>;

/** By what a transition led to, and who has made it. */
export type BreakerTotal =
  | "opened"
  | "closed"
  | "halfOpened"
  | "rejected"
  | "openedByHand"
  | "closedByHand"
  | "halfOpenedByHand";

const breakerTotals = ({ opened, closed, halfOpened, rejected, setByHand }: CircuitBreaker): Totals<BreakerTotal> => ({
  opened,
  closed,
  halfOpened,
  rejected,
  openedByHand: setByHand.open,
  closedByHand: setByHand.closed,
  halfOpenedByHand: setByHand["half-open"],
});

// What follows is keyed by the values of its attribute.

const limitTotals = (limit: ConcurrencyLimit): Totals<"full" | "timeout" | "displaced" | "weight"> => ({
  full: limit.rejectedFull,
  timeout: limit.rejectedWait,
  displaced: limit.rejectedDisplaced,
  weight: limit.rejectedWeight,
});

const rateTotals = ({
  admitted,
  degraded,
  rejected,
}: RateLimit): Totals<"acquired" | "rejected" | "degraded_open"> => ({
  acquired: admitted - degraded,
  rejected,
  degraded_open: degraded,
});

/** By class and signal, a space between the two. */
const shedTotals = ({ rejections }: LoadShed): Readonly<Record<string, number>> =>
  Object.fromEntries(
    rejections.map(({ priorityClass, signal, rejected }) => [`${priorityClass.replace("-", "_")} ${signal}`, rejected]),
  );

const throttleTotals = ({ rejected }: AdaptiveThrottle): Totals<"rejected"> => ({ rejected });

const balanceTotals = ({ ejections }: LoadBalance<unknown>): Totals<"ejections"> => ({ ejections });

export type WatchedBreakers = Watched<CircuitBreaker, ReturnType<typeof breakerTotals>>;
export type WatchedLimits = Watched<ConcurrencyLimit, ReturnType<typeof limitTotals>>;
export type WatchedRates = Watched<RateLimit, ReturnType<typeof rateTotals>>;
export type WatchedSheds = Watched<LoadShed, ReturnType<typeof shedTotals>>;
export type WatchedThrottles = Watched<AdaptiveThrottle, ReturnType<typeof throttleTotals>>;
export type WatchedBalances = Watched<LoadBalance<unknown>, ReturnType<typeof balanceTotals>>;
export type WatchedPipelines = Watched<Pipeline, Record<string, never>>;

/** Everything that is watched, by kind and name. */
export class Watchlist {
  readonly pipelines: ByName<WatchedPipelines> = new ByName((name) => new Watched(name, () => ({})));
  readonly breakers: ByName<WatchedBreakers> = new ByName((name) => new Watched(name, breakerTotals));
  readonly limits: ByName<WatchedLimits> = new ByName((name) => new Watched(name, limitTotals));
  readonly rates: ByName<WatchedRates> = new ByName((name) => new Watched(name, rateTotals));
  readonly sheds: ByName<WatchedSheds> = new ByName((name) => new Watched(name, shedTotals));
  readonly throttles: ByName<WatchedThrottles> = new ByName((name) => new Watched(name, throttleTotals));
  readonly balances: ByName<WatchedBalances> = new ByName((name) => new Watched(name, balanceTotals));

  /** Watches a policy. Gives the way to stop; undefined for one that has nothing to read. */
  policy(policy: { readonly kind?: unknown }): (() => void) | undefined {
    switch (policy.kind) {
      case "circuit-breaker":
        return add(this.breakers, policy as CircuitBreaker);
      case "concurrency-limit":
        return add(this.limits, policy as ConcurrencyLimit);
      case "rate-limit":
        return add(this.rates, policy as RateLimit);
      case "load-shed":
        return add(this.sheds, policy as LoadShed);
      case "adaptive-throttle":
        return add(this.throttles, policy as AdaptiveThrottle);
      case "load-balance":
        return add(this.balances, policy as LoadBalance<unknown>);
      default:
        return undefined;
    }
  }

  pipeline(pipeline: Pipeline): () => void {
    const stops = [add(this.pipelines, pipeline), ...pipeline.policies.map((policy) => this.policy(policy))];
    return () => {
      for (const stop of stops) stop?.();
    };
  }
}

function add<P extends { readonly name: string }, T extends Readonly<Record<string, number>>>(
  all: ByName<Watched<P, T>>,
  one: P,
): () => void {
  const watched = all.of(one.name);
  watched.now.add(one);
  return () => watched.remove(one);
}
