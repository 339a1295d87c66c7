// Stops calling a dependency that fails, and finds out with a few probes when it has recovered. Every change of state
// starts a generation: a result of an older one is dropped. Transitions are decided from the clock when a call comes,
// never by a timer, because on Workers a timer dies with the request that started it.
import type { Call } from "./call.ts";
import { type Clock, maxDelayMs, systemClock } from "./clock.ts";
import { CircuitOpenError, withoutStack } from "./errors.ts";
import { checkInteger, checkName, checkNumber, rejectOption } from "./options.ts";
import type { Policy } from "./policy.ts";
import { consecutiveFailures, type Trip } from "./trip.ts";

export type CircuitState = "closed" | "open" | "half-open";

export interface CircuitBreakerOptions {
  /** Stands in the error, in events and in metrics. @default "default" */
  readonly name?: string;
  /** When the circuit opens: `consecutiveFailures()` or `countWindow()`. @default consecutiveFailures() */
  readonly trip?: Trip;
  /** How long the circuit stays open before it lets a probe through. Above 0. @default 30000 */
  readonly openMs?: number;
  /** Probes at a time while half-open, and successes needed to close. An integer of at least 1. @default 1 */
  readonly halfOpenPermits?: number;
  /** A probe that has not come back after this long counts as failed. Above 0. @default `openMs` */
  readonly probeLeaseMs?: number;
  /** @default systemClock */
  readonly clock?: Clock;
}

export type CircuitBreaker = Policy & {
  readonly kind: "circuit-breaker";
  readonly name: string;
  /** The state a call would find now. */
  readonly state: CircuitState;
};

class CircuitBreakerPolicy implements Policy {
  readonly kind = "circuit-breaker";
  readonly name: string;
  private readonly trip: Trip;
  private readonly openMs: number;
  private readonly halfOpenPermits: number;
  private readonly probeLeaseMs: number;
  private readonly clock: Clock;

  private lastState: CircuitState = "closed";
  private generation = 0;
  private openUntilMs = 0;
  private cause: unknown = undefined;
  /** When each probe under way was let through, by its call. */
  private readonly probes = new Map<Call, number>();
  private probeSuccesses = 0;

  constructor(options: Required<CircuitBreakerOptions>) {
    this.name = options.name;
    this.trip = options.trip;
    this.openMs = options.openMs;
    this.halfOpenPermits = options.halfOpenPermits;
    this.probeLeaseMs = options.probeLeaseMs;
    this.clock = options.clock;
  }

  get state(): CircuitState {
    return this.lastState === "open" && this.clock.now() >= this.openUntilMs ? "half-open" : this.lastState;
  }

  enter(call: Call, at: number): "pass" | "end" {
    if (this.lastState !== "closed" && !this.admitProbe(call)) return this.refuse(call);
    call.keep(at, this.generation);
    return "pass";
  }

  leave(call: Call, at: number): "pass" {
    if (call.recall(at) !== this.generation) return "pass";
    const { outcome } = call;
    if (this.lastState === "closed") {
      if (outcome !== "ignored" && this.trip.record(outcome !== "success")) this.open(call);
      return "pass";
    }
    this.probes.delete(call);
    if (outcome === "success") {
      this.probeSuccesses++;
      if (this.probeSuccesses >= this.halfOpenPermits) this.close(call);
    } else if (outcome !== "ignored") this.open(call);
    return "pass";
  }

  /** Not closed: whether this call may go on as a probe. */
  private admitProbe(call: Call): boolean {
    const nowMs = this.clock.now();
    if (this.lastState === "open") {
      if (nowMs < this.openUntilMs) return false;
      this.change("half-open");
      call.emit?.({ type: "circuit-breaker.half-opened", pipeline: call.pipeline.name, name: this.name });
    }
    for (const startedMs of this.probes.values()) {
      if (nowMs - startedMs < this.probeLeaseMs) continue;
      // The probe never came back: it hangs, or its request was killed. Either way it did not succeed.
      this.open(call);
      return false;
    }
    if (this.probes.size + this.probeSuccesses >= this.halfOpenPermits) return false;
    this.probes.set(call, nowMs);
    return true;
  }

  private refuse(call: Call): "end" {
    const retryAfterMs = this.retryAfterMs();
    call.emit?.({ type: "circuit-breaker.rejected", pipeline: call.pipeline.name, name: this.name, retryAfterMs });
    return call.refuse(withoutStack(() => new CircuitOpenError(this.name, retryAfterMs, this.cause)));
  }

  /** Until the circuit is half-open, or until the lease of the oldest probe ends. */
  private retryAfterMs(): number {
    const [oldestMs = 0] = this.probes.values();
    const untilMs = this.lastState === "open" ? this.openUntilMs : oldestMs + this.probeLeaseMs;
    return Math.max(0, untilMs - this.clock.now());
  }

  private open(call: Call): void {
    // An expired lease opens the circuit from `enter`, where the call carries no failure of its own.
    if (call.outcome !== "success") this.cause = call.result;
    this.change("open");
    this.openUntilMs = this.clock.now() + this.openMs;
    call.emit?.({
      type: "circuit-breaker.opened",
      pipeline: call.pipeline.name,
      name: this.name,
      openMs: this.openMs,
      cause: this.cause,
    });
  }

  private close(call: Call): void {
    this.change("closed");
    this.cause = undefined;
    call.emit?.({ type: "circuit-breaker.closed", pipeline: call.pipeline.name, name: this.name });
  }

  private change(state: CircuitState): void {
    this.lastState = state;
    this.generation++;
    this.probes.clear();
    this.probeSuccesses = 0;
    this.trip.reset();
  }
}

/**
 * Refuses calls with a `CircuitOpenError` while a dependency fails. `failure` and `dropped` outcomes count, `ignored`
 * ones (the caller left, one of our own policies refused) count nowhere.
 *
 * @throws {InvalidOptionError} for options out of bounds.
 */
export function circuitBreaker(options: CircuitBreakerOptions = {}): CircuitBreaker {
  const {
    name = "default",
    trip = consecutiveFailures(),
    openMs = 30_000,
    halfOpenPermits = 1,
    probeLeaseMs = openMs,
    clock = systemClock,
  } = options;
  checkName("circuitBreaker.name", name);
  if (typeof trip?.record !== "function")
    rejectOption("circuitBreaker.trip", "a trip such as consecutiveFailures()", trip);
  checkNumber("circuitBreaker.openMs", openMs, 0, maxDelayMs, true);
  checkInteger("circuitBreaker.halfOpenPermits", halfOpenPermits, 1);
  checkNumber("circuitBreaker.probeLeaseMs", probeLeaseMs, 0, maxDelayMs, true);
  return new CircuitBreakerPolicy({ name, trip, openMs, halfOpenPermits, probeLeaseMs, clock });
}
