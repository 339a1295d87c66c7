// What the service calls and how much is asked of it. Times go with the mean service time, so that a run with slower work is the
// same run in slow motion.
import type { Phase } from "./clients.ts";

/** The upstream: so many workers, so long a call on average. */
export interface Upstream {
  readonly workers: number;
  readonly meanMs: number;
}

export interface Setting extends Upstream {
  /** Requests in the overload, as a multiple of what the upstream can do. */
  readonly overload: number;
}

/** What the libraries are compared with. */
export const usual: Setting = { workers: 20, meanMs: 50, overload: 2 };

/** What Headgate's defaults have to hold against as they are: from 5 workers to 200, from a little too much to four times. */
export const others: readonly Setting[] = [
  { workers: 5, meanMs: 50, overload: 2 },
  { workers: 5, meanMs: 50, overload: 4 },
  { workers: 20, meanMs: 50, overload: 1.2 },
  { workers: 50, meanMs: 100, overload: 2 },
  { workers: 200, meanMs: 400, overload: 2 },
];

/** An answer is good when it comes within this time: 500 ms where the work takes 50. */
export const goodMs = ({ meanMs }: Upstream): number => 10 * meanMs;

/** Clients give up after this time: 2 s where the work takes 50 ms. */
export const giveUpMs = ({ meanMs }: Upstream): number => 40 * meanMs;

/** Requests a second that the upstream can answer. */
export const capacity = ({ workers, meanMs }: Upstream): number => (workers * 1000) / meanMs;

/** Good answers a second that an oracle gets: no queue at the upstream, and it is never idle while somebody asks. */
export function attainable(upstream: Upstream, { perSecond, slowness }: Phase): number {
  const inTime = 1 - Math.exp(-goodMs(upstream) / (upstream.meanMs * slowness));
  return Math.min(perSecond, capacity(upstream) / slowness) * inTime;
}

/** A healthy time, an overload, a service that has become ten times slower, and a healthy time again. */
export function phasesOf(setting: Setting, durationMs: number): readonly Phase[] {
  const most = capacity(setting);
  return [
    { name: "healthy", perSecond: 0.75 * most, durationMs, slowness: 1 },
    { name: "overload", perSecond: setting.overload * most, durationMs, slowness: 1 },
    { name: "brown-out", perSecond: 0.75 * most, durationMs, slowness: 10 },
    { name: "recovery", perSecond: 0.75 * most, durationMs, slowness: 1 },
  ];
}
