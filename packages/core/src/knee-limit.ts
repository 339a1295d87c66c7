// v1
import type { Limit, LimitSample } from "./limit.ts";
import { LimitWindow } from "./limit-window.ts";
import { checkInteger } from "./options.ts";

export interface KneeLimitOptions {
  /** Where an idle limit stays at least, as nothing speaks against so much. An integer from 1 to `maxLimit`. @default 20 */
  readonly initialLimit?: number;
  /** An integer of at least 1. @default 1000 */
  readonly maxLimit?: number;
}

const minWindowMs = 500;
const maxWindowMs = 5000;
const minSamples = 20;
const leastLimit = 0.02;
const maxPauseMs = 10_000;

interface Descent {
  /** Where it began. */
  readonly startMs: number;
  readonly startLimit: number;
  /** The most attempts per millisecond in a window since. */
  rate: number;
  /** From where on down it has not become faster. */
  limit: number;
  meanMs: number;
  uncertainty: number;
  /** Since then. */
  count: number;
  sumMs: number;
}

class Knee implements Limit {
  readonly kind = "knee";
  limit: number;
  /** The limit before rounding. */
  base: number;
  /** How long an attempt takes while the limit does not bind. */
  baselineMs = 0;
  /** How long one takes that waits for nobody, as a share of the baseline. */
  unloaded = 1;
  private readonly initialLimit: number;
  private readonly maxLimit: number;
  private readonly window = new LimitWindow();
  private cold = true;
  private resumeMs = 0;
  private growTo = 0;
  private epochMs = Number.NEGATIVE_INFINITY;
  private carry = 0.5;
  private descent: Descent | undefined;
  private wasFull = false;
  private crest = 0;
  private streak = 0;
  private rests = 0;
  private untilProbe = 20;
  private probing = 0;
  private lastMeanMs = 0;
  private lastUncertainty = 0;
  private lastLimit = 0;
  debug: string = "";

  constructor(options: Required<KneeLimitOptions>) {
    this.initialLimit = options.initialLimit;
    this.maxLimit = options.maxLimit;
    this.limit = this.base = options.initialLimit;
  }

  observe(sample: LimitSample): void {
    const { window } = this;
    const nowMs = sample.endMs;
    window.add(sample);
    if (this.growTo > this.base && sample.outcome === "success" && sample.startMs >= this.epochMs) {
      if (nowMs - sample.startMs <= 3 * this.baselineMs) {
        this.base = this.base < 1 ? Math.min(1, this.base * 2) : this.base + 1;
        this.limit = Math.max(1, Math.floor(this.base));
      } else this.growTo = 0;
    }
    if (this.ripe(nowMs)) this.close(nowMs);
    if (this.base < 1) {
      this.resumeMs = nowMs + Math.min(maxPauseMs, (nowMs - sample.startMs) * (1 / this.base - 1));
      this.limit = 0;
    }
  }

  full(nowMs: number, inFlight: number): void {
    if (this.cold) {
      this.limit = Math.min(this.maxLimit, Math.max(this.limit, inFlight + 1));
      if (this.limit > inFlight) return;
    }
    this.window.addFull(nowMs, inFlight);
    if (this.ripe(nowMs)) this.close(nowMs);
    if (this.limit === 0 && nowMs >= this.resumeMs) this.limit = 1;
  }

  private get margin(): number {
    return Math.min(0.5, 1 / Math.sqrt(Math.max(1, this.base)));
  }

  private ripe(nowMs: number): boolean {
    const { window } = this;
    const ageMs = nowMs - window.startMs;
    if (ageMs < minWindowMs) return false;
    if (ageMs >= maxWindowMs) return true;
    if (window.dropped >= Math.min(10, this.base)) return true;
    return window.count >= minSamples && window.uncertainty <= Math.min(0.1, this.margin / 2);
  }

  private close(nowMs: number): void {
    const { window } = this;
    const before = this.base;
    if (window.droppedShare >= 0.1) this.shrink(nowMs);
    else if (window.count > 0) {
      const slow = this.baselineMs > 0 && window.meanMs > this.baselineMs * (1 + 0.75 / Math.sqrt(Math.max(2, window.peak)));
      this.streak = Math.max(0, Math.min(16, this.streak + (slow ? 1 : -2)));
      const full = window.fullShare > (this.strained ? 0.005 : 0.05);
      if (full || this.probing > 0) this.steer(nowMs);
      else this.rest();
      this.wasFull = full;
      this.cold = false;
    } else if (window.full > 0 && window.peak === 0) this.base += Math.max(1, 0.1 * this.base);
    this.base = Math.min(this.maxLimit, Math.max(leastLimit, this.base));
    this.debug = `${(nowMs / 1000).toFixed(1)} n=${window.count} W=${window.meanMs.toFixed(1)} b=${this.baselineMs.toFixed(1)}*${this.unloaded.toFixed(2)} full=${window.fullShare.toFixed(2)} drop=${window.droppedShare.toFixed(2)} peak=${window.peak} base ${before.toFixed(2)}→${this.base.toFixed(2)} limit=${this.limit} probing=${this.probing} u=${window.uncertainty.toFixed(2)}`;
    this.hand();
    window.reset(nowMs);
  }

  private get strained(): boolean {
    return this.streak >= 8;
  }

  private hand(): void {
    const goal = this.probing > 0 ? this.base * 0.7 : this.base;
    if (goal < 1) {
      if (this.limit > 1) this.limit = 1;
      return;
    }
    const limit = Math.max(1, Math.floor(goal + this.carry));
    this.carry = Math.min(1, Math.max(0, this.carry + goal - limit));
    this.limit = limit;
  }

  private shrink(nowMs: number): void {
    const { droppedShare } = this.window;
    this.growTo = Math.max(this.growTo, this.base * 0.75);
    this.base *= Math.max(0.5, 1 - 2 * droppedShare);
    this.epochMs = nowMs;
    this.descent = undefined;
    this.probing = 0;
    this.cold = false;
  }

  /** The limit does not bind. */
  private rest(): void {
    const { window, initialLimit } = this;
    const { meanMs, peak, uncertainty } = window;
    this.descent = undefined;
    this.crest = Math.max(peak, 0.98 * this.crest);
    if (this.baselineMs === 0) this.baselineMs = meanMs;
    const surelyLower = meanMs < this.baselineMs * (1 - 3 * uncertainty);
    const calm = meanMs <= this.baselineMs * (1 + Math.max(uncertainty, this.margin / 2));
    const idle = peak <= 0.6 * this.base;
    let weight = surelyLower ? 0.5 : meanMs < this.baselineMs ? 0.03 : !idle ? 0 : calm ? 0.03 : 0.003;
    if (++this.rests < 20) weight = Math.max(weight, 1 / this.rests);
    this.baselineMs += weight * (meanMs - this.baselineMs);
    this.unloaded += 0.01 * (1 - this.unloaded);
    if (this.strained) this.base = Math.max(Math.min(this.base, 1.5 * this.crest), 0.97 * this.base);
    else if (calm) {
      if (this.base < 2 * this.crest || window.full > 0) this.base += Math.max(1, 0.1 * this.base);
      if (this.cold) this.base = Math.max(this.base, 2 * peak);
    }
    if (this.base > 3 * this.crest && this.base > initialLimit) this.base = Math.max(initialLimit, this.base * 0.98);
  }

  /** The limit binds. */
  private steer(nowMs: number): void {
    const { window } = this;
    const { meanMs, uncertainty } = window;
    if (this.baselineMs === 0) this.baselineMs = meanMs;
    if (this.probing > 0) {
      if (--this.probing === 0) this.learn();
      return;
    }
    const gain = 0.4 * Math.min(1, 0.1 / uncertainty);
    const goal = this.baselineMs * this.unloaded * (1 + this.margin);
    if (this.flat(nowMs, goal)) return;
    const step = Math.min(0.7, Math.max(-0.7, Math.log(goal / meanMs)));
    this.lastMeanMs = meanMs;
    this.lastUncertainty = uncertainty;
    this.lastLimit = this.base;
    if (step > 0 || this.wasFull) this.base *= Math.exp(gain * step);
    if (--this.untilProbe <= 0 && this.base >= 2) this.probing = 2;
  }

  /** The limit goes down and down and it does not become faster: what it waits for is not the queue. */
  private flat(nowMs: number, goal: number): boolean {
    const { window, descent, base } = this;
    const { meanMs, uncertainty, count, sumMs } = window;
    const rate = count / (nowMs - window.startMs);
    if (descent === undefined || base > descent.limit * 1.1) {
      this.descent = undefined;
      if (meanMs > goal)
        this.descent = { startMs: meanMs, startLimit: base, rate, limit: base, meanMs, uncertainty, count: 0, sumMs: 0 };
      return false;
    }
    descent.rate = Math.max(descent.rate, rate);
    const depth = Math.log(descent.limit / base);
    if (meanMs > 1.25 * descent.meanMs && depth < 0.5) {
      this.descent = { ...descent, startMs: Math.max(descent.startMs, meanMs), limit: base, meanMs, uncertainty, count: 0, sumMs: 0 };
      return false;
    }
    descent.count += count;
    descent.sumMs += sumMs;
    if (depth < Math.LN2) return false;
    const slope = Math.log(descent.meanMs / meanMs) / depth;
    const doubt = Math.hypot(uncertainty, descent.uncertainty) / depth;
    if (slope + doubt < 0.5) {
      const flatMs = descent.sumMs / descent.count;
      const knee = descent.startMs > flatMs * (1 + this.margin / 2 + uncertainty);
      this.unloaded = 1;
      this.baselineMs = knee ? flatMs : flatMs / (1 + this.margin);
      this.base = knee ? descent.rate * flatMs : descent.limit;
      if (knee) this.base = Math.min(descent.startLimit, this.base * (1 + this.margin));
      this.descent = undefined;
      this.untilProbe = 10;
      this.streak = 0;
      return true;
    }
    if (slope - doubt > 0.5) this.descent = { ...descent, limit: base, meanMs, uncertainty, count: 0, sumMs: 0 };
    return false;
  }

  /** Fewer were let through for a moment: was each of them faster? */
  private learn(): void {
    const { meanMs, uncertainty } = this.window;
    const unloadedMs = this.baselineMs * this.unloaded;
    const slope = Math.log(this.lastMeanMs / meanMs) / Math.log(this.lastLimit / (0.7 * this.base));
    const doubt = Math.hypot(uncertainty, this.lastUncertainty) / Math.log(1 / 0.7);
    this.untilProbe = 20;
    if (meanMs * (1 + 2 * uncertainty) < unloadedMs) {
      this.unloaded *= (meanMs * (1 + uncertainty)) / unloadedMs;
      this.untilProbe = 5;
    } else if (slope + doubt < 0.5 && meanMs > unloadedMs) {
      this.unloaded = Math.min(1, meanMs / this.baselineMs);
    }
  }
}

export function kneeLimit(options: KneeLimitOptions = {}): Limit {
  const { initialLimit = 20, maxLimit = 1000 } = options;
  checkInteger("kneeLimit.maxLimit", maxLimit, 1);
  checkInteger("kneeLimit.initialLimit", initialLimit, 1, maxLimit);
  return new Knee({ initialLimit, maxLimit });
}
