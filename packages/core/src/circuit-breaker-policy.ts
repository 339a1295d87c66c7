// The breaker's state machine. Every change of state or mode starts a generation: a result of an older one is dropped.
// There is no timer, because on Workers a timer dies with the request that started it. What time has done is found out
// when a call comes or ends, and then as of the moment it happened: an open time that began with a hung call begins when
// the call had hung too long, not when somebody noticed.
import type { Call } from "./call.ts";
import { hintOf, resultOf } from "./circuit-breaker-evidence.ts";
import { InFlight, InFlightList } from "./circuit-breaker-in-flight.ts";
import { OpenTime, type OpenTimeOptions } from "./circuit-breaker-open-time.ts";
import { Probes } from "./circuit-breaker-probes.ts";
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

  readonly #trip: Trip;
  readonly #timed: boolean;
  readonly #slowMs: number | undefined;
  readonly #openTime: OpenTime;
  readonly #probes: Probes;
  readonly #probeLeaseMs: number;
  readonly #clock: Clock;

  /** Everybody passes and nobody's duration is measured: a call needs the generation and nothing else. */
  #plain: boolean;
  /** The state beneath the mode. */
  #lastState: CircuitState = "closed";
  #generation = 0;
  /** The failure that opened the circuit, or the last one so far. */
  #cause: unknown = undefined;
  /** Half-open: the probes. Else: calls that are not slow yet, with a trip that measures durations. */
  readonly #inFlight = new InFlightList();

  constructor(settings: CircuitBreakerSettings) {
    this.name = settings.name;
    this.#trip = settings.trip;
    this.#slowMs = settings.trip.slowMs;
    this.#timed = settings.trip.timed === true;
    this.#openTime = new OpenTime(settings.openTime, settings.random);
    this.#probes = new Probes(settings.halfOpenPermits);
    this.#probeLeaseMs = settings.probeLeaseMs;
    this.#clock = settings.clock;
    this.#plain = this.#slowMs === undefined;
  }

  get busy(): boolean {
    return this.mode !== "normal" || this.state !== "closed";
  }

  get state(): CircuitState {
    if (this.mode === "forced-open") return "open";
    if (this.mode === "forced-closed" || this.mode === "disabled") return "closed";
    return this.#lastState === "open" ? this.#stateAt(this.#clock.now()) : this.#lastState;
  }

  get failureRatio(): number | undefined {
    const counts = this.#trip.counts?.(this.#clock.now());
    return counts && counts.failures / Math.max(1, counts.calls);
  }

  get slowRatio(): number | undefined {
    const counts = this.#slowMs === undefined ? undefined : this.#trip.counts?.(this.#clock.now());
    return counts && counts.slow / Math.max(1, counts.calls);
  }

  describe(): string {
    const trip = this.#trip.describe?.() ?? "its trip";
    return `"${this.name}", opens at ${trip}, for ${this.#openTime.firstMs} ms`;
  }

  enter(call: Call, at: number): "pass" | "end" {
    if (!this.#plain) return this.#admit(call, at);
    call.keep(at, this.#generation);
    return "pass";
  }

  leave(call: Call, at: number): "pass" {
    const kept = call.recall(at);
    if (kept === this.#generation) this.#record(call);
    else if (kept instanceof InFlight) this.#recordWatched(call, kept);
    return "pass";
  }

  setMode(mode: CircuitMode): void {
    checkMode("circuitBreaker.setMode", mode);
    if (mode === this.mode) return;
    const before = this.state;
    this.mode = mode;
    const { state } = this;
    if (state !== before) this.setByHand[state]++;
    this.#startGeneration();
  }

  snapshot(): CircuitSnapshot {
    const nowMs = this.#clock.now();
    const state = this.#stateAt(nowMs);
    const { openings, healthyInMs } = this.#openTime.snapshot(nowMs);
    return {
      mode: this.mode,
      state,
      openForMs: state === "open" ? this.#openTime.remainingMs(nowMs) : 0,
      openings,
      healthyInMs: state === "closed" ? healthyInMs : 0,
    };
  }

  restore(snapshot: CircuitSnapshot): void {
    checkSnapshot(snapshot);
    this.#openTime.restore(this.#clock.now(), snapshot);
    this.mode = snapshot.mode;
    this.#change(snapshot.state);
    this.#cause = undefined;
  }

  /** The way in for everything but a plain closed circuit. A call that passes without keeping anything counts nowhere. */
  #admit(call: Call, at: number): "pass" | "end" {
    const { mode } = this;
    if (mode === "disabled") return "pass";
    if (mode === "forced-open") return this.#refuse(call, this.#openTime.firstMs);
    const nowMs = this.#clock.now();
    this.#catchUp(call, nowMs);
    if (this.#lastState === "open" && mode !== "forced-closed") {
      this.#openTime.heed(nowMs);
      if (this.#stateAt(nowMs) === "open") return this.#refuse(call, this.#openTime.remainingMs(nowMs));
      this.#halfOpen(call);
    }
    if (this.#probing && this.#inFlight.size >= this.#probes.permits) {
      const oldestMs = this.#inFlight.oldest?.startedMs ?? nowMs;
      return this.#refuse(call, oldestMs + this.#probeLeaseMs - nowMs);
    }
    call.keep(at, this.#inFlight.add(nowMs, this.#generation));
    return "pass";
  }

  #refuse(call: Call, retryAfterMs: number): "pass" | "end" {
    if (this.mode === "metrics-only") {
      this.spared++;
      return "pass";
    }
    this.rejected++;
    call.emit?.({ type: "circuit-breaker.rejected", pipeline: call.pipeline.name, name: this.name, retryAfterMs });
    const { name } = this;
    const cause = this.#cause;
    return call.refuse(() => new CircuitOpenError(name, retryAfterMs, cause), retryAfterMs);
  }

  /** A call of this generation has ended, and nobody has looked at how long it took. */
  #record(call: Call): void {
    const { outcome } = call;
    // The clock is read only for a trip that looks at it, and when the circuit opens.
    const nowMs = this.#timed ? this.#clock.now() : 0;
    if (outcome === "success") {
      if (this.#trip.record("success", nowMs)) this.#tripped(call, this.#clock.now());
    } else if (outcome !== "ignored") {
      this.#cause = call.result;
      if (this.#trip.record(resultOf(call), nowMs)) this.#tripped(call, this.#clock.now(), hintOf(call));
    }
  }

  #recordFailure(call: Call, nowMs: number, slowSample: number | null): void {
    const trip = this.#trip;
    this.#cause = call.result;
    const opens =
      slowSample === null ? trip.record(resultOf(call), nowMs) : trip.failSlow?.(slowSample, nowMs) === true;
    if (opens) this.#tripped(call, nowMs, hintOf(call));
  }

  /** A call whose start was noted has ended: a probe, or one whose duration counts. */
  #recordWatched(call: Call, entry: InFlight): void {
    if (entry.generation !== this.#generation) return;
    const nowMs = this.#clock.now();
    this.#catchUp(call, nowMs);
    if (entry.generation !== this.#generation) return;
    if (entry.slowSample === null) this.#inFlight.remove(entry);
    const { outcome } = call;
    if (outcome === "ignored") return;
    if (this.#probing) {
      if (outcome !== "success") {
        this.#cause = call.result;
        this.#open(call, nowMs, hintOf(call));
      } else if (this.#probes.succeeded()) this.#close(call, nowMs);
    } else if (outcome !== "success") this.#recordFailure(call, nowMs, entry.slowSample);
    else if (entry.slowSample === null && this.#trip.record("success", nowMs)) this.#tripped(call, nowMs);
  }

  /** Does what a timer would have done since: ends the lease of a probe, counts calls that have become slow. */
  #catchUp(call: Call, nowMs: number): void {
    const inFlight = this.#inFlight;
    const slowMs = this.#slowMs;
    const trip = this.#trip;
    const { oldest } = inFlight;
    // As for the open time: a clock that was set back must not lengthen a lease by as much.
    if (oldest !== null && nowMs < oldest.startedMs) oldest.startedMs = nowMs;
    if (this.#probing) {
      const endedMs = (oldest?.startedMs ?? nowMs) + this.#probeLeaseMs;
      // The probe never came back: it hangs, or its request was killed. Either way it did not succeed.
      if (nowMs >= endedMs) this.#open(call, endedMs);
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
      if (opens && trip.counts?.(slowAtMs).failures === 0) this.#cause = undefined;
      if (opens) this.#tripped(call, slowAtMs);
    }
  }

  get #probing(): boolean {
    return this.#lastState === "half-open" && this.mode !== "forced-closed";
  }

  #stateAt(nowMs: number): CircuitState {
    return this.#lastState === "open" && this.#openTime.remainingMs(nowMs) <= 0 ? "half-open" : this.#lastState;
  }

  /** The trip says open. */
  #tripped(call: Call, sinceMs: number, hintMs?: number): void {
    if (this.mode !== "forced-closed") this.#open(call, sinceMs, hintMs);
  }

  #open(call: Call, sinceMs: number, hintMs = 0): void {
    const openMs = this.#openTime.open(sinceMs, this.#lastState === "closed", hintMs);
    this.#change("open");
    this.opened++;
    call.emit?.({
      type: "circuit-breaker.opened",
      pipeline: call.pipeline.name,
      name: this.name,
      openMs,
      cause: this.#cause,
    });
  }

  #halfOpen(call: Call): void {
    this.#change("half-open");
    this.halfOpened++;
    call.emit?.({ type: "circuit-breaker.half-opened", pipeline: call.pipeline.name, name: this.name });
  }

  #close(call: Call, nowMs: number): void {
    this.#change("closed");
    this.#openTime.close(nowMs);
    this.#cause = undefined;
    this.closed++;
    call.emit?.({ type: "circuit-breaker.closed", pipeline: call.pipeline.name, name: this.name });
  }

  #change(state: CircuitState): void {
    this.#lastState = state;
    this.#trip.reset();
    this.#startGeneration();
  }

  #startGeneration(): void {
    const { mode } = this;
    this.#generation++;
    this.#inFlight.clear();
    this.#probes.reset();
    const all =
      mode === "forced-closed" || (this.#lastState === "closed" && (mode === "normal" || mode === "metrics-only"));
    this.#plain = all && this.#slowMs === undefined;
  }
}
