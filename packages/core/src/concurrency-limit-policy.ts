// The steps of the concurrency limit: who is given a permit, who waits, and when permits come back. `adaptive-limit.ts`
// builds on them: its limit is another one from one moment to the next, the gate is this one.
import type { Attempt } from "./attempt.ts";
import type { Call } from "./call.ts";
import type { Clock } from "./clock.ts";
import type { AcquireOptions, ConcurrencyLimitOptions } from "./concurrency-limit.ts";
import { DuePermits, HeldPermit, Permit, sum } from "./concurrency-limit-permit.ts";
import { ConcurrencyLimitError, type ConcurrencyLimitReason, InvalidOptionError } from "./errors.ts";
import type { Timers } from "./host-timers.ts";
import { checkInteger, checkNumber } from "./options.ts";
import { Pipeline } from "./pipeline.ts";
import { concurrencyLimitOrder } from "./order-rules.ts";
import type { OrderRule, Policy } from "./policy.ts";
import { made, newPromise } from "./promise-parts.ts";
import { AdaptiveLifoQueue, FifoQueue, type QueueOrder, type WaitQueue, Waiter, waitQueue } from "./wait-queue.ts";
import { sharedTimers } from "#timers";

/** How long a hand-over may stay without being taken up. It normally takes a microtask. */
const handOverMs = 1000;

export class ConcurrencyLimitPolicy implements Policy {
  readonly kind = "concurrency-limit";
  readonly orderRules: readonly OrderRule[] = concurrencyLimitOrder;
  readonly name: string;
  maxConcurrent: number;
  private readonly maxQueue: number;
  private readonly maxWaitMs: number;
  private readonly targetWaitMs: number;
  private readonly order: QueueOrder;
  protected readonly clock: Clock;

  inUse = 0;
  queued = 0;
  abandoned = 0;
  rejectedFull = 0;
  rejectedWait = 0;
  rejectedDisplaced = 0;
  rejectedWeight = 0;
  reclaimed = 0;

  private readonly queue: WaitQueue;
  private readonly waits: Timers<Waiter>;
  /** The queue once more, and the timers of those who come while it stands, where the order is `adaptive-lifo`. */
  private readonly adaptive: AdaptiveLifoQueue | undefined;
  private readonly briefWaits: Timers<Waiter>;
  private readonly goOn: (waiter: unknown) => void;
  /** Permits handed to a waiter that has not gone on yet. */
  private readonly handedOver = new FifoQueue();
  private readonly leases: DuePermits | undefined;
  private readonly reclaimable: DuePermits | undefined;
  /** What permits without a pipeline are taken through. */
  protected alone: Pipeline | undefined = undefined;
  /** Whether also the permits are remembered that could simply be counted. */
  private readonly remembersAll: boolean;

  constructor(options: Required<ConcurrencyLimitOptions>, remembersAll: boolean = options.leaseMs !== undefined) {
    const { leaseMs, reclaimAfterMs } = options;
    this.remembersAll = remembersAll;
    this.name = options.name;
    this.maxConcurrent = options.maxConcurrent;
    this.maxQueue = options.maxQueue;
    this.maxWaitMs = options.maxWaitMs;
    this.order = options.order;
    this.clock = options.clock;
    const expire = (waiter: Waiter) => this.expire(waiter);
    this.waits = this.briefWaits = sharedTimers(options.clock, options.maxWaitMs, expire);
    this.targetWaitMs = Math.min(options.targetWaitMs, options.maxWaitMs);
    if (options.order === "adaptive-lifo") {
      this.queue = this.adaptive = new AdaptiveLifoQueue(this.targetWaitMs);
      this.briefWaits = sharedTimers(options.clock, this.targetWaitMs, expire);
    } else this.queue = waitQueue(options.order);
    this.goOn = (waiter) => this.takeUp(waiter as Waiter);
    this.leases = leaseMs === undefined ? undefined : new DuePermits(leaseMs);
    this.reclaimable = reclaimAfterMs === undefined ? undefined : new DuePermits(reclaimAfterMs);
  }

  get busy(): boolean {
    return this.inUse > 0 || this.queued > 0;
  }

  enter(call: Call, at: number): "pass" | "park" | "end" {
    const { weight } = call.options;
    if (weight === undefined && this.inUse + 1 <= this.maxConcurrent && this.queued === 0) {
      this.inUse++;
      if (this.remembersAll) call.keep(at, this.remember(1));
      return "pass";
    }
    return this.enterInOrder(call, at, weight ?? 1);
  }

  leave(call: Call, at: number): "pass" {
    const { work } = call;
    const permit = call.recall(at) as HeldPermit | undefined;
    if (work === null || work.over) this.giveBack(permit);
    else this.giveBackWhenOver(permit ?? new HeldPermit(1), work);
    return "pass";
  }

  interrupt(call: Call): void {
    const waiter = call.parked as Waiter;
    this.stopWaiting(waiter);
    const { state } = waiter;
    waiter.state = "gone";
    if (state === "queued") this.unqueue(waiter);
    else if (state === "granted") {
      this.handedOver.remove(waiter);
      this.inUse = sum(this.inUse, -waiter.weight);
    } else return;
    this.handOut();
  }

  describe(): string {
    const queue = this.maxQueue === 0 ? "no queue" : `${this.maxQueue} waiting up to ${this.maxWaitMs} ms`;
    return `${this.maxConcurrent} at once, ${queue}`;
  }

  resize(maxConcurrent: number): void {
    checkInteger("concurrencyLimit.resize", maxConcurrent, 1);
    this.maxConcurrent = maxConcurrent;
    this.handOut();
  }

  acquire(options: AcquireOptions = {}): Promise<Permit> {
    this.alone ??= new Pipeline({ name: this.name, clock: this.clock }, [this]);
    return this.alone.execute((context) => new Permit(options.weight ?? 1, context.hold()), options);
  }

  tryAcquire({ weight = 1, priority = 0 }: Omit<AcquireOptions, "signal"> = {}): Permit | undefined {
    checkNumber("tryAcquire.weight", weight, 0, Number.MAX_SAFE_INTEGER, true);
    if (!this.hasRoom(weight, priority)) return undefined;
    this.inUse = sum(this.inUse, weight);
    const permit = this.remember(weight);
    return new Permit(weight, () => this.giveBack(permit));
  }

  /** Not simply a free permit: there are weights, or somebody waits, or all permits are taken. */
  private enterInOrder(call: Call, at: number, weight: number): "pass" | "park" | "end" {
    const priority = this.order === "priority" ? (call.options.priority ?? 0) : 0;
    if (!(weight > 0))
      return call.refuse(() => new InvalidOptionError("execute.weight", "a number above 0", String(weight)));
    if (!(priority >= Number.NEGATIVE_INFINITY))
      return call.refuse(() => new InvalidOptionError("execute.priority", "a number", String(priority)));
    if (this.tooHeavy(weight)) return this.refuse(call, "weight", weight);
    if (this.hasRoom(weight, priority)) {
      this.inUse = sum(this.inUse, weight);
      if (weight !== 1 || this.remembersAll) call.keep(at, this.remember(weight));
      return "pass";
    }
    if (this.queued >= this.maxQueue) this.sendLate();
    if (this.queued >= this.maxQueue) {
      const displaced = this.queue.displacedBy(priority);
      if (displaced === null) return this.refuse(call, "full", weight);
      this.send(displaced, "displaced");
    }
    this.enqueue(new Waiter(call, at, weight, priority));
    return "park";
  }

  /** Whether a permit of this weight is free for a newcomer. A heavy waiter at the head is not overtaken. */
  protected hasRoom(weight: number, priority: number): boolean {
    if (this.fits(weight) && (this.queued === 0 || this.queue.leads(priority))) return true;
    this.takeBack();
    return this.fits(weight) && (this.queued === 0 || this.queue.leads(priority));
  }

  protected fits(weight: number): boolean {
    return sum(this.inUse, weight) <= this.maxConcurrent;
  }

  /** Whether waiting is no use. */
  protected tooHeavy(weight: number): boolean {
    return weight > this.maxConcurrent;
  }

  protected remember(weight: number): HeldPermit {
    const permit = new HeldPermit(weight);
    if (this.leases !== undefined) this.lease(permit, this.clock.now());
    return permit;
  }

  protected lease(permit: HeldPermit, nowMs: number): void {
    this.leases?.add(permit, nowMs);
  }

  protected giveBack(permit: HeldPermit | undefined): void {
    if (permit === undefined) this.inUse--;
    else if (!this.forget(permit)) return;
    if (this.queued > 0) this.handOut();
  }

  /** The permit is free again. False when it was before. */
  private forget(permit: HeldPermit): boolean {
    if (permit.returned) return false;
    permit.returned = true;
    this.inUse = sum(this.inUse, -permit.weight);
    if (permit.abandoned) this.abandoned = sum(this.abandoned, -permit.weight);
    this.leases?.delete(permit);
    this.reclaimable?.delete(permit);
    return true;
  }

  private giveBackWhenOver(permit: HeldPermit, work: Attempt): void {
    if (permit.returned) return;
    if (work.abandoned) {
      permit.abandoned = true;
      this.abandoned = sum(this.abandoned, permit.weight);
      this.reclaimable?.add(permit, this.clock.now());
    }
    work.whenOver(() => this.giveBack(permit));
  }

  /** Permits that are free go to the first waiters that still want them, as many as fit. */
  protected handOut(): void {
    if (this.queued === 0 || this.inUse >= this.maxConcurrent) return;
    const nowMs = this.clock.now();
    if (this.adaptive?.stands(nowMs)) this.sendAway(this.adaptive, nowMs);
    for (let waiter = this.queue.head; waiter !== null && this.inUse < this.maxConcurrent; waiter = this.queue.head) {
      const { weight } = waiter;
      if (nowMs >= waiter.dueMs) this.send(waiter, "wait");
      else if (this.tooHeavy(weight)) this.send(waiter, "weight");
      else if (nowMs >= waiter.call.nearestDeadline()) this.leaveLate(waiter);
      else if (!this.fits(weight)) return;
      else {
        this.inUse = sum(this.inUse, weight);
        this.grant(waiter, nowMs);
      }
    }
  }

  /** Its timeout is late, but will end it: an operation that starts now would be for nobody. */
  private leaveLate(waiter: Waiter): void {
    this.unqueue(waiter);
    waiter.state = "late";
  }

  /** The queue is full: those at its head whose deadline has passed stand in the way of others. */
  private sendLate(): void {
    const nowMs = this.clock.now();
    for (let waiter = this.queue.head; waiter !== null; waiter = this.queue.head) {
      if (nowMs < waiter.call.nearestDeadline()) return;
      this.leaveLate(waiter);
    }
  }

  private grant(waiter: Waiter, nowMs: number): void {
    waiter.grantedMs = nowMs;
    this.adaptive?.delay.waited(nowMs, this.waitedMs(waiter, nowMs), this.queued > 1);
    this.send(waiter, "granted");
    this.handedOver.add(waiter);
  }

  /** The queue stands: whoever came before it did, and has waited for longer than the target, has done so for nothing. */
  private sendAway(queue: AdaptiveLifoQueue, nowMs: number): void {
    for (let waiter = queue.oldest; waiter !== null; waiter = queue.oldest) {
      if (this.waitedMs(waiter, nowMs) < this.targetWaitMs) return;
      this.send(waiter, "wait");
    }
  }

  private waitedMs({ dueMs, brief }: Waiter, nowMs: number): number {
    return nowMs - (dueMs - (brief ? this.targetWaitMs : this.maxWaitMs));
  }

  private stopWaiting(waiter: Waiter): void {
    (waiter.brief ? this.briefWaits : this.waits).stop(waiter);
  }

  /** Takes a waiter from the queue and makes it go on. */
  private send(waiter: Waiter, state: Waiter["state"]): void {
    this.unqueue(waiter);
    waiter.state = state;
    waiter.wake(waiter);
  }

  private unqueue(waiter: Waiter): void {
    this.queue.remove(waiter);
    this.queued--;
  }

  /** No permit is free: takes back those whose holders are gone or have had them for too long. */
  private takeBack(): void {
    const { handedOver, leases, reclaimable } = this;
    if (handedOver.length === 0 && !leases?.size && !reclaimable?.size) return;
    const nowMs = this.clock.now();
    for (let waiter = handedOver.head; waiter !== null; waiter = handedOver.head) {
      if (nowMs - waiter.grantedMs < handOverMs) break;
      handedOver.remove(waiter);
      waiter.state = "revoked";
      this.inUse = sum(this.inUse, -waiter.weight);
    }
    for (let permit = dueIn(nowMs, leases, reclaimable); permit; permit = dueIn(nowMs, leases, reclaimable)) {
      this.reclaimed++;
      this.forget(permit);
    }
    this.handOut();
  }

  private enqueue(waiter: Waiter): void {
    const { call } = waiter;
    const nowMs = call.readClock(this.clock);
    call.parked = waiter;
    waiter.brief = this.adaptive?.stands(nowMs) === true;
    (waiter.brief ? this.briefWaits : this.waits).start(waiter, nowMs);
    this.queueUp(waiter);
  }

  private queueUp(waiter: Waiter): void {
    waiter.state = "queued";
    this.queue.add(waiter);
    this.queued++;
    // Waking resolves a promise that the waiter made itself: it goes on in its own context, not on the stack of the
    // call that released the permit or whose timer has fired.
    const woken = newPromise();
    waiter.wake = made.resolve;
    void woken.then(this.goOn);
  }

  /** A waiter that was woken, in its own context. */
  private takeUp(waiter: Waiter): void {
    const { call, at, weight, state } = waiter;
    if (state === "gone") return;
    if (state === "granted") {
      this.handedOver.remove(waiter);
    } else if (state === "revoked") {
      // Too late for the permit that it was given: another one, or it waits again.
      if (!this.fits(weight)) return this.queueUp(waiter);
      this.inUse = sum(this.inUse, weight);
    }
    waiter.state = "gone";
    call.parked = null;
    this.stopWaiting(waiter);
    if (state === "granted" || state === "revoked") {
      if (weight !== 1 || this.remembersAll) call.keep(at, this.remember(weight));
      this.tellWait(waiter);
      call.resume(at);
      return;
    }
    const brief = waiter.brief || (state === "wait" && this.clock.now() < waiter.dueMs);
    this.refuse(call, state as ConcurrencyLimitReason, weight, brief ? this.targetWaitMs : this.maxWaitMs);
    call.finish(at);
  }

  private tellWait(waiter: Waiter): void {
    const { call, grantedMs } = waiter;
    const waitMs = this.waitedMs(waiter, grantedMs);
    call.emit?.({ type: "concurrency-limit.waited", pipeline: call.pipeline.name, name: this.name, waitMs });
  }

  private expire(waiter: Waiter): void {
    const { state } = waiter;
    if (state === "queued") this.send(waiter, "wait");
    else if (state === "late") {
      waiter.state = "wait";
      waiter.wake(waiter);
    } else if (state === "revoked") waiter.state = "wait";
    // Others may have waited for this one, or for permits that are due to come back.
    if (this.queued === 0) return;
    this.takeBack();
    this.handOut();
  }

  private refuse(call: Call, reason: ConcurrencyLimitReason, weight: number, waitMs = this.maxWaitMs): "end" {
    if (reason === "full") this.rejectedFull++;
    else if (reason === "wait") this.rejectedWait++;
    else if (reason === "displaced") this.rejectedDisplaced++;
    else this.rejectedWeight++;
    this.adaptive?.delay.refused(this.clock.now());
    call.emit?.({ type: "concurrency-limit.rejected", pipeline: call.pipeline.name, name: this.name, reason });
    const detail = reason === "full" ? this.queued : reason === "weight" ? weight : waitMs;
    const { maxConcurrent } = this;
    return call.refuse(() => new ConcurrencyLimitError(reason, maxConcurrent, detail));
  }
}

function dueIn(nowMs: number, ...lists: readonly (DuePermits | undefined)[]): HeldPermit | undefined {
  for (const list of lists) {
    const permit = list?.take(nowMs);
    if (permit !== undefined) return permit;
  }
  return undefined;
}
