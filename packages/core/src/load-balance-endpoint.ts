// One endpoint: how loaded it looks, and whether it is out of use.
import { OpenTime, type OpenTimeOptions } from "./circuit-breaker-open-time.ts";
import type { Random } from "./random.ts";
import type { Trip, TripResult } from "./trip.ts";

/** `probing`: its time out of use is over, and one call at a time finds out how it is. */
export type EndpointState = "healthy" | "ejected" | "probing";

/** Latencies below it are not told apart: clocks of hosts are as coarse, and 0 would outweigh any number of calls. */
const minLatencyMs = 0.1;

/** More than any load, for an endpoint whose first call is still under way: one call finds out how it is, not all. */
const unknownLoad = 1e15;

export class Endpoint<E> {
  readonly value: E;
  readonly name: string;
  /** Calls under way, until their work has really ended. */
  inFlight = 0;
  picked = 0;
  ejections = 0;
  /** Results of calls of an older generation say nothing about it any more. */
  generation = 0;
  /** Out of use, or probing. */
  out = false;
  /** No longer among the endpoints: what its last calls end with concerns nobody. */
  gone = false;
  private untilMs = 0;
  private outForMs = 0;
  /** When the probe that is under way was sent; null without one. */
  private probedMs: number | null = null;
  readonly trip: Trip;
  private readonly outTime: OpenTime;
  private readonly decayMs: number;
  /** What calls are expected to take; null before the first has ended. */
  private peakMs: number | null = null;
  private peakAtMs = 0;

  constructor(
    value: E,
    name: string,
    trip: Trip,
    { outTime, decayMs, random }: { outTime: OpenTimeOptions; decayMs: number; random: Random },
  ) {
    this.value = value;
    this.name = name;
    this.trip = trip;
    this.outTime = new OpenTime(outTime, random);
    this.decayMs = decayMs;
  }

  /** What the latency is estimated at by now: it fades while nobody calls, so that a slow endpoint is tried again. */
  latencyMs(nowMs: number): number | undefined {
    if (this.peakMs === null) return undefined;
    return this.peakMs * Math.exp(-Math.max(0, nowMs - this.peakAtMs) / this.decayMs);
  }

  /** The expected latency, times the calls that would share the endpoint. */
  load(nowMs: number): number {
    const latencyMs = this.latencyMs(nowMs);
    if (latencyMs === undefined) return this.inFlight === 0 ? 0 : unknownLoad + this.inFlight;
    return latencyMs * (this.inFlight + 1);
  }

  /** A call has been served in this time. A longer one is believed at once, a shorter one little by little. */
  observe(elapsedMs: number, nowMs: number): void {
    const tookMs = Math.max(minLatencyMs, elapsedMs);
    if (this.peakMs === null || tookMs > this.peakMs) this.peakMs = tookMs;
    else {
      const kept = Math.exp(-Math.max(0, nowMs - this.peakAtMs) / this.decayMs);
      this.peakMs = this.peakMs * kept + tookMs * (1 - kept);
    }
    this.peakAtMs = nowMs;
  }

  /** A call took at least so long. */
  observeAtLeast(elapsedMs: number, nowMs: number): void {
    if (elapsedMs > (this.latencyMs(nowMs) ?? 0)) this.observe(elapsedMs, nowMs);
  }

  /** A call has failed. That it was quick speaks for nothing: the endpoint is taken to be no better than the slowest. */
  observeFailure(elapsedMs: number, slowestMs: number, nowMs: number): void {
    this.observe(Math.max(elapsedMs, this.peakMs ?? 0, slowestMs), nowMs);
  }

  state(nowMs: number): EndpointState {
    if (!this.out) return "healthy";
    return nowMs < this.untilMs ? "ejected" : "probing";
  }

  outMs(nowMs: number): number {
    return this.out ? Math.max(0, this.untilMs - nowMs) : 0;
  }

  /** Whether a call may go there. A probe that is not back after the time out of use is not waited for any longer. */
  isOpen(nowMs: number): boolean {
    if (!this.out) return true;
    if (nowMs < this.untilMs) return false;
    return this.probedMs === null || nowMs - this.probedMs >= this.outForMs;
  }

  /** A call goes there. */
  pick(nowMs: number): void {
    this.picked++;
    this.inFlight++;
    if (this.out) this.probedMs = nowMs;
  }

  /** The probe has ended without a word about the endpoint. */
  freeProbe(): void {
    this.probedMs = null;
  }

  /** Takes in how a call has ended that says something; true when the endpoint should go out of use. */
  record(result: TripResult, elapsedMs: number, nowMs: number): boolean {
    const { slowMs } = this.trip;
    const slow = result === "success" && slowMs !== undefined && elapsedMs >= slowMs;
    return this.trip.record(slow ? "slow" : result, nowMs);
  }

  /** Out of use: for how long, in milliseconds. */
  eject(nowMs: number, hintMs: number): number {
    this.outForMs = this.outTime.open(nowMs, !this.out, hintMs);
    this.out = true;
    this.untilMs = nowMs + this.outForMs;
    this.ejections++;
    this.begin();
    return this.outForMs;
  }

  /** In use again. */
  restore(nowMs: number): void {
    this.out = false;
    this.outTime.close(nowMs);
    this.begin();
  }

  private begin(): void {
    this.probedMs = null;
    this.generation++;
    this.trip.reset();
  }
}
