// Lets a bounded number of calls run at once and a bounded number wait, in order. A permit counts real work: it comes
// back when the operation has ended, also when its caller was answered earlier.
//
// On Workers requests of one isolate wait behind each other, and a request can be killed at any time without a word. So
// every waiter owns a timer and goes on in its own continuation, a hand-over that is not taken up is passed on, and
// permits may carry a lease.
import type { Call } from "./call.ts";
import { type Clock, maxDelayMs, systemClock } from "./clock.ts";
import { ConcurrencyLimitError, withoutStack } from "./errors.ts";
import { checkInteger, checkName, checkNumber } from "./options.ts";
import type { Timers } from "./host-timers.ts";
import type { Policy } from "./policy.ts";
import { made, newPromise } from "./promise-parts.ts";
import { Queue, Waiter } from "./wait-queue.ts";
import { sharedTimers } from "#timers";

export interface ConcurrencyLimitOptions {
  /** Stands in events and in metrics. @default "default" */
  readonly name?: string;
  /** Calls that may run at once. An integer of at least 1. */
  readonly maxConcurrent: number;
  /** Calls that may wait for a permit. An integer of at least 0. @default 0 */
  readonly maxQueue?: number;
  /** How long a call may wait. Above 0. @default 1000 */
  readonly maxWaitMs?: number;
  /**
   * A permit that has not come back after this long is given to somebody else. For Workers, where a killed request
   * gives nothing back. Above 0. @default none: a permit is held as long as its work lasts
   */
  readonly leaseMs?: number | undefined;
  /** @default systemClock */
  readonly clock?: Clock;
}

export type ConcurrencyLimit = Policy & {
  readonly kind: "concurrency-limit";
  readonly name: string;
  readonly maxConcurrent: number;
  /** Permits that are taken. */
  readonly inUse: number;
  /** Calls that wait. */
  readonly queued: number;
  /** Permits held by work whose caller was answered already. */
  readonly abandoned: number;
};

/** How long a hand-over may stay without being taken up. It normally takes a microtask. */
const handOverMs = 1000;

/** Permits with a lease remember when they were taken. */
interface Lease {
  readonly takenMs: number;
}

class ConcurrencyLimitPolicy implements Policy {
  readonly kind = "concurrency-limit";
  readonly name: string;
  readonly maxConcurrent: number;
  private readonly maxQueue: number;
  private readonly maxWaitMs: number;
  private readonly leaseMs: number | undefined;
  private readonly clock: Clock;

  inUse = 0;
  abandoned = 0;
  private readonly queue = new Queue();
  private readonly waits: Timers<Waiter>;
  /** Permits handed to a waiter that has not gone on yet. */
  private readonly handedOver = new Queue();
  /** In the order in which they were taken. */
  private readonly leases = new Set<Lease>();

  constructor(options: Required<ConcurrencyLimitOptions>) {
    this.name = options.name;
    this.maxConcurrent = options.maxConcurrent;
    this.maxQueue = options.maxQueue;
    this.maxWaitMs = options.maxWaitMs;
    this.leaseMs = options.leaseMs;
    this.clock = options.clock;
    this.waits = sharedTimers(options.clock, options.maxWaitMs, (waiter) => this.expire(waiter));
  }

  get queued(): number {
    return this.queue.length;
  }

  enter(call: Call, at: number): "pass" | "park" | "end" {
    if (this.inUse >= this.maxConcurrent) this.takeBack();
    if (this.inUse < this.maxConcurrent) {
      this.inUse++;
      if (this.leaseMs !== undefined) call.keep(at, this.takeLease());
      return "pass";
    }
    if (this.queue.length >= this.maxQueue) return this.refuse(call, "full");
    this.enqueue(call, at);
    return "park";
  }

  leave(call: Call, at: number): "pass" {
    const { work } = call;
    if (work === null || work.over) this.giveBack(call.recall(at));
    else this.giveBackWhenOver(call, at);
    return "pass";
  }

  interrupt(call: Call, at: number): void {
    const waiter = call.recall(at) as Waiter;
    this.waits.stop(waiter);
    const { state } = waiter;
    waiter.state = "gone";
    if (state === "queued") this.queue.remove(waiter);
    else if (state === "granted") {
      this.handedOver.remove(waiter);
      this.release();
    }
  }

  private giveBack(lease: unknown): void {
    if (this.leaseMs !== undefined && !this.leases.delete(lease as Lease)) return;
    if (this.queue.length === 0) this.inUse--;
    else this.release();
  }

  private giveBackWhenOver(call: Call, at: number): void {
    const lease = call.recall(at);
    const abandoned = call.work?.abandoned === true;
    if (abandoned) this.abandoned++;
    call.work?.whenOver(() => {
      if (abandoned) this.abandoned--;
      this.giveBack(lease);
    });
  }

  /** One permit is free: it goes to the first waiter that still wants it. */
  private release(): void {
    const nowMs = this.queue.length > 0 ? this.clock.now() : 0;
    for (let waiter = this.queue.head; waiter !== null; waiter = this.queue.head) {
      this.queue.remove(waiter);
      if (nowMs >= waiter.dueMs) {
        waiter.state = "expired";
        waiter.wake();
        continue;
      }
      waiter.state = "granted";
      waiter.grantedMs = nowMs;
      this.handedOver.append(waiter);
      waiter.wake();
      return;
    }
    this.inUse--;
  }

  /** All permits are taken: gives free those whose holders are gone. */
  private takeBack(): void {
    if (this.handedOver.length === 0 && this.leases.size === 0) return;
    const nowMs = this.clock.now();
    for (let waiter = this.handedOver.head; waiter !== null; waiter = this.handedOver.head) {
      if (nowMs - waiter.grantedMs < handOverMs) break;
      this.handedOver.remove(waiter);
      waiter.state = "revoked";
      this.release();
    }
    for (const lease of this.leases) {
      if (nowMs - lease.takenMs < (this.leaseMs as number)) break;
      this.leases.delete(lease);
      this.release();
    }
  }

  private takeLease(): Lease {
    const lease = { takenMs: this.clock.now() };
    this.leases.add(lease);
    return lease;
  }

  private enqueue(call: Call, at: number): void {
    const waiter = new Waiter(call, at);
    call.keep(at, waiter);
    this.queue.append(waiter);
    this.waits.start(waiter);
    // Waking resolves a promise that the waiter made itself: it goes on in its own context, not on the stack of the
    // call that released the permit or whose timer has fired.
    const woken = newPromise();
    waiter.wake = made.resolve;
    this.whenWoken(woken, waiter);
  }

  // Apart, so that only calls that wait allocate the closure's context.
  private whenWoken(woken: Promise<unknown>, waiter: Waiter): void {
    void woken.then(() => this.goOn(waiter));
  }

  private goOn(waiter: Waiter): void {
    const { call, at, state } = waiter;
    if (state === "gone") return;
    if (state === "granted") this.handedOver.remove(waiter);
    else if (state === "revoked") {
      // Too late for the permit that it was given. Another one, or its timer will tell it.
      if (this.inUse >= this.maxConcurrent) return;
      this.inUse++;
    }
    waiter.state = "gone";
    this.waits.stop(waiter);
    if (state === "expired") {
      this.refuse(call, "wait");
      call.finish(at);
      return;
    }
    call.keep(at, this.leaseMs === undefined ? null : this.takeLease());
    call.resume(at);
  }

  private expire(waiter: Waiter): void {
    if (waiter.state === "granted" || waiter.state === "gone") return;
    if (waiter.state === "queued") this.queue.remove(waiter);
    if (waiter.state === "revoked") {
      // Its promise is spent: it has been woken once. Only on Workers, where its timer is its own.
      waiter.state = "expired";
      this.goOn(waiter);
      return;
    }
    waiter.state = "expired";
    waiter.wake();
  }

  private refuse(call: Call, reason: "full" | "wait"): "end" {
    call.emit?.({ type: "concurrency-limit.rejected", pipeline: call.pipeline.name, name: this.name, reason });
    const detail = reason === "full" ? this.queue.length : this.maxWaitMs;
    return call.refuse(withoutStack(() => new ConcurrencyLimitError(reason, this.maxConcurrent, detail)));
  }
}

/**
 * Lets `maxConcurrent` calls run at once; up to `maxQueue` more wait, first come first served, `maxWaitMs` at most.
 * Everybody else is refused at once with a `ConcurrencyLimitError`.
 *
 * @throws {InvalidOptionError} for options out of bounds.
 */
export function concurrencyLimit(options: ConcurrencyLimitOptions): ConcurrencyLimit {
  const { name = "default", maxConcurrent, maxQueue = 0, maxWaitMs = 1000, leaseMs, clock = systemClock } = options;
  checkName("concurrencyLimit.name", name);
  checkInteger("concurrencyLimit.maxConcurrent", maxConcurrent, 1);
  checkInteger("concurrencyLimit.maxQueue", maxQueue, 0);
  checkNumber("concurrencyLimit.maxWaitMs", maxWaitMs, 0, maxDelayMs, true);
  if (leaseMs !== undefined) checkNumber("concurrencyLimit.leaseMs", leaseMs, 0, maxDelayMs, true);
  return new ConcurrencyLimitPolicy({ name, maxConcurrent, maxQueue, maxWaitMs, leaseMs, clock });
}
