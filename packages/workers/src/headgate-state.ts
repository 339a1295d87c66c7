// The Durable Object that isolates share what they know through. One object holds what belongs together: a few breakers, the
// keys of a few limits. It decides nothing for anybody and is asked by nobody who waits.
import { type CircuitRecord, mergeReport, viewOf } from "./circuit-records.ts";
import type { DurableObjectStateLike, DurableObjectStorageLike } from "./bindings.ts";
import { type Exchange, type ExchangeAnswer, readExchange, writeMessage } from "./exchange.ts";
import { addUsed } from "./limit-records.ts";
import { type WallClock, wallClock } from "./wall-clock.ts";

const circuitPrefix = "circuit:";
const limitPrefix = "limit:";

/** How long a record stays after its time: an outage that nobody has ended is not remembered for ever. */
const keepMs = 3_600_000;
/** Records of each sort; beyond, the one goes that was not touched for the longest. */
const maxRecords = 10_000;
/** An object is only let go of after a while without requests: what a limit has paid for by then need not be stored. */
const idleMs = 10_000;

/** Export it from the Worker's main module and bind it. Its storage needs no schema; SQLite is what new classes use. */
export class HeadgateState {
  readonly #storage: DurableObjectStorageLike;
  readonly #clock: WallClock;
  readonly #circuits = new Map<string, CircuitRecord>();
  /** By key, when the whole burst is there again. */
  readonly #limits = new Map<string, number>();
  #alarmIsSet = false;

  constructor(state: DurableObjectStateLike, _env?: unknown, clock: WallClock = wallClock) {
    this.#storage = state.storage;
    this.#clock = clock;
    void state.blockConcurrencyWhile(() => this.#load());
  }

  async fetch(request: Request): Promise<Response> {
    if (request.method !== "POST")
      return new Response("Only POST is allowed", { status: 405, headers: { allow: "POST" } });
    let exchange: Exchange;
    try {
      exchange = readExchange(await request.text());
    } catch (error) {
      return new Response(error instanceof Error ? error.message : String(error), { status: 400 });
    }
    const answer = await this.#exchange(exchange);
    return new Response(writeMessage(answer), { headers: { "content-type": "application/json" } });
  }

  /** Called by the platform: forgets what nobody needs any more. */
  async alarm(): Promise<void> {
    const nowMs = this.#clock.now();
    const gone: string[] = [];
    for (const [name, { untilMs }] of this.#circuits)
      if (untilMs + keepMs <= nowMs && this.#circuits.delete(name)) gone.push(circuitPrefix + name);
    for (const [key, paidMs] of this.#limits)
      if (paidMs <= nowMs && this.#limits.delete(key)) gone.push(limitPrefix + key);
    await this.#forget(gone);
    this.#alarmIsSet = false;
    if (this.#circuits.size + this.#limits.size > 0) await this.#setAlarm(nowMs);
  }

  async #load(): Promise<void> {
    for (const [key, value] of await this.#storage.list()) {
      if (key.startsWith(circuitPrefix)) this.#circuits.set(key.slice(circuitPrefix.length), value as CircuitRecord);
      else if (key.startsWith(limitPrefix)) this.#limits.set(key.slice(limitPrefix.length), value as number);
    }
    this.#alarmIsSet = (await this.#storage.getAlarm()) !== null;
  }

  /** The merge itself is one step without an await: messages that come at once cannot mix. */
  async #exchange({ circuits, limits }: Exchange): Promise<ExchangeAnswer> {
    const nowMs = this.#clock.now();
    const writes: Promise<unknown>[] = [];
    const answer: ExchangeAnswer = {
      circuits: circuits.flatMap((report) => {
        const before = this.#circuits.get(report.name);
        const after = mergeReport(before, report, nowMs);
        if (after === undefined) return [];
        if (after !== before) writes.push(this.#keep(this.#circuits, circuitPrefix, report.name, after));
        return [viewOf(report.name, after, nowMs)];
      }),
      limits: limits.map((report) => {
        const paidMs = addUsed(this.#limits.get(report.key), report, nowMs);
        writes.push(this.#keep(this.#limits, limitPrefix, report.key, paidMs, paidMs - nowMs >= idleMs));
        return { key: report.key, aheadMs: paidMs - nowMs };
      }),
    };
    if (writes.length > 0 && !this.#alarmIsSet) writes.push(this.#setAlarm(nowMs));
    await Promise.all(writes);
    return answer;
  }

  async #keep<T>(records: Map<string, T>, prefix: string, name: string, value: T, stores = true): Promise<void> {
    records.delete(name);
    records.set(name, value);
    const [oldest] = records.keys();
    const gone = records.size > maxRecords && oldest !== undefined && records.delete(oldest) ? [prefix + oldest] : [];
    if (stores) await this.#storage.put(prefix + name, value);
    await this.#forget(gone);
  }

  async #forget(keys: readonly string[]): Promise<void> {
    // No more than this many at a time are allowed.
    for (let at = 0; at < keys.length; at += 128) await this.#storage.delete(keys.slice(at, at + 128));
  }

  async #setAlarm(nowMs: number): Promise<void> {
    this.#alarmIsSet = true;
    await this.#storage.setAlarm(nowMs + keepMs);
  }
}
