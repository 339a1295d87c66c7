// Turns calls away while there is too much to do: those of the lowest class first, inside a class those of the tenants that ask
// for most. Decided once per call, before anything is spent on it, and so outside the retry and every limit.
//
// What the signals say is the share that has to go. It becomes a threshold among the ranks that calls had lately: class first,
// then level. The level is drawn so that each tenant's calls lie evenly between nothing and its usage; a threshold then cuts all
// tenants at the same usage, which is the max-min fair share.
import type { Call } from "./call.ts";
import { type Clock, maxDelayMs, systemClock } from "./clock.ts";
import { InvalidOptionError } from "./errors.ts";
import { LoadShedError } from "./load-shed-error.ts";
import type { ShedSignal } from "./load-shed-signals.ts";
import { TenantUsages } from "./load-shed-tenants.ts";
import { ShedThreshold } from "./load-shed-threshold.ts";
import { checkFunction, checkInteger, checkName, checkNumber, rejectOption } from "./options.ts";
import { loadShedOrder } from "./order-rules.ts";
import type { Policy } from "./policy.ts";
import { classOfRank, levelsPerClass, type PriorityClass, priorityClasses, ranks, toRank } from "./priority.ts";
import { type Random, systemRandom } from "./random.ts";

export interface LoadShedOptions {
  /** Stands in the error, in events and in metrics. @default "default" */
  readonly name?: string;
  /** What tells how much is too much; the highest counts. At least one, each with a name of its own. */
  readonly signals: readonly ShedSignal[];
  /** Among whom what can be done is shared fairly. @default the call's `key`, or "" without one */
  readonly tenant?: ((call: Call) => string) | undefined;
  /** Tenants whose usage is remembered, the latest. An integer of at least 1. @default 1000 */
  readonly maxTenants?: number;
  /** No larger share of the calls is shed, so that what has got better is noticed. Above 0, at most 1. @default 0.95 */
  readonly maxShedRatio?: number;
  /** How often the signals are read while calls come. Above 0, at most 2^31 - 1. @default 100 */
  readonly intervalMs?: number;
  /** How long a refused caller is asked to stay away, at least. An integer of at least 0. @default 500 */
  readonly minRetryAfterMs?: number;
  /** And at most. Drawn anew each time, so that callers do not come back together. @default 3000 */
  readonly maxRetryAfterMs?: number;
  /** @default systemClock */
  readonly clock?: Clock;
  /** @default systemRandom */
  readonly random?: Random;
}

/** How many calls of a class were refused while a signal pressed most. */
export interface ShedCount {
  readonly priorityClass: PriorityClass;
  readonly signal: string;
  readonly rejected: number;
}

export type LoadShed = Policy & {
  readonly kind: "load-shed";
  readonly name: string;
  /** The share of the calls that is being shed, 0 to 1. */
  readonly ratio: number;
  /** What each signal said when it was last read: the overload from 0, which is none, to 1. */
  readonly pressures: readonly { readonly signal: string; readonly ratio: number }[];
  /** Calls that were let in. */
  readonly admitted: number;
  readonly rejected: number;
  /** `rejected` by class and signal, for each of both. */
  readonly rejections: readonly ShedCount[];
  /** Tenants whose usage is remembered. */
  readonly tenants: number;
};

/** How many halvings of the largest usage the levels of a class span. */
const levelsPerHalving = (levelsPerClass - 1) / 10;

class LoadShedPolicy implements Policy {
  readonly kind = "load-shed";
  readonly orderRules = loadShedOrder;
  readonly name: string;
  private readonly signals: readonly ShedSignal[];
  private readonly tenantOf: ((call: Call) => string) | undefined;
  private readonly intervalMs: number;
  private readonly maxShedRatio: number;
  private readonly minRetryAfterMs: number;
  private readonly maxRetryAfterMs: number;
  private readonly clock: Clock;
  private readonly random: Random;
  private readonly threshold: ShedThreshold;
  private readonly usages: TenantUsages;
  /** What each signal said last. */
  private readonly said: Float64Array;
  /** By signal and class. */
  private readonly refused: Float64Array;
  /** The signal that pressed most when last one did. */
  private worst = 0;
  private readMs = Number.NEGATIVE_INFINITY;
  /** Whether the observer was last told that shedding has started. */
  private told = false;

  admitted = 0;
  rejected = 0;

  constructor(options: Required<Omit<LoadShedOptions, "tenant">> & Pick<LoadShedOptions, "tenant">) {
    this.name = options.name;
    this.signals = options.signals;
    this.tenantOf = options.tenant;
    this.intervalMs = options.intervalMs;
    this.maxShedRatio = options.maxShedRatio;
    this.minRetryAfterMs = options.minRetryAfterMs;
    this.maxRetryAfterMs = options.maxRetryAfterMs;
    this.clock = options.clock;
    this.random = options.random;
    this.threshold = new ShedThreshold(ranks, options.maxShedRatio);
    this.usages = new TenantUsages(options.maxTenants);
    this.said = new Float64Array(options.signals.length);
    this.refused = new Float64Array(options.signals.length * priorityClasses.length);
  }

  get ratio(): number {
    this.readSignals(this.clock.now());
    return this.threshold.ratio;
  }

  get pressures(): readonly { readonly signal: string; readonly ratio: number }[] {
    this.readSignals(this.clock.now());
    return this.signals.map(({ name }, i) => ({ signal: name, ratio: Math.max(0, this.said[i] as number) }));
  }

  get rejections(): readonly ShedCount[] {
    return Array.from(this.refused, (rejected, i) => ({
      priorityClass: priorityClasses[i % priorityClasses.length] as PriorityClass,
      signal: (this.signals[Math.floor(i / priorityClasses.length)] as ShedSignal).name,
      rejected,
    }));
  }

  get tenants(): number {
    return this.usages.size;
  }

  get busy(): boolean {
    return this.ratio > 0;
  }

  describe(): string {
    return `up to ${Math.round(this.maxShedRatio * 100)} % by ${this.signals.map(({ name }) => name).join(", ")}`;
  }

  enter(call: Call, at: number): "pass" | "end" {
    const { priority = 0, weight = 1 } = call.options;
    if (!(priority >= Number.NEGATIVE_INFINITY))
      return call.refuse(() => new InvalidOptionError("execute.priority", "a number", String(priority)));
    const nowMs = call.readClock(this.clock);
    const { threshold } = this;
    const counted = weight > 0 && weight <= Number.MAX_SAFE_INTEGER ? weight : 1;
    const rank = this.rankOf(call, toRank(priority), counted, nowMs);
    threshold.note(rank, counted);
    this.readSignals(nowMs);
    if (this.told !== threshold.ratio > 0) this.tell(call);
    if (threshold.ratio > 0 && threshold.sheds(rank, this.random.next())) return this.refuse(call, rank);
    this.admitted++;
    this.began(call, at, nowMs);
    return "pass";
  }

  /** For what has to know how long calls take. */
  protected began(_call: Call, _at: number, _nowMs: number): void {}

  protected ended(call: Call, startedMs: number): void {
    const nowMs = this.clock.now();
    for (const signal of this.signals) {
      try {
        signal.ended?.(nowMs, nowMs - startedMs, call.outcome);
      } catch {
        // Measuring must not change a call.
      }
    }
  }

  /** The class of `given`, and a level by the tenant's usage: from there down to none by chance, or by the level that is given. */
  private rankOf(call: Call, given: number, weight: number, nowMs: number): number {
    const level = given % levelsPerClass;
    const part = level === 0 ? 1 - this.random.next() : (levelsPerClass - level) / (levelsPerClass - 1);
    const share = this.usageOf(call, weight, nowMs);
    const fair = Math.min(levelsPerClass - 1, Math.floor(-levelsPerHalving * Math.log2(part * share)));
    return given - level + fair;
  }

  /** As a share of the largest one. */
  private usageOf(call: Call, weight: number, nowMs: number): number {
    const tenant = this.tenantOf === undefined ? (call.options.key ?? "") : this.tenantOf(call);
    if (tenant === "" && this.usages.size === 0) return 1;
    return this.usages.note(tenant, weight, nowMs);
  }

  private readSignals(nowMs: number): void {
    const passed = (nowMs - this.readMs) / this.intervalMs;
    // A clock that was set back begins anew.
    if (passed >= 0 && passed < 1) return;
    this.readMs = nowMs;
    let most = -1;
    for (let i = 0; i < this.signals.length; i++) {
      const overload = overloadOf(this.signals[i] as ShedSignal, nowMs);
      this.said[i] = overload;
      if (overload <= most) continue;
      most = overload;
      if (overload > 0) this.worst = i;
    }
    this.threshold.step(most, passed >= 1 ? passed : 1);
  }

  private tell(call: Call): void {
    const { ratio } = this.threshold;
    const { name } = this;
    const pipeline = call.pipeline.name;
    this.told = ratio > 0;
    if (ratio > 0) call.emit?.({ type: "load-shed.started", pipeline, name, signal: this.signal, ratio });
    else call.emit?.({ type: "load-shed.stopped", pipeline, name });
  }

  private get signal(): string {
    return (this.signals[this.worst] as ShedSignal).name;
  }

  private refuse(call: Call, rank: number): "end" {
    const { name, signal, minRetryAfterMs, maxRetryAfterMs } = this;
    const { ratio } = this.threshold;
    const priorityClass = classOfRank(rank);
    const counter = this.worst * priorityClasses.length + Math.floor(rank / levelsPerClass);
    this.rejected++;
    this.refused[counter] = (this.refused[counter] as number) + 1;
    call.emit?.({ type: "load-shed.rejected", pipeline: call.pipeline.name, name, signal, ratio, priorityClass });
    const retryAfterMs = Math.floor(minRetryAfterMs + this.random.next() * (maxRetryAfterMs - minRetryAfterMs + 1));
    return call.refuse(() => new LoadShedError(name, signal, ratio, priorityClass, retryAfterMs), retryAfterMs);
  }
}

/** -1 to 1. A signal that fails says nothing, so that it is not the calls that fail. */
function overloadOf(signal: ShedSignal, nowMs: number): number {
  try {
    const overload = signal.read(nowMs);
    return overload >= -1 ? Math.min(1, overload) : -1;
  } catch {
    return -1;
  }
}

/** Apart, because a call that nobody measures need not be looked at on its way up. */
class MeasuringLoadShedPolicy extends LoadShedPolicy {
  protected override began(call: Call, at: number, nowMs: number): void {
    call.keep(at, nowMs);
  }

  leave(call: Call, at: number): "pass" {
    this.ended(call, call.recall(at) as number);
    return "pass";
  }
}

/**
 * Refuses a share of the calls with a `LoadShedError` while the signals tell of overload: the lowest class of `priority` first,
 * inside a class the calls of the tenants that ask for most. Make it outermost but for the fallback and the total timeout.
 *
 * @throws {InvalidOptionError} for options out of bounds.
 */
export function loadShed(options: LoadShedOptions): LoadShed {
  const { name = "default", signals, tenant, maxTenants = 1000, maxShedRatio = 0.95, intervalMs = 100 } = options;
  const { minRetryAfterMs = 500, maxRetryAfterMs = 3000, clock = systemClock, random = systemRandom } = options;
  checkName("loadShed.name", name);
  checkSignals(signals);
  if (tenant !== undefined) checkFunction("loadShed.tenant", tenant);
  checkInteger("loadShed.maxTenants", maxTenants, 1);
  checkNumber("loadShed.maxShedRatio", maxShedRatio, 0, 1, true);
  checkNumber("loadShed.intervalMs", intervalMs, 0, maxDelayMs, true);
  checkInteger("loadShed.minRetryAfterMs", minRetryAfterMs, 0);
  checkInteger("loadShed.maxRetryAfterMs", maxRetryAfterMs, minRetryAfterMs);
  const all = { minRetryAfterMs, maxRetryAfterMs, clock, random };
  const settings = { name, signals: [...signals], tenant, maxTenants, maxShedRatio, intervalMs, ...all };
  const isMeasured = signals.some((signal) => signal.ended !== undefined);
  return isMeasured ? new MeasuringLoadShedPolicy(settings) : new LoadShedPolicy(settings);
}

function checkSignals(signals: unknown): void {
  if (!Array.isArray(signals) || signals.length === 0)
    rejectOption("loadShed.signals", "an array of at least one signal", signals);
  const names = new Set<unknown>();
  for (const [i, signal] of (signals as (Partial<ShedSignal> | undefined)[]).entries()) {
    if (typeof signal?.read !== "function")
      rejectOption(`loadShed.signals[${i}]`, "an object with a function `read`", signal);
    checkName(`loadShed.signals[${i}].name`, signal.name);
    if (names.has(signal.name)) rejectOption(`loadShed.signals[${i}].name`, "used by one signal only", signal.name);
    names.add(signal.name);
  }
}
