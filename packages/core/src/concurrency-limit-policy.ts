// The steps of the concurrency limit: who is given a permit, who waits, and when permits come back. `adaptive-limit.ts`
// builds on them: its limit is another one from one moment to the next, the gate is this one.
import type { Attempt } from "./attempt.ts";
import type { Call } from "./call.ts";
import type { Clock } from "./clock.ts";
import type { AcquireOptions, ConcurrencyLimitOptions } from "./concurrency-limit.ts";
import { DuePermits, HeldPermit, Permit, sum } from "./concurrency-limit-permit.ts";
import { ConcurrencyLimitError, type ConcurrencyLimitReason, InvalidOptionError } from "./errors.ts";
import { checkInteger, checkNumber } from "./options.ts";
import { Pipeline } from "./pipeline.ts";
import { concurrencyLimitOrder } from "./order-rules.ts";
import type { OrderRule, Policy } from "./policy.ts";
import { PermitQueue } from "./permit-queue.ts";
import { Waiter } from "./wait-queue.ts";

export class ConcurrencyLimitPolicy implements Policy {
  readonly kind = "concurrency-limit";
  readonly orderRules: readonly OrderRule[] = concurrencyLimitOrder;
  readonly name: string;
  maxConcurrent: number;
  protected readonly clock: Clock;
  readonly #maxQueue: number;
  readonly #byPriority: boolean;

  inUse = 0;
  abandoned = 0;
  rejectedFull = 0;
  rejectedWait = 0;
  rejectedDisplaced = 0;
  rejectedWeight = 0;
  reclaimed = 0;

  readonly #queue: PermitQueue;
  readonly #leases: DuePermits | undefined;
  readonly #reclaimable: DuePermits | undefined;
  /** What permits without a pipeline are taken through. */
  protected alone: Pipeline | undefined = undefined;
  /** Whether also the permits are remembered that could simply be counted. */
  readonly #remembersAll: boolean;

  constructor(options: Required<ConcurrencyLimitOptions>, remembersAll: boolean = options.leaseMs !== undefined) {
    const { leaseMs, reclaimAfterMs } = options;
    this.name = options.name;
    this.maxConcurrent = options.maxConcurrent;
    this.clock = options.clock;
    this.#maxQueue = options.maxQueue;
    this.#byPriority = options.order === "priority";
    this.#remembersAll = remembersAll;
    this.#queue = new PermitQueue(
      options,
      (waiter) => this.#takeUp(waiter),
      () => this.#expired(),
    );
    this.#leases = leaseMs === undefined ? undefined : new DuePermits(leaseMs);
    this.#reclaimable = reclaimAfterMs === undefined ? undefined : new DuePermits(reclaimAfterMs);
  }

  get queued(): number {
    return this.#queue.length;
  }

  get busy(): boolean {
    return this.inUse > 0 || this.queued > 0;
  }

  get oldestWaitMs(): number {
    return this.#queue.oldestWaitMs(this.clock);
  }

  enter(call: Call, at: number): "pass" | "park" | "end" {
    const { weight } = call.options;
    if (weight === undefined && this.inUse + 1 <= this.maxConcurrent && this.#queue.length === 0) {
      this.inUse++;
      if (this.#remembersAll) call.keep(at, this.remember(1));
      return "pass";
    }
    return this.#enterInOrder(call, at, weight ?? 1);
  }

  leave(call: Call, at: number): "pass" {
    const { work } = call;
    const permit = call.recall(at) as HeldPermit | undefined;
    if (work === null || work.over) this.giveBack(permit);
    else this.#giveBackWhenOver(permit ?? new HeldPermit(1), work);
    return "pass";
  }

  interrupt(call: Call): void {
    const waiter = call.parked as Waiter;
    const state = this.#queue.interrupt(waiter);
    if (state === "granted") this.inUse = sum(this.inUse, -waiter.weight);
    else if (state !== "queued") return;
    this.handOut();
  }

  describe(): string {
    const queue = this.#maxQueue === 0 ? "no queue" : `${this.#maxQueue} waiting up to ${this.#queue.maxWaitMs} ms`;
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
  #enterInOrder(call: Call, at: number, weight: number): "pass" | "park" | "end" {
    const queue = this.#queue;
    const priority = this.#byPriority ? (call.options.priority ?? 0) : 0;
    if (!(weight > 0))
      return call.refuse(() => new InvalidOptionError("execute.weight", "a number above 0", String(weight)));
    if (!(priority >= Number.NEGATIVE_INFINITY))
      return call.refuse(() => new InvalidOptionError("execute.priority", "a number", String(priority)));
    if (this.tooHeavy(weight)) return this.#refuse(call, "weight", weight);
    if (this.hasRoom(weight, priority)) {
      this.inUse = sum(this.inUse, weight);
      this.#rememberFor(call, at, weight);
      return "pass";
    }
    if (queue.length >= this.#maxQueue) this.#sendLate();
    if (queue.length >= this.#maxQueue) {
      const displaced = queue.displacedBy(priority);
      if (displaced === null) return this.#refuse(call, "full", queue.length);
      queue.send(displaced, "displaced");
    }
    const waiter = new Waiter(call, at, weight, priority);
    call.parked = waiter;
    queue.add(waiter, call.readClock(this.clock));
    return "park";
  }

  /** Whether a permit of this weight is free for a newcomer. A heavy waiter at the head is not overtaken. */
  protected hasRoom(weight: number, priority: number): boolean {
    if (this.fits(weight) && this.#queue.leads(priority)) return true;
    return this.#takeBack() && this.fits(weight) && this.#queue.leads(priority);
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
    if (this.#leases !== undefined) this.lease(permit, this.clock.now());
    return permit;
  }

  #rememberFor(call: Call, at: number, weight: number): void {
    if (weight !== 1 || this.#remembersAll) call.keep(at, this.remember(weight));
  }

  protected lease(permit: HeldPermit, nowMs: number): void {
    this.#leases?.add(permit, nowMs);
  }

  protected giveBack(permit: HeldPermit | undefined): void {
    if (permit === undefined) this.inUse--;
    else if (!this.#forget(permit)) return;
    if (this.#queue.length > 0) this.handOut();
  }

  /** The permit is free again. False when it was before. */
  #forget(permit: HeldPermit): boolean {
    if (permit.returned) return false;
    permit.returned = true;
    this.inUse = sum(this.inUse, -permit.weight);
    if (permit.abandoned) this.abandoned = sum(this.abandoned, -permit.weight);
    this.#leases?.delete(permit);
    this.#reclaimable?.delete(permit);
    return true;
  }

  #giveBackWhenOver(permit: HeldPermit, work: Attempt): void {
    if (permit.returned) return;
    if (work.abandoned) {
      permit.abandoned = true;
      this.abandoned = sum(this.abandoned, permit.weight);
      this.#reclaimable?.add(permit, this.clock.now());
    }
    work.whenOver(() => this.giveBack(permit));
  }

  /** Permits that are free go to the first waiters that still want them, as many as fit. */
  protected handOut(): void {
    const queue = this.#queue;
    if (queue.length === 0 || this.inUse >= this.maxConcurrent) return;
    const nowMs = this.clock.now();
    queue.sendAway(nowMs);
    for (let waiter = queue.head; waiter !== null && this.inUse < this.maxConcurrent; waiter = queue.head) {
      const { weight } = waiter;
      if (nowMs >= waiter.dueMs) queue.send(waiter, "wait");
      else if (this.tooHeavy(weight)) queue.send(waiter, "weight");
      else if (nowMs >= waiter.call.nearestDeadline()) queue.leaveLate(waiter);
      else if (!this.fits(weight)) return;
      else {
        this.inUse = sum(this.inUse, weight);
        queue.grant(waiter, nowMs);
      }
    }
  }

  /** The queue is full: those at its head whose deadline has passed stand in the way of others. */
  #sendLate(): void {
    const queue = this.#queue;
    const nowMs = this.clock.now();
    for (let waiter = queue.head; waiter !== null; waiter = queue.head) {
      if (nowMs < waiter.call.nearestDeadline()) return;
      queue.leaveLate(waiter);
    }
  }

  /** No permit is free: takes back those whose holders are gone or have had them for too long. False where nobody can be. */
  #takeBack(): boolean {
    const queue = this.#queue;
    const leases = this.#leases;
    const reclaimable = this.#reclaimable;
    if (!queue.handsOver && !leases?.size && !reclaimable?.size) return false;
    const nowMs = this.clock.now();
    for (let waiter = queue.revoke(nowMs); waiter !== null; waiter = queue.revoke(nowMs))
      this.inUse = sum(this.inUse, -waiter.weight);
    for (let permit = dueIn(nowMs, leases, reclaimable); permit; permit = dueIn(nowMs, leases, reclaimable)) {
      this.reclaimed++;
      this.#forget(permit);
    }
    this.handOut();
    return true;
  }

  /** A waiter that was woken, in its own context. */
  #takeUp(waiter: Waiter): void {
    const queue = this.#queue;
    const { call, at, weight, state } = waiter;
    if (state === "gone") return;
    if (state === "granted") queue.takeUp(waiter);
    else if (state === "revoked") {
      // Too late for the permit that it was given: another one, or it waits again.
      if (!this.fits(weight)) return queue.addAgain(waiter);
      this.inUse = sum(this.inUse, weight);
    }
    queue.end(waiter);
    call.parked = null;
    if (state === "granted" || state === "revoked") {
      this.#rememberFor(call, at, weight);
      const { name } = this;
      const waitMs = queue.waitedMs(waiter);
      call.emit?.({ type: "concurrency-limit.waited", pipeline: call.pipeline.name, name, waitMs });
      call.resume(at);
    } else {
      const detail = state === "weight" ? weight : queue.allowedMs(waiter, state, this.clock);
      this.#refuse(call, state as ConcurrencyLimitReason, detail);
      call.finish(at);
    }
  }

  /** Others may have waited for who has waited as long as he may, or for permits that are due to come back. */
  #expired(): void {
    if (this.#queue.length === 0) return;
    this.#takeBack();
    this.handOut();
  }

  /** `detail` is what the reason wants: calls that are waiting, how long this one has waited, or how heavy it is. */
  #refuse(call: Call, reason: ConcurrencyLimitReason, detail: number): "end" {
    if (reason === "full") this.rejectedFull++;
    else if (reason === "wait") this.rejectedWait++;
    else if (reason === "displaced") this.rejectedDisplaced++;
    else this.rejectedWeight++;
    this.#queue.refused(this.clock);
    call.emit?.({ type: "concurrency-limit.rejected", pipeline: call.pipeline.name, name: this.name, reason });
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
