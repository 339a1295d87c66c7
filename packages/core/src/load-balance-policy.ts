// Which endpoint a call goes to, what its end says about it, and which endpoints are out of use. Nothing here is driven by a
// timer, because on Workers a timer dies with the request that started it: an endpoint comes back when a call looks at it.
import type { Attempt, OperationContext } from "./attempt.ts";
import type { Call } from "./call.ts";
import { callsAround, isInside } from "./call-inside.ts";
import { hintOf, resultOf } from "./circuit-breaker-evidence.ts";
import type { OpenTimeOptions } from "./circuit-breaker-open-time.ts";
import type { Clock } from "./clock.ts";
import { isHeadgateError } from "./errors.ts";
import { Endpoint } from "./load-balance-endpoint.ts";
import type { EndpointSnapshot } from "./load-balance.ts";
import { rejectOption } from "./options.ts";
import { loadBalanceOrder } from "./order-rules.ts";
import type { OrderRule, Policy } from "./policy.ts";
import type { Random } from "./random.ts";
import type { Trip } from "./trip.ts";

export interface LoadBalanceSettings<E> {
  readonly name: string;
  readonly endpoints: readonly E[];
  readonly nameOf: (endpoint: E, index: number) => string;
  readonly trip: () => Trip;
  readonly outTime: OpenTimeOptions;
  readonly maxEjectedRatio: number;
  readonly decayMs: number;
  readonly leaseMs: number | undefined;
  readonly clock: Clock;
  readonly random: Random;
}

/** One call on its way to an endpoint. */
class Visit<E> {
  readonly endpoint: Endpoint<E>;
  readonly startedMs: number;
  readonly generation: number;
  /** Whether it counts as under way no longer. */
  returned = false;

  constructor(endpoint: Endpoint<E>, startedMs: number) {
    this.endpoint = endpoint;
    this.startedMs = startedMs;
    this.generation = endpoint.generation;
  }
}

export class LoadBalancePolicy<E> implements Policy {
  readonly kind = "load-balance";
  readonly orderRules: readonly OrderRule[] = loadBalanceOrder;
  readonly name: string;
  /** Endpoints out of use or probing. */
  ejected = 0;
  ejections = 0;
  private endpoints: readonly Endpoint<E>[] = [];
  private maxEjected = 0;
  private readonly settings: LoadBalanceSettings<E>;
  private readonly ejectMs: number;
  private readonly leaseMs: number | undefined;
  private readonly clock: Clock;
  private readonly random: Random;
  /** Where calls have been that may go on: where they were not served, and where attempts beside the first were sent. */
  private readonly tried = new WeakMap<Call, Endpoint<E>[]>();
  /** Calls under way, the oldest first; undefined without a lease. */
  private readonly leased: Set<Visit<E>> | undefined;

  constructor(settings: LoadBalanceSettings<E>) {
    const { leaseMs } = settings;
    this.name = settings.name;
    this.settings = settings;
    this.ejectMs = settings.outTime.openMs;
    this.leaseMs = leaseMs;
    this.leased = leaseMs === undefined ? undefined : new Set();
    this.clock = settings.clock;
    this.random = settings.random;
    this.take(settings.endpoints);
  }

  get busy(): boolean {
    return this.ejected > 0 || this.endpoints.some(({ inFlight }) => inFlight > 0);
  }

  of(context: OperationContext): E {
    const call = (context as Partial<Attempt> | undefined)?.call;
    const visit = call && call.work === context ? this.visitOf(call) : undefined;
    if (visit === undefined)
      rejectOption("loadBalance.of", "given the context of the attempt that runs, behind this policy", context);
    return visit.endpoint.value;
  }

  snapshot(): EndpointSnapshot<E>[] {
    const nowMs = this.clock.now();
    return this.endpoints.map((endpoint) => ({
      endpoint: endpoint.value,
      name: endpoint.name,
      state: endpoint.state(nowMs),
      ejectedForMs: endpoint.outMs(nowMs),
      inFlight: endpoint.inFlight,
      latencyMs: endpoint.latencyMs(nowMs),
      picked: endpoint.picked,
      ejections: endpoint.ejections,
    }));
  }

  update(values: readonly E[]): void {
    if (!Array.isArray(values) || values.length === 0)
      rejectOption("loadBalance.update", "given an array that is not empty", values);
    this.take(values);
    const out = this.endpoints.filter((endpoint) => endpoint.out);
    // Of a shorter list fewer may be out of use: those that would come back first do so now.
    const nowMs = this.clock.now();
    const soonest = out.toSorted((one, other) => one.outMs(nowMs) - other.outMs(nowMs));
    const back = soonest.slice(0, Math.max(0, out.length - this.maxEjected));
    for (const endpoint of back) endpoint.restore(nowMs);
    this.ejected = out.length - back.length;
  }

  describe(): string {
    const { name, endpoints } = this;
    const trip = endpoints[0]?.trip.describe?.() ?? "its trip";
    return `"${name}", ${endpoints.length} endpoints, out of use at ${trip}, for ${this.ejectMs} ms`;
  }

  enter(call: Call, at: number): "pass" {
    const nowMs = call.readClock(this.clock);
    if (this.leased !== undefined) this.takeBack(this.leased, nowMs);
    const visit = new Visit(this.choose(call, nowMs), nowMs);
    visit.endpoint.pick(nowMs);
    this.leased?.add(visit);
    call.keep(at, visit);
    if (isInside(call)) this.remember(call, visit.endpoint);
    return "pass";
  }

  leave(call: Call, at: number): "pass" {
    const visit = call.recall(at) as Visit<E>;
    const { work } = call;
    if (work === null || work.over) this.giveBack(visit);
    else work.whenOver(() => this.giveBack(visit));
    this.learn(call, visit);
    if (call.outcome !== "success" && call.pipeline.firstRepeat < at) this.remember(call, visit.endpoint);
    return "pass";
  }

  private take(values: readonly E[]): void {
    const { nameOf, trip, maxEjectedRatio } = this.settings;
    const before = [...this.endpoints];
    this.endpoints = values.map((value, i) => {
      const at = before.findIndex((endpoint) => Object.is(endpoint.value, value));
      return at < 0
        ? new Endpoint(value, nameOf(value, i), trip(), this.settings)
        : (before.splice(at, 1)[0] as Endpoint<E>);
    });
    for (const endpoint of before) endpoint.gone = true;
    this.maxEjected = Math.min(Math.floor(values.length * maxEjectedRatio), values.length - 1);
  }

  /** The less loaded of two that are drawn: nearly as even as asking all, and never all to the same one. */
  private choose(call: Call, nowMs: number): Endpoint<E> {
    const { random } = this;
    const candidates = this.candidatesFor(call, nowMs);
    const { length } = candidates;
    if (length === 1) return candidates[0] as Endpoint<E>;
    const i = Math.floor(random.next() * length);
    const j = (i + 1 + Math.floor(random.next() * (length - 1))) % length;
    const first = candidates[i] as Endpoint<E>;
    const second = candidates[j] as Endpoint<E>;
    return second.load(nowMs) < first.load(nowMs) ? second : first;
  }

  /** Those in use, without those that this call has been to, or at least the last of them, as long as there are any. */
  private candidatesFor(call: Call, nowMs: number): readonly Endpoint<E>[] {
    const tried = call.attempt > 1 ? this.triedBy(call) : [];
    if (this.ejected === 0 && tried.length === 0) return this.endpoints;
    // There always is one: never all are out of use.
    const open = this.endpoints.filter((endpoint) => endpoint.isOpen(nowMs));
    const fresh = open.filter((endpoint) => !tried.includes(endpoint));
    if (fresh.length > 0) return fresh;
    const others = open.filter((endpoint) => endpoint !== tried.at(-1));
    return others.length > 0 ? others : open;
  }

  /** Where attempts of this call were not served, and where others of it are under way. */
  private triedBy(call: Call): readonly Endpoint<E>[] {
    const tried: Endpoint<E>[] = [];
    for (const each of callsAround(call)) {
      tried.push(...(this.tried.get(each) ?? []));
      const visit = each === call ? undefined : this.visitOf(each);
      if (visit !== undefined) tried.push(visit.endpoint);
    }
    return tried;
  }

  private visitOf(call: Call): Visit<E> | undefined {
    const at = call.pipeline.policies.indexOf(this);
    return at < 0 ? undefined : (call.recall(at) as Visit<E> | undefined);
  }

  /** Known to all attempts of the same call, those that run beside it too. */
  private remember(call: Call, endpoint: Endpoint<E>): void {
    const outermost = callsAround(call).at(-1) as Call;
    const tried = this.tried.get(outermost);
    if (tried === undefined) this.tried.set(outermost, [endpoint]);
    else tried.push(endpoint);
  }

  private giveBack(visit: Visit<E>): void {
    if (visit.returned) return;
    visit.returned = true;
    visit.endpoint.inFlight--;
    this.leased?.delete(visit);
  }

  private takeBack(leased: Set<Visit<E>>, nowMs: number): void {
    for (const visit of leased) {
      if (nowMs - visit.startedMs < (this.leaseMs as number)) return;
      this.giveBack(visit);
    }
  }

  private learn(call: Call, { endpoint, startedMs, generation }: Visit<E>): void {
    const nowMs = this.clock.now();
    const elapsedMs = nowMs - startedMs;
    const { outcome } = call;
    const isCurrent = generation === endpoint.generation && !endpoint.gone;
    if (outcome === "ignored") {
      // The slower of two hedged attempts is cut off before it can tell how long it takes.
      if (wasSuperseded(call)) endpoint.observeAtLeast(elapsedMs, nowMs);
      if (isCurrent) endpoint.freeProbe();
      return;
    }
    if (outcome === "success") endpoint.observe(elapsedMs, nowMs);
    else endpoint.observeFailure(elapsedMs, this.slowestMs(nowMs), nowMs);
    if (!isCurrent) return;
    if (endpoint.out) this.probed(call, endpoint, nowMs);
    else if (endpoint.record(outcome === "success" ? outcome : resultOf(call), elapsedMs, nowMs)) {
      if (this.ejected < this.maxEjected) {
        this.ejected++;
        this.eject(call, endpoint, nowMs);
      }
    }
  }

  private slowestMs(nowMs: number): number {
    return Math.max(...this.endpoints.map((endpoint) => endpoint.latencyMs(nowMs) ?? 0));
  }

  private probed(call: Call, endpoint: Endpoint<E>, nowMs: number): void {
    if (call.outcome !== "success") return this.eject(call, endpoint, nowMs);
    this.ejected--;
    endpoint.restore(nowMs);
    const { name } = this;
    call.emit?.({ type: "load-balance.restored", pipeline: call.pipeline.name, name, endpoint: endpoint.name });
  }

  private eject(call: Call, endpoint: Endpoint<E>, nowMs: number): void {
    const failed = call.outcome !== "success";
    this.ejections++;
    const ejectMs = endpoint.eject(nowMs, (failed ? hintOf(call) : undefined) ?? 0);
    const cause = failed ? call.result : undefined;
    const { name } = this;
    const pipeline = call.pipeline.name;
    call.emit?.({ type: "load-balance.ejected", pipeline, name, endpoint: endpoint.name, ejectMs, cause });
  }
}

function wasSuperseded({ threw, result }: Call): boolean {
  return threw && isHeadgateError(result) && result.code === "ERR_SUPERSEDED";
}
