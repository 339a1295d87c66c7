// When a call is hedged, and which of its attempts answers it. The first attempt runs in the call itself and costs a timer; only a
// hedge that is really sent is a fork of the call.
import type { Call } from "./call.ts";
import { forkInside } from "./call-inside.ts";
import type { Clock } from "./clock.ts";
import { isTimeout } from "./errors.ts";
import { type Ended, endOf, Fork, isAnswer, Race, superseded, wasPushedBack } from "./hedge-race.ts";
import type { Timers } from "./host-timers.ts";
import { LatencyQuantile, stepMs } from "./latency-quantile.ts";
import { hedgeOrder } from "./order-rules.ts";
import type { OrderRule, Outcome, Policy } from "./policy.ts";
import { made, newPromise } from "./promise-parts.ts";
import type { RetryBudget, RetryPermit } from "./retry-budget.ts";
import { sharedTimers, timersAreShared } from "#timers";

export interface HedgeSettings {
  readonly maxAttempts: number;
  readonly delayMs: number | undefined;
  readonly quantile: number;
  readonly minSamples: number;
  readonly budget: RetryBudget | undefined;
  readonly clock: Clock;
}

export class HedgePolicy implements Policy {
  readonly kind = "hedge";
  readonly orderRules: readonly OrderRule[] = hedgeOrder;
  readonly repeats = true;
  readonly cuts = true;
  readonly maxAttempts: number;
  readonly delayMs: number | undefined;
  readonly budget: RetryBudget | undefined;
  private readonly quantile: number;
  private readonly latencies: LatencyQuantile | null;
  private readonly clock: Clock;
  /** Of each delay that there was: a fixed one, or the steps of the quantile. */
  private readonly timers: (Timers<Race> | undefined)[] = [];
  private readonly goOn: (race: unknown) => void;
  hedges = 0;
  won = 0;
  budgetDenied = 0;
  pushedBack = 0;

  constructor({ maxAttempts, delayMs, quantile, minSamples, budget, clock }: HedgeSettings) {
    this.maxAttempts = maxAttempts;
    this.delayMs = delayMs;
    this.quantile = quantile;
    this.latencies = delayMs === undefined ? new LatencyQuantile(quantile, minSamples) : null;
    this.budget = budget;
    this.clock = clock;
    this.goOn = (race) => this.hedge(race as Race);
  }

  get currentDelayMs(): number {
    return this.delayOf(this.latencies === null ? 0 : this.latencies.stepAt(this.clock.now()));
  }

  describe(): string {
    const delay = this.delayMs === undefined ? `the ${this.quantile} quantile of latencies` : `${this.delayMs} ms`;
    return `${this.maxAttempts} attempts, the next after ${delay}`;
  }

  enter(call: Call, at: number): "pass" {
    const nowMs = call.readClock(this.clock);
    const race = new Race(call, at, nowMs, this.budget?.callStarted !== undefined && this.countsHere(call, at));
    call.keep(at, race);
    if (race.counted) this.budget?.callStarted?.(call);
    this.arm(race, nowMs);
    return "pass";
  }

  leave(call: Call, at: number): "pass" | "park" {
    const race = call.recall(at) as Race;
    if (call.cutting) {
      if (race.winner !== null) race.deliver(race.winner);
      else this.endFromOutside(race);
      return "pass";
    }
    this.sample(call, race.startedMs);
    race.firstRuns = false;
    if (!isAnswer(call) && race.forks !== null) return this.firstFailed(race);
    this.end(race, "ignored", race.open ? superseded(call.pipeline.name) : null);
    return "pass";
  }

  /** The first attempt has failed, and others still run. */
  interrupt(call: Call, at: number): void {
    this.endFromOutside(call.recall(at) as Race);
  }

  /** A call is counted by the outermost policy that draws on the budget. */
  private countsHere({ pipeline }: Call, at: number): boolean {
    for (let i = 0; i < at; i++) {
      if ((pipeline.policies[i] as { readonly budget?: unknown }).budget === this.budget) return false;
    }
    return true;
  }

  private delayOf(step: number): number {
    return this.delayMs ?? stepMs(step);
  }

  private arm(race: Race, nowMs: number): void {
    const step = this.latencies === null ? 0 : this.latencies.stepAt(nowMs);
    if (step < 0) return;
    race.delayMs = this.delayOf(step);
    race.timers = this.timers[step] ??= sharedTimers(this.clock, race.delayMs, (due) => this.expire(due));
    this.wait(race, nowMs);
  }

  private wait(race: Race, nowMs: number): void {
    if (timersAreShared) {
      // A timer that calls share fires in the context of another call: this one goes on in a reaction of its own.
      const woken = newPromise();
      race.wake = made.resolve;
      void woken.then(this.goOn);
    }
    race.timers?.start(race, nowMs);
  }

  /** One microtask later, as for any timeout: a result that is already there wins. */
  private expire(race: Race): void {
    if (race.wake !== null) race.wake(race);
    else void Promise.resolve(race).then(this.goOn);
  }

  private hedge(race: Race): void {
    const { call, at, delayMs } = race;
    if (race.over !== null) return;
    const { name } = call.pipeline;
    if (race.pushedBack) {
      this.pushedBack++;
      call.emit?.({ type: "hedge.pushed-back", pipeline: name, attempts: race.attempts });
      return;
    }
    // What waits for its turn inside is not slow: a hedge would wait behind it.
    if (race.firstRuns && call.at < call.pipeline.policies.length) return this.wait(race, this.clock.now());
    const permit = this.acquire(call);
    if (permit === false) {
      this.budgetDenied++;
      call.emit?.({ type: "hedge.budget-denied", pipeline: name, attempts: race.attempts });
      return;
    }
    const nowMs = this.clock.now();
    const fork = new Fork(++call.attempt, nowMs, typeof permit === "object" ? permit : null);
    (race.forks ??= []).push(fork);
    this.hedges++;
    race.attempts++;
    call.emit?.({ type: "hedge.started", pipeline: name, attempt: fork.attempt, delayMs });
    if (race.over !== null) return;
    if (race.attempts < this.maxAttempts) this.arm(race, nowMs);
    fork.inner = forkInside(call, at, (result) => {
      fork.result = result;
      if (fork.inner !== null) this.forkEnded(race, fork);
    });
    if (fork.result !== null) this.forkEnded(race, fork);
    else race.stopIfOver(fork);
  }

  /** A budget of the user's own that throws allows nothing: the call itself goes on. */
  private acquire(call: Call): boolean | RetryPermit {
    if (this.budget === undefined) return true;
    try {
      return this.budget.tryAcquire(call);
    } catch {
      return false;
    }
  }

  /** Not in a step of the call: it waits for the first attempt, or at this policy where that has failed. */
  private forkEnded(race: Race, fork: Fork): void {
    const inner = fork.inner as Call;
    if (race.over !== null) {
      if (fork.result?.ok) race.call.discard(fork.result.value);
      return;
    }
    fork.giveBack();
    race.remove(fork);
    this.sample(inner, fork.startedMs);
    if (isAnswer(inner)) this.win(race, fork, endOf(inner));
    else {
      this.note(race, inner);
      if (!race.open) this.allFailed(race);
    }
  }

  private win(race: Race, fork: Fork, ended: Ended): void {
    const { call, at } = race;
    const { name } = call.pipeline;
    this.won++;
    call.emit?.({ type: "hedge.won", pipeline: name, attempt: fork.attempt });
    // Whoever was told may have ended the call.
    if (race.over !== null) {
      if (!ended.threw) call.discard(ended.result);
      return;
    }
    const reason = superseded(name);
    race.winner = ended;
    this.end(race, "ignored", reason);
    if (race.firstRuns) call.cut(at, "ignored", reason);
    else {
      race.deliver(ended);
      call.finish(at);
    }
  }

  private firstFailed(race: Race): "pass" | "park" {
    const { call } = race;
    this.note(race, call);
    if (race.open) return "park";
    race.deliverFailure();
    this.end(race, "ignored", null);
    return "pass";
  }

  private allFailed(race: Race): void {
    const { call, at } = race;
    race.deliverFailure();
    this.end(race, "ignored", null);
    call.finish(at);
  }

  private note(race: Race, call: Call): void {
    (race.failed ??= []).push(endOf(call));
    if (wasPushedBack(call)) race.pushedBack = true;
  }

  /** The call is ended from further out: so are its hedges, with the same reason. */
  private endFromOutside(race: Race): void {
    const { outcome, result } = race.call;
    this.end(race, outcome, result);
  }

  /** What still runs has lost, or is ended with the call. */
  private end(race: Race, outcome: Outcome, reason: unknown): void {
    if (race.open && reason !== null) this.sampleCutShort(race);
    if (race.counted) this.budget?.callEnded?.();
    race.stop(outcome, reason);
  }

  /** That is a latency too: longer than so. */
  private sampleCutShort({ firstRuns, startedMs, forks }: Race): void {
    const { latencies } = this;
    if (latencies === null) return;
    const nowMs = this.clock.now();
    if (firstRuns) latencies.recordAtLeast(nowMs - startedMs, nowMs);
    for (const fork of forks ?? []) latencies.recordAtLeast(nowMs - fork.startedMs, nowMs);
  }

  /** Latencies of attempts that were answered; of those that timed out, and so were longer than that. */
  private sample(call: Call, startedMs: number): void {
    const { latencies } = this;
    if (latencies === null) return;
    const nowMs = this.clock.now();
    if (call.outcome === "success") latencies.record(nowMs - startedMs, nowMs);
    else if (call.threw && call.outcome === "dropped" && isTimeout(call.result))
      latencies.recordAtLeast(nowMs - startedMs, nowMs);
  }
}
