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

class Knee implements Limit {
  readonly kind = "knee";
  limit: number;
  /** The limit before rounding. */
  base: number;
  baselineMs = 0;
  private readonly initialLimit: number;
  private readonly maxLimit: number;
  private readonly window = new LimitWindow();
  private cold = true;
  private resumeMs = 0;
  private growTo = 0;
  private epochMs = Number.NEGATIVE_INFINITY;
  private carry = 0.5;
  private anchor: { limit: number; meanMs: number } | undefined;
  private untilProbe = 20;
  private probing = 0;
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
    return Math.min(1, 1 / Math.sqrt(Math.max(1, this.base)));
  }

  private ripe(nowMs: number): boolean {
    const { window } = this;
    const ageMs = nowMs - window.startMs;
    if (ageMs < minWindowMs) return false;
    if (ageMs >= maxWindowMs) return true;
    if (window.dropped >= Math.min(10, this.base)) return true;
    return window.count >= minSamples && window.uncertainty <= this.margin / 2;
  }

  private close(nowMs: number): void {
    const { window } = this;
    const before = this.base;
    if (window.droppedShare >= 0.1) this.shrink(nowMs);
    else if (window.count > 0) {
      if (window.fullShare > 0.05 || this.probing > 0) this.steer();
      else this.rest();
      this.cold = false;
    } else if (window.full > 0 && window.peak === 0) this.base += Math.max(1, 0.1 * this.base);
    this.base = Math.min(this.maxLimit, Math.max(leastLimit, this.base));
    this.hand();
    this.debug = `${(nowMs / 1000).toFixed(1)} n=${window.count} W=${window.meanMs.toFixed(1)} b=${this.baselineMs.toFixed(1)} full=${window.fullShare.toFixed(2)} drop=${window.droppedShare.toFixed(2)} peak=${window.peak} base ${before.toFixed(2)}→${this.base.toFixed(2)} limit=${this.limit} probing=${this.probing} u=${window.uncertainty.toFixed(2)}`;
    window.reset(nowMs);
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
    this.anchor = undefined;
    this.probing = 0;
    this.cold = false;
  }

  /** The limit does not bind. */
  private rest(): void {
    const { window, initialLimit } = this;
    const { meanMs, peak } = window;
    this.anchor = undefined;
    if (this.baselineMs === 0) this.baselineMs = meanMs;
    const surelyLower = meanMs < this.baselineMs * (1 - 3 * window.uncertainty);
    this.baselineMs += (surelyLower ? 0.5 : 0.03) * (meanMs - this.baselineMs);
    if (meanMs <= 1.5 * this.baselineMs) {
      if (this.base < 2 * peak || window.full > 0) this.base += Math.max(1, 0.1 * this.base);
      if (this.cold) this.base = Math.max(this.base, 2 * peak);
    }
    if (this.base > 3 * peak && this.base > initialLimit) this.base = Math.max(initialLimit, this.base * 0.98);
  }

  /** The limit binds. */
  private steer(): void {
    const { window } = this;
    const { meanMs } = window;
    if (this.baselineMs === 0) this.baselineMs = meanMs;
    if (this.probing > 0) {
      if (--this.probing === 0) {
        const lower = meanMs < this.baselineMs;
        this.untilProbe = meanMs < 0.9 * this.baselineMs ? 5 : 20;
        if (lower) this.baselineMs += 0.7 * (meanMs - this.baselineMs);
      }
      return;
    }
    const goal = this.baselineMs * (1 + this.margin);
    if (meanMs > goal * 1.15) {
      const { anchor } = this;
      if (anchor === undefined) this.anchor = { limit: this.base, meanMs };
      else if (this.base <= 0.6 * anchor.limit) {
        const slope = Math.log(anchor.meanMs / meanMs) / Math.log(anchor.limit / this.base);
        if (slope < 0.35) {
          this.baselineMs = meanMs;
          this.anchor = undefined;
          this.untilProbe = 10;
          return;
        }
        this.anchor = { limit: this.base, meanMs };
      }
    } else if (meanMs <= goal) this.anchor = undefined;
    const step = Math.min(0.7, Math.max(-0.7, Math.log(goal / meanMs)));
    this.base *= Math.exp(0.4 * step);
    if (--this.untilProbe <= 0 && this.base >= 2) {
      this.probing = 2;
    }
  }
}

export function kneeLimit(options: KneeLimitOptions = {}): Limit {
  const { initialLimit = 20, maxLimit = 1000 } = options;
  checkInteger("kneeLimit.maxLimit", maxLimit, 1);
  checkInteger("kneeLimit.initialLimit", initialLimit, 1, maxLimit);
  return new Knee({ initialLimit, maxLimit });
}
