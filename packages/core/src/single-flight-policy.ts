// Operations that several calls wait for. An operation belongs to none of them: it runs in a call of its own, and ends when the last
// of those who wait for it has left.
//
// On Workers a request that is killed never settles what it has started, so that nobody waits for another's operation
// without a timer of their own.
import type { Call } from "./call.ts";
import { runInside } from "./call-inside.ts";
import type { Clock, ClockTimer } from "./clock.ts";
import type { OperationResult } from "./engine.ts";
import { singleFlightOrder } from "./order-rules.ts";
import type { OrderRule, Policy } from "./policy.ts";
import { made, newPromise } from "./promise-parts.ts";
import type { SingleFlightOptions } from "./single-flight.ts";

/** One operation, and who waits for it. */
class Flight {
  readonly key: string;
  readonly startedMs: number;
  /** The call that has started it. */
  readonly starter: Call;
  inner: Call | null = null;
  result: OperationResult<unknown> | null = null;
  /** Whether everybody is given the result, or the starter alone. */
  shared = true;
  /** Whether the starter waits for it. */
  led = true;
  followers = 0;
  /** Whether somebody has been given the value, or it has been discarded. */
  taken = false;
  /** Resolves when there is a result. Everybody goes on from a reaction of their own, in their own context. */
  readonly landed: Promise<unknown>;
  readonly land: () => void;
  /** Resolves when nobody waits any more. */
  readonly deserted: Promise<unknown>;
  readonly desert: (reason: unknown) => void;

  constructor(key: string, startedMs: number, starter: Call) {
    this.key = key;
    this.startedMs = startedMs;
    this.starter = starter;
    this.landed = newPromise();
    this.land = made.resolve;
    this.deserted = newPromise();
    this.desert = made.resolve;
  }

  /** Gives up a value that nobody will be given. */
  discardIfNobodys(): void {
    const { result } = this;
    if (result === null || !result.ok || this.taken || this.led || (this.shared && this.followers > 0)) return;
    this.taken = true;
    this.starter.discard(result.value);
  }
}

/** One call that waits for a flight. */
class Passenger {
  readonly call: Call;
  readonly at: number;
  readonly flight: Flight;
  readonly leads: boolean;
  timer: ClockTimer | null = null;
  gone = false;

  constructor(call: Call, at: number, flight: Flight, leads: boolean) {
    this.call = call;
    this.at = at;
    this.flight = flight;
    this.leads = leads;
  }

  /** Waits no more, whatever for. */
  leave(): void {
    this.gone = true;
    this.timer?.cancel();
    if (this.leads) this.flight.led = false;
    else this.flight.followers--;
  }
}

export class SingleFlightPolicy implements Policy {
  readonly kind = "single-flight";
  readonly orderRules: readonly OrderRule[] = singleFlightOrder;
  private readonly key: (call: Call) => string | undefined;
  private readonly maxWaitMs: number;
  private readonly maxKeys: number;
  private readonly maxFollowers: number;
  private readonly share: (value: unknown) => boolean;
  private readonly clock: Clock;
  /** In the order in which they started. */
  private readonly flights = new Map<string, Flight>();
  joined = 0;
  expired = 0;

  constructor(options: Required<SingleFlightOptions>) {
    this.key = options.key;
    this.maxWaitMs = options.maxWaitMs;
    this.maxKeys = options.maxKeys;
    this.maxFollowers = options.maxFollowers;
    this.share = options.share;
    this.clock = options.clock;
  }

  get inFlight(): number {
    return this.flights.size;
  }

  describe(): string {
    return `waits ${this.maxWaitMs} ms`;
  }

  enter(call: Call, at: number): "pass" | "park" | "end" {
    const key = this.key(call);
    return key === undefined ? "pass" : this.board(key, call, at);
  }

  interrupt(call: Call, at: number): void {
    const passenger = call.recall(at) as Passenger;
    const { flight } = passenger;
    passenger.leave();
    // What a policy further out has given for this work comes back when it is over.
    if (passenger.leads) call.work = flight.inner?.work ?? null;
    this.desertIfEmpty(flight, call.result);
  }

  private board(key: string, call: Call, at: number): "pass" | "park" | "end" {
    const flight = this.flights.get(key);
    const nowMs = this.clock.now();
    if (flight !== undefined && nowMs - flight.startedMs < this.maxWaitMs) {
      if (flight.followers >= this.maxFollowers) return "pass";
      this.follow(flight, call, at);
      return "park";
    }
    if (flight === undefined && !this.hasRoom(nowMs)) return "pass";
    return this.start(new Flight(key, nowMs, call), call, at);
  }

  private hasRoom(nowMs: number): boolean {
    if (this.flights.size < this.maxKeys) return true;
    for (const [key, flight] of this.flights) {
      if (nowMs - flight.startedMs < this.maxWaitMs) break;
      this.flights.delete(key);
    }
    return this.flights.size < this.maxKeys;
  }

  private start(flight: Flight, call: Call, at: number): "park" | "end" {
    const passenger = new Passenger(call, at, flight, true);
    call.keep(at, passenger);
    this.flights.delete(flight.key);
    this.flights.set(flight.key, flight);
    const inner = runInside(call, at, (result) => this.land(flight, result));
    flight.inner = inner;
    if (flight.result !== null && !passenger.gone) {
      this.take(passenger, flight.result);
      return "end";
    }
    // From a reaction that is made here: whoever is the last to leave, the operation's code runs in its own context.
    void flight.deserted.then((reason) => inner.cut(-1, "ignored", reason));
    this.whenLanded(flight, passenger);
    return "park";
  }

  private follow(flight: Flight, call: Call, at: number): void {
    const passenger = new Passenger(call, at, flight, false);
    call.keep(at, passenger);
    flight.followers++;
    this.joined++;
    passenger.timer = this.clock.after(this.maxWaitMs, () => {
      // One microtask later, as for any timeout: a result that is already there wins.
      void Promise.resolve().then(() => this.expire(passenger));
    });
    const { followers, key } = flight;
    call.emit?.({ type: "single-flight.joined", pipeline: call.pipeline.name, key, followers });
    this.whenLanded(flight, passenger);
  }

  private whenLanded(flight: Flight, passenger: Passenger): void {
    void flight.landed.then(() => this.goOn(passenger, flight.result as OperationResult<unknown>));
  }

  /** There is a result. Runs in the context of the operation: nobody's code but `share` may run here. */
  private land(flight: Flight, result: OperationResult<unknown>): void {
    flight.result = result;
    this.close(flight);
    if (result.ok && flight.followers > 0) {
      try {
        flight.shared = this.share(result.value);
      } catch (error) {
        flight.starter.discard(result.value);
        flight.result = { ok: false, error, outcome: "failure" };
      }
    }
    flight.discardIfNobodys();
    flight.land();
  }

  private goOn(passenger: Passenger, result: OperationResult<unknown>): void {
    if (passenger.gone) return;
    const { call, at, flight, leads } = passenger;
    if (!leads && !flight.shared) {
      passenger.leave();
      call.resume(at);
      return;
    }
    this.take(passenger, result);
    call.finish(at);
  }

  private take(passenger: Passenger, result: OperationResult<unknown>): void {
    const { call, flight, leads } = passenger;
    const { ok, outcome } = result;
    flight.taken = true;
    passenger.leave();
    call.conclude(outcome, !ok, ok ? result.value : result.error);
    const inner = flight.inner as Call;
    call.refusedForMs = inner.refusedForMs;
    call.work = inner.work;
    if (!leads) return;
    call.attempt = inner.attempt;
    call.history = inner.history;
  }

  /** A follower has waited as long as it may: it starts an operation itself, or joins one that was started since. */
  private expire(passenger: Passenger): void {
    if (passenger.gone) return;
    const { call, at, flight } = passenger;
    passenger.leave();
    this.expired++;
    call.emit?.({ type: "single-flight.expired", pipeline: call.pipeline.name, key: flight.key });
    this.close(flight);
    this.desertIfEmpty(flight, undefined);
    const step = this.board(flight.key, call, at);
    if (step === "end") call.finish(at);
    else if (step === "pass") call.resume(at);
  }

  private desertIfEmpty(flight: Flight, reason: unknown): void {
    flight.discardIfNobodys();
    if (flight.led || flight.followers > 0) return;
    this.close(flight);
    flight.desert(reason);
  }

  /** Nobody joins it any more. */
  private close(flight: Flight): void {
    if (this.flights.get(flight.key) === flight) this.flights.delete(flight.key);
  }
}
