// The calls that wait for a permit: in which order, how long each may, and how one is made to go on. Who is given a permit is
// for the gate to say (`concurrency-limit-policy.ts`).
//
// Waking resolves a promise that the waiter made itself: it goes on in its own context, not on the stack of the call that
// released the permit or whose timer has fired.
import type { Clock } from "./clock.ts";
import type { ConcurrencyLimitOptions } from "./concurrency-limit.ts";
import type { Timers } from "./host-timers.ts";
import { made, newPromise } from "./promise-parts.ts";
import { StandingDelay } from "./standing-delay.ts";
import { ListQueue, PriorityQueue, type WaitQueue, type Waiter } from "./wait-queue.ts";
import { sharedTimers } from "#timers";

/** How long a hand-over may stay without being taken up. It normally takes a microtask. */
const handOverMs = 1000;

export class PermitQueue {
  /** Calls that wait. */
  length = 0;
  readonly maxWaitMs: number;
  /** How long who comes to a queue that stands may wait. */
  readonly #targetWaitMs: number;
  readonly #order: WaitQueue;
  /** The same, unless the order is `priority`. */
  readonly #list: ListQueue;
  readonly #waits: Timers<Waiter>;
  /** Where the order is `adaptive-lifo`: whether the queue stands, and the timers of those who come meanwhile. */
  readonly #delay: StandingDelay | undefined;
  readonly #briefWaits: Timers<Waiter>;
  /** Permits handed to a waiter that has not gone on yet. */
  readonly #handedOver = new ListQueue();
  readonly #goOn: (waiter: unknown) => void;
  readonly #expired: () => void;

  /**
   * `goOn` is called with a waiter that was woken, in its own context; `expired` when somebody has waited as long as he may,
   * which others may have waited for.
   */
  constructor(
    { order, maxWaitMs, targetWaitMs, clock }: Required<Omit<ConcurrencyLimitOptions, "maxConcurrent">>,
    goOn: (waiter: Waiter) => void,
    expired: () => void,
  ) {
    const expire = (waiter: Waiter) => this.#expire(waiter);
    this.maxWaitMs = maxWaitMs;
    this.#targetWaitMs = Math.min(targetWaitMs, maxWaitMs);
    this.#waits = this.#briefWaits = sharedTimers(clock, maxWaitMs, expire);
    this.#list = new ListQueue(order === "lifo");
    this.#order = order === "priority" ? new PriorityQueue() : this.#list;
    if (order === "adaptive-lifo") {
      this.#delay = new StandingDelay(this.#targetWaitMs);
      this.#briefWaits = sharedTimers(clock, this.#targetWaitMs, expire);
    }
    this.#goOn = goOn as (waiter: unknown) => void;
    this.#expired = expired;
  }

  /** Who goes on next. */
  get head(): Waiter | null {
    return this.#order.head;
  }

  /** Whether a newcomer of this priority goes on before everybody who waits, as where nobody does. */
  leads(priority: number): boolean {
    return this.#order.leads(priority);
  }

  /** Who gives up its place to a newcomer of this priority; null when nobody does. */
  displacedBy(priority: number): Waiter | null {
    return this.#order.displacedBy(priority);
  }

  /** A newcomer waits from now on. */
  add(waiter: Waiter, nowMs: number): void {
    waiter.brief = this.#stands(nowMs);
    this.#timersOf(waiter).start(waiter, nowMs);
    this.addAgain(waiter);
  }

  /** The same for who has waited before, and goes on waiting for no longer than that. */
  addAgain(waiter: Waiter): void {
    waiter.state = "queued";
    this.#order.add(waiter);
    this.length++;
    const woken = newPromise();
    waiter.wake = made.resolve;
    void woken.then(this.#goOn);
  }

  /** Makes a waiter go on, to be refused for this reason. */
  send(waiter: Waiter, state: Waiter["state"]): void {
    this.#remove(waiter);
    waiter.state = state;
    waiter.wake(waiter);
  }

  /** Makes a waiter go on with a permit. */
  grant(waiter: Waiter, nowMs: number): void {
    waiter.grantedMs = nowMs;
    this.#delay?.waited(nowMs, this.waitedMs(waiter), this.length > 1);
    this.send(waiter, "granted");
    this.#handedOver.add(waiter);
  }

  /** Its timeout is late, but will end it: an operation that starts now would be for nobody. */
  leaveLate(waiter: Waiter): void {
    this.#remove(waiter);
    waiter.state = "late";
  }

  /** The waiter has been woken, and takes up the permit that it was granted. */
  takeUp(waiter: Waiter): void {
    this.#handedOver.remove(waiter);
  }

  /** The waiter has gone on, or its call was ended from outside: it waits for nothing any more. */
  end(waiter: Waiter): void {
    this.#timersOf(waiter).stop(waiter);
    waiter.state = "gone";
  }

  /** The same for a waiter whose call was ended from outside. Returns what it was before. */
  interrupt(waiter: Waiter): Waiter["state"] {
    const { state } = waiter;
    this.end(waiter);
    if (state === "queued") this.#remove(waiter);
    else if (state === "granted") this.#handedOver.remove(waiter);
    return state;
  }

  /** Takes back a permit that was not taken up for too long, as of a request that was killed; null without any. */
  revoke(nowMs: number): Waiter | null {
    const waiter = this.#handedOver.head;
    if (waiter === null || nowMs - waiter.grantedMs < handOverMs) return null;
    this.#handedOver.remove(waiter);
    waiter.state = "revoked";
    return waiter;
  }

  /** Whether permits are handed over at present. */
  get handsOver(): boolean {
    return this.#handedOver.head !== null;
  }

  /** Where the queue stands: whoever came before it did, and has waited for longer than the target, has done so for nothing. */
  sendAway(nowMs: number): void {
    if (!this.#stands(nowMs)) return;
    const list = this.#list;
    for (let waiter = list.oldest; waiter !== null; waiter = list.oldest) {
      if (nowMs - this.#cameMs(waiter) < this.#targetWaitMs) return;
      this.send(waiter, "wait");
    }
  }

  /** A call was refused for want of a permit. */
  refused(clock: Clock): void {
    this.#delay?.refused(clock.now());
  }

  /** How long the one that waits longest has done so; 0 when nobody waits. */
  oldestWaitMs(clock: Clock): number {
    const { oldest } = this.#order;
    return oldest === null ? 0 : Math.max(0, clock.now() - this.#cameMs(oldest));
  }

  /** How long a waiter had waited when it was granted its permit. */
  waitedMs(waiter: Waiter): number {
    return waiter.grantedMs - this.#cameMs(waiter);
  }

  /** How long a waiter might wait that goes on in this state, to be refused. */
  allowedMs({ brief, dueMs }: Waiter, state: Waiter["state"], clock: Clock): number {
    return brief || (state === "wait" && clock.now() < dueMs) ? this.#targetWaitMs : this.maxWaitMs;
  }

  /** Whether the queue stands now: the order goes by that until it is asked again. */
  #stands(nowMs: number): boolean {
    if (this.#delay === undefined) return false;
    this.#list.lastFirst = this.#delay.at(nowMs);
    return this.#list.lastFirst;
  }

  #cameMs({ dueMs, brief }: Waiter): number {
    return dueMs - (brief ? this.#targetWaitMs : this.maxWaitMs);
  }

  #timersOf({ brief }: Waiter): Timers<Waiter> {
    return brief ? this.#briefWaits : this.#waits;
  }

  #remove(waiter: Waiter): void {
    this.#order.remove(waiter);
    this.length--;
  }

  #expire(waiter: Waiter): void {
    const { state } = waiter;
    if (state === "queued") this.send(waiter, "wait");
    else if (state === "late" || state === "revoked") {
      waiter.state = "wait";
      if (state === "late") waiter.wake(waiter);
    }
    this.#expired();
  }
}
