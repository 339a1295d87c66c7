// The concurrency limit whose number an algorithm moves. The gate is that of `concurrency-limit-policy.ts`: permits, queue,
// leases, abandoned work. Here is only what turns the end of an attempt into a sample, and the algorithm's answer into permits.
import type { AdaptiveLimitOptions } from "./adaptive-limit.ts";
import { type AdaptiveLimitSnapshot, restoreTo, snapshotOf } from "./adaptive-limit-snapshot.ts";
import type { Call } from "./call.ts";
import { HeldPermit, sum } from "./concurrency-limit-permit.ts";
import { ConcurrencyLimitPolicy } from "./concurrency-limit-policy.ts";
import type { Limit, LimitSample } from "./limit.ts";

/** A permit that knows what the algorithm will want to be told about its attempt. */
class SampledPermit extends HeldPermit implements LimitSample {
  readonly startMs: number;
  readonly inFlight: number;
  endMs = 0;
  outcome: LimitSample["outcome"] = "success";
  /** The algorithm has been told, or must not be. */
  told = false;

  constructor(weight: number, startMs: number, inFlight: number) {
    super(weight);
    this.startMs = startMs;
    this.inFlight = inFlight;
  }
}

export class AdaptiveLimitPolicy extends ConcurrencyLimitPolicy {
  readonly algorithm: Limit;

  constructor({ limit, ...options }: Required<AdaptiveLimitOptions>) {
    super({ ...options, maxConcurrent: permitsOf(limit, 1) }, true);
    this.algorithm = limit;
  }

  override leave(call: Call, at: number): "pass" {
    const permit = call.recall(at) as SampledPermit;
    const { outcome } = call;
    // A permit without a pipeline is told of when it is given back: its work begins when this call ends.
    if (outcome === "ignored") permit.told = true;
    else if (call.pipeline !== this.alone) this.tell(permit, outcome, call);
    return super.leave(call, at);
  }

  override describe(): string {
    return `${this.algorithm.kind}, at present ${super.describe()}`;
  }

  snapshot(): AdaptiveLimitSnapshot {
    return snapshotOf(this.algorithm);
  }

  restore(snapshot: AdaptiveLimitSnapshot): void {
    restoreTo(this.algorithm, snapshot);
    if (this.adjust()) this.handOut();
  }

  protected override remember(weight: number): HeldPermit {
    const nowMs = this.clock.now();
    const permit = new SampledPermit(weight, nowMs, this.inUse);
    this.lease(permit, nowMs);
    return permit;
  }

  protected override giveBack(permit: SampledPermit): void {
    if (!permit.told && !permit.returned) this.tell(permit, "success");
    super.giveBack(permit);
  }

  /** The algorithm is asked before a call waits or is refused. */
  protected override hasRoom(weight: number, priority: number): boolean {
    if (super.hasRoom(weight, priority)) return true;
    const { algorithm } = this;
    if (algorithm.full === undefined) return false;
    algorithm.full(this.clock.now(), this.inUse);
    if (!this.adjust()) return false;
    this.handOut();
    return super.hasRoom(weight, priority);
  }

  /** What is heavier than the limit happens to be now runs alone. */
  protected override fits(weight: number): boolean {
    return sum(this.inUse, weight) <= this.maxConcurrent || (this.inUse === 0 && this.maxConcurrent >= 1);
  }

  protected override tooHeavy(_weight: number): boolean {
    return false;
  }

  private tell(permit: SampledPermit, outcome: LimitSample["outcome"], call?: Call): void {
    permit.told = true;
    permit.outcome = outcome;
    permit.endMs = this.clock.now();
    const previous = this.maxConcurrent;
    this.algorithm.observe(permit);
    if (this.adjust()) this.handOut();
    const { name, maxConcurrent } = this;
    if (maxConcurrent === previous) return;
    call?.emit?.({
      type: "adaptive-limit.changed",
      pipeline: call.pipeline.name,
      name,
      limit: maxConcurrent,
      previous,
    });
  }

  /** Takes over what the algorithm says. True when it says more than before. */
  private adjust(): boolean {
    const previous = this.maxConcurrent;
    this.maxConcurrent = permitsOf(this.algorithm, previous);
    return this.maxConcurrent > previous;
  }
}

/** An algorithm that answers with no number is not followed. */
function permitsOf({ limit }: Limit, otherwise: number): number {
  return limit >= 0 ? Math.floor(limit) : otherwise;
}
