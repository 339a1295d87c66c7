// The attempts of one call that run beside each other: the first, in the call itself, and the hedges, each in a fork of it.
import type { Attempt } from "./attempt.ts";
import type { Call } from "./call.ts";
import type { OperationResult } from "./engine.ts";
import { isRefusal, SupersededError, withoutStack } from "./errors.ts";
import type { ClockTimer } from "./clock.ts";
import type { Timer, Timers } from "./host-timers.ts";
import type { Outcome } from "./policy.ts";
import type { RetryPermit } from "./retry-budget.ts";

/** What an attempt has ended with. */
export interface Ended {
  readonly outcome: Outcome;
  readonly threw: boolean;
  readonly result: unknown;
  readonly refusedForMs: number | null;
  readonly work: Attempt | null;
}

export class Fork {
  readonly attempt: number;
  readonly startedMs: number;
  /** Null until it has been sent down. */
  inner: Call | null = null;
  result: OperationResult<unknown> | null = null;
  /** What it has taken from the budget. */
  permit: RetryPermit | null;

  constructor(attempt: number, startedMs: number, permit: RetryPermit | null) {
    this.attempt = attempt;
    this.startedMs = startedMs;
    this.permit = permit;
  }

  giveBack(): void {
    this.permit?.release();
    this.permit = null;
  }
}

/** It stands itself among the timers of its delay. */
export class Race implements Timer {
  readonly call: Call;
  readonly at: number;
  readonly startedMs: number;
  /** Whether the budget was told of the call. */
  readonly counted: boolean;
  /** Among which it waits for its delay, or waited last. */
  timers: Timers<Race> | null = null;
  delayMs = 0;
  /** Makes the call go on in its own context, where the timer's would be another's. */
  wake: ((race: Race) => void) | null = null;
  dueMs = 0;
  previous: Timer | null = null;
  next: Timer | null = null;
  host: ClockTimer | null = null;

  attempts = 1;
  /** Whether the first attempt has not ended yet. */
  firstRuns = true;
  /** Hedges that run. */
  forks: Fork[] | null = null;
  /** Attempts that have ended without an answer for the caller, in that order. */
  failed: Ended[] | null = null;
  winner: Ended | null = null;
  /** The dependency has asked that the call is not sent again. */
  pushedBack = false;
  /** Set when the call has an answer, or has been ended: with what hedges are ended that were sent down just then. */
  over: { readonly outcome: Outcome; readonly reason: unknown } | null = null;

  constructor(call: Call, at: number, startedMs: number, counted: boolean) {
    this.call = call;
    this.at = at;
    this.startedMs = startedMs;
    this.counted = counted;
  }

  /** Whether an attempt still runs that may answer the call. */
  get open(): boolean {
    return this.firstRuns || (this.forks !== null && this.forks.length > 0);
  }

  remove(fork: Fork): void {
    if (this.forks !== null) this.forks = this.forks.filter((other) => other !== fork);
  }

  /** The call has its answer, or is ended: hedges that run are ended, and discard by themselves what they return late. */
  stop(outcome: Outcome, reason: unknown): void {
    this.over = { outcome, reason };
    this.timers?.stop(this);
    const { forks, failed, call } = this;
    if (forks === null) return;
    this.forks = null;
    // The caller aborts in a context of its own, as ever; whoever else ends the call may be a timer of another call.
    const byTimer = call.options.signal?.aborted !== true;
    for (const fork of forks) {
      fork.giveBack();
      fork.inner?.cut(-1, outcome, reason, byTimer);
    }
    for (const { threw, result } of failed ?? []) if (!threw) call.discard(result);
  }

  /** For a hedge that has ended the call itself, while it was sent down. */
  stopIfOver({ inner }: Fork): void {
    if (this.over !== null) inner?.cut(-1, this.over.outcome, this.over.reason);
  }

  /** The call goes on with this. */
  deliver(ended: Ended): void {
    const { call } = this;
    call.conclude(ended.outcome, ended.threw, ended.result);
    call.refusedForMs = ended.refusedForMs;
    call.work = ended.work;
  }

  /** Every attempt has failed: the first of them that has reached the dependency stands for all. */
  deliverFailure(): void {
    const { call } = this;
    const failed = this.failed ?? [];
    const chosen = failed.find(({ outcome }) => outcome !== "ignored") ?? failed[0];
    this.failed = failed.filter((ended) => ended !== chosen);
    call.history = [...(call.history ?? []), ...this.failed.map(({ result }) => result)];
    if (chosen !== undefined) this.deliver(chosen);
  }
}

/** What `call` carries up, kept. */
export function endOf(call: Call): Ended {
  const { outcome, threw, result, refusedForMs, work } = call;
  return { outcome, threw, result, refusedForMs, work };
}

/**
 * Whether the caller is answered with this whatever the other attempts do: a success, and what says nothing about the
 * dependency and would be the same again. A refusal of one of our policies may concern this attempt alone.
 */
export function isAnswer(call: Call): boolean {
  if (call.outcome === "success") return true;
  return call.outcome === "ignored" && call.refusedForMs === null && !(call.threw && isRefusal(call.result));
}

export function superseded(pipeline: string): SupersededError {
  const error = withoutStack(() => new SupersededError());
  error.pipeline = pipeline;
  return error;
}

/** Whether the dependency has asked that this call is not sent again. A question that throws is no wish. */
export function wasPushedBack(call: Call): boolean {
  try {
    return call.pushedBack;
  } catch {
    return false;
  }
}
