// Finds the knee: the point from which on more at once buys no throughput, only waiting. It looks at the latency to see
// that something may be wrong, and at what latency and throughput do while the limit moves to see what.
//
// - As long as the limit does not bind it learns the baseline: how long an attempt takes then.
// - Where it begins to bind and nothing is slow, the knee is further up: it grows by half per window until something is.
// - From then on it steers the latency to the baseline plus a margin of 1/(2√limit): half of the queue that keeps a server busy
//   whose work is of random length (the square-root rule of staffing; Halfin, Whitt 1981). The first half buys nearly all of
//   the throughput, and where several clients call one server, the margins of all of them add up.
// - While the limit binds, and for some time after, the latency may be the queue of other clients: then the baseline rises only
//   by the tests below. It sinks whenever attempts are surely faster than it.
// - A baseline may be wrong, and then every rule that follows it goes astray: that is what ruins the limits that are built on
//   one. So it is put to the test. Fewer are let through for a moment, now and then: does each become faster? And where
//   the limit sinks to half without any of them becoming faster, it was not the queue: the service itself takes so long.
//   The limit is then set to where the throughput began to fall with it: throughput × latency (Little's law). But where
//   neither what was further up nor what is now is half as slow again as it should be, it may be the queue of others: then the
//   baseline rises by a fifth at most, or clients would take each other's queues for the service, one after the other.
// - What was slow may be over from one moment to the next: a row of attempts that are quick again brings it back fast.
// - Drops shrink it at once, below one call at a time if need be: then by a pause after each attempt.
import { KneeBaseline } from "./knee-baseline.ts";
import { KneeDescent, marginOf } from "./knee-descent.ts";
import { KneeRecovery } from "./knee-recovery.ts";
import type { Limit, LimitLearnt, LimitSample } from "./limit.ts";
import { LimitWindow } from "./limit-window.ts";
import { checkInteger } from "./options.ts";

export interface KneeLimitOptions {
  /** Up to here the limit does not shrink for want of use. An integer from 1 to `maxLimit`. @default 20 */
  readonly initialLimit?: number;
  /** An integer of at least 1. @default 1000 */
  readonly maxLimit?: number;
}

// A window ends when the mean latency is known well enough, or after a time.
const minWindowMs = 500;
const maxWindowMs = 5000;
const minSamples = 20;
const knownWell = 0.1;
/** So many times slower than it should be need not be known as well: each step down costs work while it is found out why. */
const far = 4;
const knownRoughly = 0.15;

/** The limit binds when a larger share of calls than this finds no permit. */
const bindingShare = 0.05;
/** The same while it has been slow for long, and it may be we who make it slow. */
const bindingShareWhenSlow = 0.005;
const droppedShare = 0.1;
/** How fast it grows in search of the knee, per window. */
const searchRatio = 1.5;
/** How much of the way to the goal is gone in a window, and how far that may be, as a logarithm. */
const gain = 0.4;
const farthest = 0.7;
/** A window whose mean is hardly known moves the limit only so much of that. */
const leastTrust = 0.2;
/** How many are let through during a probe, and after how many windows the next one is made. */
const probeRatio = 0.7;
const probeEvery = 20;
const probeSoon = 5;
/** After how many slow windows more than others it counts as slow for long. */
const slowFor = 8;
const leastLimit = 0.02;
const longestPauseMs = 10_000;

class Knee implements Limit {
  readonly kind = "knee";
  limit: number;
  private readonly initialLimit: number;
  private readonly maxLimit: number;
  private readonly window = new LimitWindow();
  private readonly baseline = new KneeBaseline();
  private readonly descent = new KneeDescent();
  private readonly recovery = new KneeRecovery();
  /** The limit before it is rounded, and what rounding has left over. */
  private exact: number;
  private carry = 0.5;
  /** Nothing is known yet: nothing is refused below `maxLimit`. */
  private cold = true;
  /** The limit is where it is by habit, or since a hang: how far it is to the knee is not known, but that it is higher. */
  private searching = false;
  private slowWindows = 0;
  /** The most that was running of late. */
  private crest = 0;
  private wasBinding = false;
  private untilProbe = probeSoon;
  /** Windows of a probe that are left: the first still sees what began before it. */
  private probing = 0;
  private beforeProbe = { limit: 0, meanMs: 0, uncertainty: 0 };
  private resumeMs = 0;

  constructor({ initialLimit, maxLimit }: Required<KneeLimitOptions>) {
    this.initialLimit = initialLimit;
    this.maxLimit = maxLimit;
    this.limit = this.exact = initialLimit;
  }

  learnt(): LimitLearnt {
    return { limit: this.exact, baselineMs: this.baseline.ms === 0 ? null : this.baseline.ms };
  }

  restore({ limit, baselineMs }: LimitLearnt): void {
    const { initialLimit, maxLimit } = this;
    // All else begins anew.
    Object.assign(this, new Knee({ initialLimit, maxLimit }));
    this.limit = this.exact = Math.min(maxLimit, Math.max(1, limit));
    if (baselineMs === null) return;
    this.baseline.restore(baselineMs);
    this.cold = false;
    this.round();
  }

  observe(sample: LimitSample): void {
    const { startMs, endMs } = sample;
    this.window.add(sample);
    const recovered = this.recovery.after(sample, this.exact, this.baseline.ms, this.baseline.unloadedMs);
    if (recovered > this.exact) {
      this.exact = recovered;
      this.limit = Math.max(1, Math.floor(recovered));
    }
    if (this.isOver(endMs)) this.close(endMs);
    if (this.exact >= 1) return;
    this.resumeMs = endMs + Math.min(longestPauseMs, (endMs - startMs) * (1 / this.exact - 1));
    this.limit = 0;
  }

  full(nowMs: number, inFlight: number): void {
    if (this.cold && inFlight < this.maxLimit) {
      this.limit = Math.max(this.limit, Math.floor(inFlight) + 1);
      return;
    }
    this.window.addFull(nowMs, inFlight);
    if (this.isOver(nowMs)) this.close(nowMs);
    if (this.limit === 0 && nowMs >= this.resumeMs) this.limit = 1;
  }

  private get margin(): number {
    return marginOf(this.exact);
  }

  /** How long an attempt is to take while the limit binds. */
  private get goalMs(): number {
    return this.baseline.unloadedMs * (1 + this.margin);
  }

  private isOver(nowMs: number): boolean {
    const { window } = this;
    const ageMs = nowMs - window.startMs;
    if (ageMs < minWindowMs) return false;
    if (ageMs >= maxWindowMs || window.dropped >= Math.min(10, this.exact)) return true;
    // Before a step has had its effect a window shows what was before it.
    const enough = this.isFar && ageMs >= 2 * window.meanMs ? knownRoughly : Math.min(knownWell, this.margin / 2);
    return window.count >= minSamples && window.uncertainty <= enough;
  }

  private get isFar(): boolean {
    return this.baseline.ms > 0 && this.window.meanMs > far * this.goalMs;
  }

  private close(nowMs: number): void {
    const { window } = this;
    if (window.droppedShare >= droppedShare) this.shrink(nowMs);
    else if (window.count > 0) this.learn(nowMs);
    // Calls have come and none was let through, nor is one running: heavier ones than the limit, say.
    else if (window.full > 0 && window.peak === 0) this.grow();
    this.exact = Math.min(this.maxLimit, Math.max(leastLimit, this.exact));
    this.round();
    window.reset(nowMs);
  }

  /** Over many windows whole limits add up to the exact one. */
  private round(): void {
    const goal = this.probing > 0 ? this.exact * probeRatio : this.exact;
    if (goal < 1) {
      this.limit = Math.min(1, this.limit);
      return;
    }
    this.limit = Math.max(1, Math.floor(goal + this.carry));
    this.carry = Math.min(1, Math.max(0, this.carry + goal - this.limit));
  }

  private grow(): void {
    this.exact += Math.max(1, 0.1 * this.exact);
  }

  private shrink(nowMs: number): void {
    this.recovery.dropped(nowMs, this.exact);
    this.exact *= Math.max(0.5, 1 - 2 * this.window.droppedShare);
    // Where hardly anything succeeds the limit sinks far below the knee, and says nothing of where that is.
    this.searching = this.window.droppedShare > 0.5;
    this.cold = false;
    this.probing = 0;
    this.descent.end();
  }

  private learn(nowMs: number): void {
    const { window, baseline } = this;
    this.recovery.rate(window.count / (nowMs - window.startMs));
    if (baseline.rises(window, nowMs)) this.searching = true;
    const slow = window.meanMs > baseline.ms * (1 + 0.75 / Math.sqrt(Math.max(2, window.peak)));
    this.slowWindows = Math.max(0, Math.min(2 * slowFor, this.slowWindows + (slow ? 1 : -2)));
    const binding = window.fullShare > (this.slowWindows >= slowFor ? bindingShareWhenSlow : bindingShare);
    if (this.probing > 0) this.probe();
    else if (binding) this.steer(nowMs);
    else this.rest(nowMs);
    this.wasBinding = binding;
    this.cold = false;
  }

  /** The limit does not bind: it is to be out of the way, and yet not far when it is needed. */
  private rest(nowMs: number): void {
    const { window, baseline } = this;
    const { meanMs, peak, uncertainty } = window;
    this.descent.end();
    this.crest = Math.max(peak, 0.98 * this.crest);
    const calm = meanMs <= baseline.ms * (1 + Math.max(uncertainty, this.margin / 2));
    baseline.follow(window, nowMs, this.exact, calm);
    if (this.slowWindows >= slowFor) {
      // Others may be holding back for us.
      this.exact = Math.max(Math.min(this.exact, 1.5 * this.crest), 0.97 * this.exact);
    } else if (calm) {
      if (this.exact < 2 * this.crest || window.full > 0) this.grow();
      if (this.cold) this.exact = Math.max(this.exact, 2 * peak);
      this.searching = baseline.isAlone;
    }
    if (this.exact > 3 * this.crest && this.exact > this.initialLimit)
      this.exact = Math.max(this.initialLimit, 0.98 * this.exact);
  }

  /** The limit binds. */
  private steer(nowMs: number): void {
    const { window, baseline } = this;
    const { meanMs, uncertainty } = window;
    baseline.sink(window);
    const { goalMs } = this;
    const found = this.descent.step(window, nowMs, this.exact, goalMs);
    if (found !== undefined) {
      baseline.found(found.baselineMs);
      this.recovery.forget();
      this.exact = found.limit;
      this.slowWindows = 0;
      this.untilProbe = probeEvery / 2;
      return;
    }
    if (this.searching && meanMs <= goalMs) {
      this.exact *= searchRatio;
      return;
    }
    this.searching = false;
    this.beforeProbe = { limit: this.exact, meanMs, uncertainty };
    const way = Math.min(farthest, Math.max(-farthest, Math.log(goalMs / meanMs)));
    // A single window of many calls may be a coincidence.
    if (way > 0 || this.wasBinding) {
      const step = gain * Math.min(1, Math.max(leastTrust, knownWell / uncertainty));
      this.exact *= Math.exp(step * way);
      // A share of a small limit is next to nothing: health would be long refused for an overload that is over.
      if (way > 0) this.exact += step * Math.min(1, way / this.margin);
    }
    // While it sinks fast the descent tells what a probe would, and sooner.
    if (--this.untilProbe <= 0 && this.exact >= 2 && way > -farthest / 2) this.probing = 2;
  }

  /** Fewer are let through. Is each of them faster? */
  private probe(): void {
    if (--this.probing > 0) return;
    const { beforeProbe, window, baseline } = this;
    const { meanMs, uncertainty } = window;
    const depth = Math.log(beforeProbe.limit / (probeRatio * this.exact));
    const slope = Math.log(beforeProbe.meanMs / meanMs) / depth;
    const doubt = Math.hypot(uncertainty, beforeProbe.uncertainty) / -Math.log(probeRatio);
    this.untilProbe = probeEvery;
    if (meanMs * (1 + 2 * uncertainty) < baseline.unloadedMs) {
      baseline.foundLower(window);
      this.untilProbe = probeSoon;
    } else if (meanMs > baseline.unloadedMs && slope + doubt < 0.5 && baseline.foundHigher(window)) {
      this.searching = true;
    }
  }
}

/**
 * Lets as many through as the dependency can serve without making them wait, and finds out how many that is from latency and
 * throughput. Nothing has to be set.
 *
 * @throws {InvalidOptionError} for options out of bounds.
 */
export function kneeLimit(options: KneeLimitOptions = {}): Limit {
  const { maxLimit = 1000, initialLimit = Math.min(20, maxLimit) } = options;
  checkInteger("kneeLimit.maxLimit", maxLimit, 1);
  checkInteger("kneeLimit.initialLimit", initialLimit, 1, maxLimit);
  return new Knee({ initialLimit, maxLimit });
}
