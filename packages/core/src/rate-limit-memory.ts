// A rate limit in this process: the state of each key, and the calls that wait for their turn.
//
// A waiter owns a timer for its own turn and goes on in its own context. Nobody hands it anything, so that a request that is
// killed while it waits on Workers holds up nobody behind it.
import type { Clock } from "./clock.ts";
import { made, newPromise } from "./promise-parts.ts";
import { type KeyEntry, KeyTable, type RateWaiter } from "./rate-limit-keys.ts";
import type { RateAlgorithm, RateDecision, RateQuota } from "./rate-quota.ts";

/** A waiter whose turn passed this long ago without a word is not coming back: its request was killed. */
const overdueMs = 1000;

/** Host timers may fire a little late, and a turn then slips by as much: so much beyond its time a waiter stays, and is in front. */
const graceMs = 1;

export class RateMemory {
  readonly table: KeyTable;
  /** When every key has its whole burst again. */
  fullMs: number = Number.NEGATIVE_INFINITY;
  queued = 0;
  private readonly algorithm: RateAlgorithm<unknown>;
  private readonly quota: RateQuota;
  private readonly clock: Clock;
  /** The waiter has left the queue, with its weight taken when `waitMs` is 0. */
  private readonly endWait: (waiter: RateWaiter, waitMs: number) => void;

  constructor(
    algorithm: RateAlgorithm<unknown>,
    quota: RateQuota,
    maxKeys: number,
    clock: Clock,
    endWait: (waiter: RateWaiter, waitMs: number) => void,
  ) {
    this.algorithm = algorithm;
    this.quota = quota;
    this.table = new KeyTable(maxKeys);
    this.clock = clock;
    this.endWait = endWait;
  }

  /** How long until a newcomer's cost goes through, behind everybody who waits. */
  waitMs(entry: KeyEntry, nowMs: number, cost: number): number {
    if (entry.waiters !== null) this.forgetKilled(entry, nowMs);
    return this.algorithm.waitMs(entry.state, nowMs, entry.queuedCost + cost, this.quota);
  }

  /** Only after `waitMs` was 0. */
  take(entry: KeyEntry, nowMs: number, cost: number): void {
    const { state, resetMs } = this.algorithm.take(entry.state, nowMs, cost, this.quota);
    entry.state = state;
    entry.fullMs = nowMs + resetMs;
    if (entry.fullMs > this.fullMs) this.fullMs = entry.fullMs;
  }

  /** What remains, without taking anything: a cost that never goes through leaves the state as it is. */
  look(entry: KeyEntry, nowMs: number): RateDecision<unknown> {
    return this.algorithm.take(entry.state, nowMs, Number.POSITIVE_INFINITY, this.quota);
  }

  enqueue(waiter: RateWaiter, nowMs: number, waitMs: number): void {
    this.arm(waiter, nowMs, waitMs);
    const woken = newPromise();
    waiter.wake = made.resolve;
    this.whenWoken(woken, waiter);
  }

  /** The waiter's call is ending from further out. */
  leave(waiter: RateWaiter): void {
    const wasHead = waiter.entry.head === waiter;
    this.dequeue(waiter);
    if (wasHead) this.tellHead(waiter.entry, this.clock.now());
  }

  private arm(waiter: RateWaiter, nowMs: number, waitMs: number): void {
    if (waiter.entry.add(waiter)) this.queued++;
    waiter.timer?.cancel();
    waiter.slotMs = nowMs + waitMs;
    waiter.timer = this.clock.after(waitMs, () => this.goOn(waiter));
  }

  // Apart, so that `enqueue` allocates no context for the closure.
  private whenWoken(woken: Promise<unknown>, waiter: RateWaiter): void {
    void woken.then(() => {
      if (waiter.entry.waiters?.has(waiter)) this.goOn(waiter);
    });
  }

  /** The waiter's turn has come, or may have: in its own context. */
  private goOn(waiter: RateWaiter): void {
    const { entry, cost } = waiter;
    const nowMs = this.clock.now();
    const costAhead = entry.costAhead(waiter, nowMs - graceMs);
    const waitMs = this.algorithm.waitMs(entry.state, nowMs, costAhead + cost, this.quota);
    if (waitMs > 0 && nowMs + waitMs <= waiter.giveUpMs + graceMs) {
      this.arm(waiter, nowMs, waitMs);
      return;
    }
    this.dequeue(waiter);
    if (waitMs === 0) this.take(entry, nowMs, cost);
    this.tellHead(entry, nowMs);
    this.endWait(waiter, waitMs);
  }

  private dequeue(waiter: RateWaiter): void {
    waiter.timer?.cancel();
    waiter.timer = null;
    if (waiter.entry.remove(waiter)) this.queued--;
  }

  /** Another one may be the first now, and its turn come sooner than its timer says, when somebody has left. */
  private tellHead({ head, state }: KeyEntry, nowMs: number): void {
    if (head === undefined || head.wake === null) return;
    const waitMs = this.algorithm.waitMs(state, nowMs, head.cost, this.quota);
    if (nowMs + waitMs > head.slotMs - 0.001) return;
    head.wake();
    head.wake = null;
  }

  private forgetKilled(entry: KeyEntry, nowMs: number): void {
    for (let { head } = entry; head !== undefined && nowMs - head.slotMs > overdueMs; { head } = entry)
      this.dequeue(head);
  }
}
