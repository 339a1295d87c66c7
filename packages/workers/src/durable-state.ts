// Breakers and rate limits that outlive their isolate and are shared between isolates. Each isolate decides by itself, at once;
// what it knows of the others is a little behind, and brought up to date after a response, never before one.
import { type CircuitBreaker, type Clock, type RateLimitBackend, systemClock, TimeoutError } from "@headgate/core";
import type { DurableObjectNamespaceLike, ExecutionContextLike } from "./bindings.ts";
import { type ExchangeAnswer, maxEntries, maxNameLength, readAnswer, writeMessage } from "./exchange.ts";
import { checkFunction, checkInteger, checkName, rejectOption } from "@headgate/core/options";
import { checkBinding, checkDelay } from "./options.ts";
import { type AcceptCircuit, SharedCircuits } from "./shared-circuits.ts";
import { SharedLimits } from "./shared-limits.ts";

export interface DurableStateOptions {
  /** The binding of the class `HeadgateState`. */
  readonly namespace: DurableObjectNamespaceLike;
  /** Which object: isolates that name the same one share. One object answers up to about 1000 messages a second. @default "default" */
  readonly name?: string;
  /** At most 100, each with a name of its own. @default none */
  readonly breakers?: readonly CircuitBreaker[];
  /** How old what is known of the others may be before a request brings it up to date. Above 0, at most 2^31 - 1. @default 1000 */
  readonly refreshMs?: number;
  /** How long that may take. Above 0, at most 2^31 - 1. @default 2000 */
  readonly timeoutMs?: number;
  /** Asked before a breaker takes over what others have found: false leaves it as it is. @default () => true */
  readonly accept?: AcceptCircuit;
  /** Keys of rate limits that are remembered here, the ones asked for last. An integer of at least 1. @default 1000 */
  readonly maxKeys?: number;
  /** Is given why the object could not be reached, or what `accept` has thrown. @default none */
  readonly onError?: ((error: unknown) => void) | undefined;
  /** @default systemClock */
  readonly clock?: Clock;
}

export interface DurableState {
  /** Messages that were answered. */
  readonly refreshes: number;
  /** Messages that were not. */
  readonly failures: number;
  /** How often a breaker has changed because of what other isolates have found. */
  readonly applied: number;
  /**
   * Call it in every request, best when its work is done: does nothing but compare a few numbers, and every `refreshMs`, or when a breaker has changed,
   * sends what is new as work that `context.waitUntil` keeps. Never throws.
   */
  sync(context: ExecutionContextLike): void;
  /**
   * For a `rateLimit`: it decides at once, by what was known last of all isolates together. Between two messages each of them
   * may let a burst through.
   *
   * @param name keeps the keys of several limits apart.
   */
  rateLimitBackend(name: string): RateLimitBackend;
}

/** After failures it is asked again after twice the time each time, up to this. */
const maxPauseMs = 30_000;
/** So long after its time a message has surely been killed with its request. */
const graceMs = 1000;

class SharedState implements DurableState {
  private readonly options: Required<DurableStateOptions>;
  private readonly clock: Clock;
  private readonly circuits: SharedCircuits;
  private readonly limits: SharedLimits;
  refreshes = 0;
  failures = 0;
  private failuresInARow = 0;
  /** What is known is old enough from then on. */
  private dueMs = Number.NEGATIVE_INFINITY;
  /** Not before then, whatever there is to tell: a message is under way, or the last one failed. */
  private quietUntilMs = Number.NEGATIVE_INFINITY;
  /** The number of the last message: an earlier one that comes late after all says nothing any more. */
  private latest = 0;

  constructor(options: Required<DurableStateOptions>) {
    this.options = options;
    this.clock = options.clock;
    this.circuits = new SharedCircuits(options.breakers, options.accept);
    this.limits = new SharedLimits(options.maxKeys, () => options.clock.now());
  }

  get applied(): number {
    return this.circuits.applied;
  }

  rateLimitBackend(name: string): RateLimitBackend {
    checkName("durableState.rateLimitBackend name", name);
    return this.limits.backend(name);
  }

  sync(context: ExecutionContextLike): void {
    const nowMs = this.clock.now();
    const pending = this.circuits.look(nowMs);
    if (nowMs < this.quietUntilMs || (!pending && nowMs < this.dueMs)) return;
    // By time and not by a flag: the request that sends may be killed.
    this.quietUntilMs = nowMs + this.options.timeoutMs + graceMs;
    this.dueMs = nowMs + this.options.refreshMs;
    const refresh = this.refresh(++this.latest, nowMs);
    try {
      context.waitUntil(refresh);
    } catch (error) {
      this.report(error);
    }
  }

  /** Never rejects. */
  private async refresh(number: number, nowMs: number): Promise<void> {
    const limits = this.limits.reports();
    const circuits = this.circuits.reports(nowMs);
    try {
      const answer = await this.send(writeMessage({ circuits, limits }));
      if (number !== this.latest) return;
      this.refreshes++;
      this.failuresInARow = 0;
      this.quietUntilMs = Number.NEGATIVE_INFINITY;
      this.limits.take(limits, answer.limits);
      this.circuits.take(answer.circuits, this.clock.now() - nowMs);
    } catch (error) {
      if (number === this.latest) this.pause();
      this.failures++;
      this.report(error);
    }
  }

  private async send(body: string): Promise<ExchangeAnswer> {
    const { namespace, name, timeoutMs } = this.options;
    const controller = new AbortController();
    const { promise: late, reject } = Promise.withResolvers<never>();
    const timer = this.clock.after(timeoutMs, () => {
      const error = new TimeoutError(timeoutMs, "total");
      reject(error);
      controller.abort(error);
    });
    const answered = async (): Promise<ExchangeAnswer> => {
      // A stub belongs to the request that makes it.
      const stub = namespace.get(namespace.idFromName(name));
      const response = await stub.fetch("https://headgate.invalid/exchange", {
        method: "POST",
        body,
        signal: controller.signal,
      });
      const text = await response.text();
      if (!response.ok) throw new Error(`The Durable Object answers ${response.status}: ${text.slice(0, 200)}`);
      return readAnswer(text);
    };
    try {
      return await Promise.race([answered(), late]);
    } finally {
      timer.cancel();
    }
  }

  private pause(): void {
    this.failuresInARow++;
    const pauseMs = Math.min(maxPauseMs, this.options.refreshMs * 2 ** Math.min(this.failuresInARow, 20));
    this.quietUntilMs = this.clock.now() + Math.max(pauseMs, this.options.refreshMs);
  }

  private report(error: unknown): void {
    try {
      this.options.onError?.(error);
    } catch {
      // Telling must not stop what is told about.
    }
  }
}

/**
 * Shares breakers and rate limits with the other isolates that name the same Durable Object. When that cannot be reached,
 * everything goes on as without it.
 *
 * @throws {InvalidOptionError} for options out of bounds.
 */
export function durableState(options: DurableStateOptions): DurableState {
  const {
    namespace,
    name = "default",
    breakers = [],
    refreshMs = 1000,
    timeoutMs = 2000,
    accept = () => true,
    maxKeys = 1000,
    onError,
    clock = systemClock,
  } = options;
  checkBinding("durableState.namespace", "the binding of a Durable Object", namespace, ["idFromName", "get"]);
  checkName("durableState.name", name);
  checkBreakers(breakers);
  checkDelay("durableState.refreshMs", refreshMs);
  checkDelay("durableState.timeoutMs", timeoutMs);
  checkFunction("durableState.accept", accept);
  checkInteger("durableState.maxKeys", maxKeys, 1);
  if (onError !== undefined) checkFunction("durableState.onError", onError);
  return new SharedState({ namespace, name, breakers, refreshMs, timeoutMs, accept, maxKeys, onError, clock });
}

function checkBreakers(breakers: readonly CircuitBreaker[]): void {
  const place = "durableState.breakers";
  if (!Array.isArray(breakers) || breakers.length > maxEntries)
    rejectOption(place, `a list of at most ${maxEntries} breakers`, breakers);
  const names = new Set<string>();
  for (const breaker of breakers as readonly CircuitBreaker[]) {
    if (typeof breaker?.restore !== "function") rejectOption(place, "a list of circuit breakers", breaker);
    const { name } = breaker;
    if (names.has(name) || name.length > maxNameLength)
      rejectOption(place, `breakers with names of their own, each of at most ${maxNameLength} characters`, name);
    names.add(name);
  }
}
