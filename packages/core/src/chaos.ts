// Makes a share of the calls slow, failing or hanging on purpose, so that what stands around the operation can be seen at
// work. It belongs innermost: everything further out must take it for the dependency.
import type { Call } from "./call.ts";
import { type Clock, type ClockTimer, maxDelayMs, systemClock } from "./clock.ts";
import { drip } from "./drip.ts";
import { HeadgateError } from "./errors.ts";
import { checkFunction, checkName, checkNumber, rejectOption } from "./options.ts";
import { chaosOrder } from "./order-rules.ts";
import type { EnterStep, LeaveStep, Policy } from "./policy.ts";
import { type Random, systemRandom } from "./random.ts";

/** What happens to a call that is hit. */
export type Injection =
  /** The operation starts later: a number of milliseconds, or a function that draws one for each call. */
  | { readonly type: "latency"; readonly delayMs: number | ((random: Random) => number) }
  /** The operation does not run and the call fails. `error` makes what is thrown. @default a ChaosError */
  | { readonly type: "failure"; readonly error?: (call: Call) => unknown }
  /** The operation does not run and the call returns this; `isFailure` and `isOverload` judge it like any value. */
  | { readonly type: "value"; readonly value: (call: Call) => unknown }
  /** The operation does not run and nothing happens until the call is ended, or fails after this long. @default 60000 */
  | { readonly type: "hang"; readonly maxHangMs?: number }
  /**
   * The operation runs, and each chunk of what it returns comes so many milliseconds later: a `ReadableStream`, the body
   * of a `Response`, an async iterable. Another value is returned as it is.
   */
  | { readonly type: "drip"; readonly chunkDelayMs: number };

export interface ChaosOptions {
  /** Stands in the error and in events. @default "default" */
  readonly name?: string;
  /** The share of calls that are hit, 0 to 1, or a function that says it for each call. */
  readonly rate: number | ((call: Call) => number);
  /** What happens to them. */
  readonly inject: Injection;
  /** The kill switch, asked for each call. `chaos.enabled = false` switches off as well. @default true */
  readonly enabled?: boolean | (() => boolean);
  /** @default systemRandom */
  readonly random?: Random;
  /** @default systemClock */
  readonly clock?: Clock;
}

export type Chaos = Policy & {
  readonly kind: "chaos";
  readonly name: string;
  /** Set it to false and no call is hit any more. Calls that are already hit go on. */
  enabled: boolean;
  /** Calls that were hit. */
  readonly injected: number;
};

/** A failure made on purpose: by `failure`, or by a `hang` that nobody ended. */
export class ChaosError extends HeadgateError {
  /** The chaos's name. */
  readonly chaos: string;
  readonly injection: "failure" | "hang";

  constructor(chaos: string, injection: "failure" | "hang") {
    super("ERR_CHAOS", "chaos");
    this.chaos = chaos;
    this.injection = injection;
  }

  override get name(): string {
    return "ChaosError";
  }

  override get message(): string {
    const what = this.injection === "hang" ? "The call hung and was given up" : "The call failed on purpose";
    return `${what} (chaos "${this.chaos}")`;
  }
}

class ChaosPolicy implements Policy {
  readonly kind = "chaos";
  readonly orderRules = chaosOrder;
  readonly name: string;
  enabled: boolean;
  injected = 0;
  private readonly rate: number | ((call: Call) => number);
  private readonly inject: Injection;
  private readonly isOn: (() => boolean) | undefined;
  private readonly random: Random;
  private readonly clock: Clock;

  constructor({ name, rate, inject, enabled, random, clock }: Required<ChaosOptions>) {
    this.name = name;
    this.rate = rate;
    this.inject = inject;
    this.enabled = enabled !== false;
    this.isOn = typeof enabled === "function" ? enabled : undefined;
    this.random = random;
    this.clock = clock;
  }

  describe(): string {
    const { rate, inject } = this;
    return typeof rate === "number" ? `${inject.type} in ${rate * 100} % of calls` : `${inject.type} by the call`;
  }

  enter(call: Call, at: number): EnterStep {
    if (this.inject.type === "drip" || !this.hits(call)) return "pass";
    const { inject } = this;
    if (inject.type === "latency") return this.delay(call, at, inject.delayMs);
    if (inject.type === "hang") return this.hang(call, at, inject.maxHangMs ?? defaultHangMs);
    if (inject.type === "value") call.judge(false, inject.value(call));
    else call.judge(true, inject.error === undefined ? new ChaosError(this.name, "failure") : inject.error(call));
    return "end";
  }

  leave(call: Call): LeaveStep {
    const { inject } = this;
    if (inject.type !== "drip" || call.cutting || call.threw || !this.hits(call)) return "pass";
    call.conclude(call.outcome, false, drip(call.result, inject.chunkDelayMs, this.clock));
    return "pass";
  }

  interrupt(call: Call, at: number): void {
    (call.recall(at) as ClockTimer).cancel();
  }

  /** One number is drawn for each call that comes here, so that the same seed hits the same calls. */
  private hits(call: Call): boolean {
    if (!this.enabled || (this.isOn !== undefined && !this.isOn())) return false;
    const rate = typeof this.rate === "function" ? this.rate(call) : this.rate;
    if (!(this.random.next() < rate)) return false;
    this.injected++;
    const { name, inject } = this;
    const { attempt, pipeline } = call;
    call.emit?.({ type: "chaos.injected", pipeline: pipeline.name, name, injection: inject.type, attempt });
    return true;
  }

  private delay(call: Call, at: number, delayMs: number | ((random: Random) => number)): EnterStep {
    const ms = typeof delayMs === "function" ? delayMs(this.random) : delayMs;
    if (!(ms > 0)) return "pass";
    call.keep(
      at,
      this.clock.after(Math.min(ms, maxDelayMs), () => call.resume(at)),
    );
    return "park";
  }

  private hang(call: Call, at: number, maxHangMs: number): EnterStep {
    const timer = this.clock.after(maxHangMs, () => {
      call.judge(true, new ChaosError(this.name, "hang"));
      call.finish(at);
    });
    call.keep(at, timer);
    return "park";
  }
}

const defaultHangMs = 60_000;

/**
 * Injects latency, failures, values, hangs or slow bodies into a share of the calls. Hit calls count like those of a real
 * dependency: an injected failure opens a breaker, an injected delay runs into a timeout.
 *
 * @throws {InvalidOptionError} for options out of bounds.
 */
export function chaos(options: ChaosOptions): Chaos {
  const { name = "default", rate, inject, enabled = true, random = systemRandom, clock = systemClock } = options;
  checkName("chaos.name", name);
  if (typeof rate !== "function") checkNumber("chaos.rate", rate, 0, 1);
  if (typeof enabled !== "boolean") checkFunction("chaos.enabled", enabled);
  checkInjection(inject);
  return new ChaosPolicy({ name, rate, inject, enabled, random, clock });
}

function checkInjection(inject: Injection): void {
  switch (inject?.type) {
    case "latency":
      if (typeof inject.delayMs !== "function") checkNumber("chaos.inject.delayMs", inject.delayMs, 0, maxDelayMs);
      return;
    case "failure":
      if (inject.error !== undefined) checkFunction("chaos.inject.error", inject.error);
      return;
    case "value":
      checkFunction("chaos.inject.value", inject.value);
      return;
    case "hang":
      checkNumber("chaos.inject.maxHangMs", inject.maxHangMs ?? defaultHangMs, 0, maxDelayMs, true);
      return;
    case "drip":
      checkNumber("chaos.inject.chunkDelayMs", inject.chunkDelayMs, 0, maxDelayMs, true);
      return;
    default:
      rejectOption("chaos.inject.type", '"latency", "failure", "value", "hang" or "drip"', (inject as Injection)?.type);
  }
}
