// The breaker's state machine. Every change of state or mode starts a generation: a result of an older one is dropped.
// There is no timer, because on Workers a timer dies with the request that started it. What time has done is found out
// when a call comes or ends, and then as of the moment it happened: an open time that began with a hung call begins when
// the call had hung too long, not when somebody noticed.
import type { Call } from "./call.ts";
import { hintOf, resultOf } from "./circuit-breaker-evidence.ts";
import { InFlight, InFlightList } from "./circuit-breaker-in-flight.ts";
import { OpenTime, type OpenTimeOptions } from "./circuit-breaker-open-time.ts";
import {
  type CircuitMode,
  type CircuitSnapshot,
  type CircuitState,
  checkMode,
  checkSnapshot,
} from "./circuit-breaker-snapshot.ts";
import type { Clock } from "./clock.ts";
import { CircuitOpenError } from "./errors.ts";
import { circuitBreakerOrder } from "./order-rules.ts";
import type { OrderRule, Policy } from "./policy.ts";
import type { Random } from "./random.ts";
import type { Trip } from "./trip.ts";

export interface CircuitBreakerSettings {
  readonly name: string;
  readonly trip: Trip;
  readonly openTime: OpenTimeOptions;
  readonly halfOpenPermits: number;
  readonly probeLeaseMs: number;
  readonly clock: Clock;
  readonly random: Random;
}

export class CircuitBreakerPolicy implements Policy {
  readonly kind = "circuit-breaker";
  readonly orderRules: readonly OrderRule[] = circuitBreakerOrder;
  readonly name: string;
  rejected = 0;
  spared = 0;
  opened = 0;
  closed = 0;
  halfOpened = 0;
  readonly setByHand: Record<CircuitState, number> = { closed: 0, open: 0, "half-open": 0 };
  mode: CircuitMode = "normal";

  private readonly trip: Trip;
  private readonly timed: boolean;
  private readonly slowMs: number | undefined;
  private readonly openTime: OpenTime;
  private readonly halfOpenPermits: number;
  private readonly probeLeaseMs: number;
  private readonly clock: Clock;

  /** Everybody passes and nobody's duration is measured: a call needs the generation and nothing else. */
  private plain: boolean;
  /** The state beneath the mode. */
  private lastState: CircuitState = "closed";
  private generation = 0;
  private openedAtMs = 0;
  private openForMs = 0;
  /** The failure that opened the circuit, or the last one so far. */
  private cause: unknown = undefined;
  /** Half-open: the probes. Else: calls that are not slow yet, with a trip that measures durations. */
  private readonly inFlight = new InFlightList();
  /** Half-open: how many probes may run at a time by now, and how many have succeeded since they may be so many. */
  private permits = 1;
  private successes = 0;

  constructor(settings: CircuitBreakerSettings) {
    this.name = settings.name;
    this.trip = settings.trip;
    this.slowMs = settings.trip.slowMs;
    this.timed = settings.trip.timed === true;
    this.openTime = new OpenTime(settings.openTime, settings.random);
    this.halfOpenPermits = settings.halfOpenPermits;
    this.probeLeaseMs = settings.probeLeaseMs;
    this.clock = settings.clock;
    this.plain = this.slowMs === undefined;
  }

  get busy(): boolean {
    return this.mode !== "normal" || this.state !== "closed";
  }

  get state(): CircuitState {
    if (this.mode === "forced-open") return "open";
    if (this.mode === "forced-closed" || this.mode === "disabled") return "closed";
    return this.lastState === "open" ? this.stateAt(this.clock.now()) : this.lastState;
  }

  get failureRatio(): number | undefined {
    const counts = this.trip.counts?.(this.clock.now());
    return counts && counts.failures / Math.max(1, counts.calls);
  }

  get slowRatio(): number | undefined {
    const counts = this.slowMs === undefined ? undefined : this.trip.counts?.(this.clock.now());
    return counts && counts.slow / Math.max(1, counts.calls);
  }

  describe(): string {
    const trip = this.trip.describe?.() ?? "its trip";
    return `"${this.name}", opens at ${trip}, for ${this.openTime.openMs} ms`;
  }

  enter(call: Call, at: number): "pass" | "end" {
    if (!this.plain) return this.admit(call, at);
    call.keep(at, this.generation);
    return "pass";
  }

  leave(call: Call, at: number): "pass" {
    const kept = call.recall(at);
    if (kept === this.generation) this.record(call);
    else if (kept instanceof InFlight) this.recordWatched(call, kept);
    return "pass";
  }

  setMode(mode: CircuitMode): void {
    checkMode("circuitBreaker.setMode", mode);
    if (mode === this.mode) return;
    const before = this.state;
    this.mode = mode;
    const { state } = this;
    if (state !== before) this.setByHand[state]++;
    this.startGeneration();
  }

  snapshot(): CircuitSnapshot {
    const nowMs = this.clock.now();
    const state = this.stateAt(nowMs);
    const { openings, healthyInMs } = this.openTime.snapshot(nowMs);
    return {
      mode: this.mode,
      state,
      openForMs: state === "open" ? this.remainingMs(nowMs) : 0,
      openings,
      healthyInMs: state === "closed" ? healthyInMs : 0,
    };
  }

  restore(snapshot: CircuitSnapshot): void {
    checkSnapshot(snapshot);
    const nowMs = this.clock.now();
    this.openTime.restore(nowMs, snapshot.openings, snapshot.healthyInMs);
    this.mode = snapshot.mode;
    this.change(snapshot.state);
    this.openedAtMs = nowMs;
    this.openForMs = Math.min(snapshot.openForMs, this.openTime.maxOpenMs);
    this.cause = undefined;
  }

  /** The way in for everything but a plain closed circuit. A call that passes without keeping anything counts nowhere. */
  private admit(call: Call, at: number): "pass" | "end" {
    const { mode } = this;
    if (mode === "disabled") return "pass";
    if (mode === "forced-open") return this.refuse(call, this.openTime.openMs);
    const nowMs = this.clock.now();
    this.catchUp(call, nowMs);
    if (this.lastState === "open" && mode !== "forced-closed") {
      // A clock that was set back must not keep the circuit open for as long as it went back.
      if (nowMs < this.openedAtMs) this.openedAtMs = nowMs;
      if (this.stateAt(nowMs) === "open") return this.refuse(call, this.remainingMs(nowMs));
      this.halfOpen(call);
    }
    if (this.probing && this.inFlight.size >= this.permits) {
      const oldestMs = this.inFlight.oldest?.startedMs ?? nowMs;
      return this.refuse(call, oldestMs + this.probeLeaseMs - nowMs);
    }
    call.keep(at, this.inFlight.add(nowMs, this.generation));
    return "pass";
  }

  private refuse(call: Call, retryAfterMs: number): "pass" | "end" {
    if (this.mode === "metrics-only") {
      this.spared++;
      return "pass";
    }
    this.rejected++;
    call.emit?.({ type: "circuit-breaker.rejected", pipeline: call.pipeline.name, name: this.name, retryAfterMs });
    const { name, cause } = this;
    return call.refuse(() => new CircuitOpenError(name, retryAfterMs, cause), retryAfterMs);
  }

  /** A call of this generation has ended, and nobody has looked at how long it took. */
  private record(call: Call): void {
    const { outcome } = call;
    // The clock is read only for a trip that looks at it, and when the circuit opens.
    const nowMs = this.timed ? this.clock.now() : 0;
    if (outcome === "success") {
      if (this.trip.record("success", nowMs)) this.tripped(call, this.clock.now());
    } else if (outcome !== "ignored") {
      this.cause = call.result;
      if (this.trip.record(resultOf(call), nowMs)) this.tripped(call, this.clock.now(), hintOf(call));
    }
  }

  private recordFailure(call: Call, nowMs: number, slowSample: number | null): void {
    const { trip } = this;
    this.cause = call.result;
    const opens =
      slowSample === null ? trip.record(resultOf(call), nowMs) : trip.failSlow?.(slowSample, nowMs) === true;
    if (opens) this.tripped(call, nowMs, hintOf(call));
  }

  /** A call whose start was noted has ended: a probe, or one whose duration counts. */
  private recordWatched(call: Call, entry: InFlight): void {
    if (entry.generation !== this.generation) return;
    const nowMs = this.clock.now();
    this.catchUp(call, nowMs);
    if (entry.generation !== this.generation) return;
    if (entry.slowSample === null) this.inFlight.remove(entry);
    const { outcome } = call;
    if (outcome === "ignored") return;
    if (this.probing) {
      if (outcome === "success") this.probeSucceeded(call, nowMs);
      else {
        this.cause = call.result;
        this.open(call, nowMs, hintOf(call));
      }
    } else if (outcome !== "success") this.recordFailure(call, nowMs, entry.slowSample);
    else if (entry.slowSample === null && this.trip.record("success", nowMs)) this.tripped(call, nowMs);
  }

  private probeSucceeded(call: Call, nowMs: number): void {
    if (++this.successes < this.permits) return;
    this.successes = 0;
    if (this.permits >= this.halfOpenPermits) this.close(call, nowMs);
    else this.permits = Math.min(2 * this.permits, this.halfOpenPermits);
  }

  /** Does what a timer would have done since: ends the lease of a probe, counts calls that have become slow. */
  private catchUp(call: Call, nowMs: number): void {
    const { inFlight, slowMs, trip } = this;
    const { oldest } = inFlight;
    // As for the open time: a clock that was set back must not lengthen a lease by as much.
    if (oldest !== null && nowMs < oldest.startedMs) oldest.startedMs = nowMs;
    if (this.probing) {
      const endedMs = (oldest?.startedMs ?? nowMs) + this.probeLeaseMs;
      // The probe never came back: it hangs, or its request was killed. Either way it did not succeed.
      if (nowMs >= endedMs) this.open(call, endedMs);
      return;
    }
    if (slowMs === undefined) return;
    for (let entry = oldest; entry !== null; entry = inFlight.oldest) {
      const slowAtMs = entry.startedMs + slowMs;
      if (nowMs < slowAtMs) return;
      inFlight.remove(entry);
      const opens = trip.record("slow", slowAtMs);
      entry.slowSample = trip.lastSample ?? 0;
      // Nothing failed lately: the circuit opens because calls are slow, and an old failure is not why.
      if (opens && trip.counts?.(slowAtMs).failures === 0) this.cause = undefined;
      if (opens) this.tripped(call, slowAtMs);
    }
  }

  private get probing(): boolean {
    return this.lastState === "half-open" && this.mode !== "forced-closed";
  }

  private stateAt(nowMs: number): CircuitState {
    return this.lastState === "open" && this.remainingMs(nowMs) <= 0 ? "half-open" : this.lastState;
  }

  /** Until an open circuit lets a probe through. */
  private remainingMs(nowMs: number): number {
    return Math.min(this.openForMs, this.openedAtMs + this.openForMs - nowMs);
  }

  /** The trip says open. */
  private tripped(call: Call, sinceMs: number, hintMs?: number): void {
    if (this.mode !== "forced-closed") this.open(call, sinceMs, hintMs);
  }

  private open(call: Call, sinceMs: number, hintMs = 0): void {
    this.openForMs = this.openTime.next(sinceMs, this.lastState === "closed", hintMs);
    this.openedAtMs = sinceMs;
    this.change("open");
    this.opened++;
    const { name, openForMs: openMs, cause } = this;
    call.emit?.({ type: "circuit-breaker.opened", pipeline: call.pipeline.name, name, openMs, cause });
  }

  private halfOpen(call: Call): void {
    this.change("half-open");
    this.halfOpened++;
    call.emit?.({ type: "circuit-breaker.half-opened", pipeline: call.pipeline.name, name: this.name });
  }

  private close(call: Call, nowMs: number): void {
    this.change("closed");
    this.openTime.closed(nowMs);
    this.cause = undefined;
    this.closed++;
    call.emit?.({ type: "circuit-breaker.closed", pipeline: call.pipeline.name, name: this.name });
  }

  private change(state: CircuitState): void {
    this.lastState = state;
    this.trip.reset();
    this.startGeneration();
  }

  private startGeneration(): void {
    const { mode } = this;
    this.generation++;
    this.inFlight.clear();
    this.permits = 1;
    this.successes = 0;
    const all =
      mode === "forced-closed" || (this.lastState === "closed" && (mode === "normal" || mode === "metrics-only"));
    this.plain = all && this.slowMs === undefined;
  }
}
