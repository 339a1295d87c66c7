// Refuses a share of the calls here, before they are sent, while the dependency turns calls away: what it would refuse costs it
// as much as what it serves. Source: Google SRE, "Handling Overload", Client-Side Throttling.
import { ThrottleWindow } from "./adaptive-throttle-window.ts";
import type { Call } from "./call.ts";
import { type Clock, maxDelayMs, systemClock } from "./clock.ts";
import { HeadgateError } from "./errors.ts";
import { checkInteger, checkName, checkNumber, rejectOption } from "./options.ts";
import { adaptiveThrottleOrder } from "./order-rules.ts";
import type { Policy } from "./policy.ts";
import { type Random, systemRandom } from "./random.ts";

export interface AdaptiveThrottleOptions {
  /** Stands in the error, in events and in metrics. @default "default" */
  readonly name?: string;
  /**
   * How many attempts are made for each that the dependency accepts, before any is refused here: K in the formula. At 2 as many
   * are sent in vain as are served, so that a recovery is seen soon; less protects the dependency more. At least 1, at most 100.
   * @default 2
   */
  readonly acceptMultiplier?: number;
  /** How far back attempts are looked at, in milliseconds. Longer than they take. Above 0, at most 2^31 - 1. @default 120000 */
  readonly windowMs?: number;
  /** The window moves on in so many steps. An integer from 1 to 1000. @default 20 */
  readonly buckets?: number;
  /** Nothing is refused while there are fewer attempts in the window. An integer of at least 1. @default 100 */
  readonly minCalls?: number;
  /** No greater share is refused: what goes through tells when the dependency has recovered. Above 0, below 1. @default 0.9 */
  readonly maxRejectRatio?: number;
  /** @default systemClock */
  readonly clock?: Clock;
  /** Who is refused. @default systemRandom */
  readonly random?: Random;
}

export type AdaptiveThrottle = Policy & {
  readonly kind: "adaptive-throttle";
  readonly name: string;
  /** The share of attempts that is refused now, 0 to `maxRejectRatio`. */
  readonly rejectRatio: number;
  /** Attempts in the window, those refused here included. */
  readonly requests: number;
  /** Those of them that the dependency has served, well or badly. */
  readonly accepts: number;
  /** Attempts refused so far. */
  readonly rejected: number;
};

/** The dependency turns calls away, and this one was not sent. */
export class AdaptiveThrottleError extends HeadgateError {
  /** The throttle's name. */
  readonly throttle: string;
  /** The share of attempts that was refused at that moment. */
  readonly rejectRatio: number;

  constructor(throttle: string, rejectRatio: number) {
    super("ERR_ADAPTIVE_THROTTLE", "adaptive-throttle");
    this.throttle = throttle;
    this.rejectRatio = rejectRatio;
  }

  override get name(): string {
    return "AdaptiveThrottleError";
  }

  override get refusal(): boolean {
    return true;
  }

  override get message(): string {
    return `The throttle "${this.throttle}" refuses ${Math.round(this.rejectRatio * 100)} % of the calls, because they are turned away`;
  }
}

class AdaptiveThrottlePolicy implements Policy {
  readonly kind = "adaptive-throttle";
  readonly orderRules = adaptiveThrottleOrder;
  readonly name: string;
  rejected = 0;
  private readonly acceptMultiplier: number;
  private readonly windowMs: number;
  private readonly minCalls: number;
  private readonly maxRejectRatio: number;
  private readonly clock: Clock;
  private readonly random: Random;
  private readonly window: ThrottleWindow;

  constructor(options: Required<AdaptiveThrottleOptions>) {
    this.name = options.name;
    this.acceptMultiplier = options.acceptMultiplier;
    this.windowMs = options.windowMs;
    this.minCalls = options.minCalls;
    this.maxRejectRatio = options.maxRejectRatio;
    this.clock = options.clock;
    this.random = options.random;
    this.window = new ThrottleWindow(options.windowMs, options.buckets);
  }

  get busy(): boolean {
    return this.rejectRatio > 0;
  }

  get rejectRatio(): number {
    this.window.advance(this.clock.now());
    return this.ratio();
  }

  get requests(): number {
    this.window.advance(this.clock.now());
    return this.window.started;
  }

  get accepts(): number {
    this.window.advance(this.clock.now());
    return this.window.accepted;
  }

  describe(): string {
    const most = Math.round(this.maxRejectRatio * 100);
    return `"${this.name}", at most ${most} % refused, by the last ${this.windowMs} ms`;
  }

  enter(call: Call, at: number): "pass" | "end" {
    const { window } = this;
    window.advance(call.readClock(this.clock));
    const ratio = this.ratio();
    // Counted now and not when it ends: attempts that hang would be seen when it is too late.
    window.start();
    if (ratio > 0 && this.random.next() < ratio) return this.refuse(call, ratio);
    call.keep(at, window.bucket);
    return "pass";
  }

  leave(call: Call, at: number): "pass" {
    const { outcome } = call;
    const bucket = call.recall(at) as number;
    if (outcome === "dropped") this.window.drop(bucket);
    else if (outcome === "ignored") this.window.forget(bucket);
    else this.window.accept(bucket);
    return "pass";
  }

  private ratio(): number {
    const { started, accepted, dropped } = this.window;
    // Without one attempt turned away those that have no answer yet are only under way: a start, a burst.
    if (dropped === 0 || started < this.minCalls) return 0;
    const ratio = (started - this.acceptMultiplier * accepted) / (started + 1);
    return Math.min(this.maxRejectRatio, Math.max(0, ratio));
  }

  private refuse(call: Call, rejectRatio: number): "end" {
    this.rejected++;
    const { name } = this;
    call.emit?.({ type: "adaptive-throttle.rejected", pipeline: call.pipeline.name, name, rejectRatio });
    return call.refuse(() => new AdaptiveThrottleError(name, rejectRatio));
  }
}

/**
 * Refuses calls at random with an `AdaptiveThrottleError` while the dependency turns calls away, with the probability
 * `max(0, (requests - acceptMultiplier × accepts) / (requests + 1))` over the last `windowMs`. Requests are all attempts, those
 * refused here included, from their start; accepts those that ended as `success` or `failure`. A `dropped` attempt was turned
 * away, an `ignored` one is not counted.
 *
 * Source: Google SRE, "Handling Overload", Client-Side Throttling.
 *
 * @throws {InvalidOptionError} for options out of bounds.
 */
export function adaptiveThrottle(options: AdaptiveThrottleOptions = {}): AdaptiveThrottle {
  const {
    name = "default",
    acceptMultiplier = 2,
    windowMs = 120_000,
    buckets = 20,
    minCalls = 100,
    maxRejectRatio = 0.9,
    clock = systemClock,
    random = systemRandom,
  } = options;
  checkName("adaptiveThrottle.name", name);
  checkNumber("adaptiveThrottle.acceptMultiplier", acceptMultiplier, 1, 100);
  checkNumber("adaptiveThrottle.windowMs", windowMs, 0, maxDelayMs, true);
  checkInteger("adaptiveThrottle.buckets", buckets, 1, 1000);
  checkInteger("adaptiveThrottle.minCalls", minCalls, 1);
  if (!(typeof maxRejectRatio === "number" && maxRejectRatio > 0 && maxRejectRatio < 1))
    rejectOption("adaptiveThrottle.maxRejectRatio", "a number above 0 and below 1", maxRejectRatio);
  if (typeof clock?.now !== "function") rejectOption("adaptiveThrottle.clock", "a clock", clock);
  if (typeof random?.next !== "function") rejectOption("adaptiveThrottle.random", "a source of chance", random);
  return new AdaptiveThrottlePolicy({
    name,
    acceptMultiplier,
    windowMs,
    buckets,
    minCalls,
    maxRejectRatio,
    clock,
    random,
  });
}
