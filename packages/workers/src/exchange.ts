// The one message between isolates and their Durable Object, and its answer. Both sides check what they are given: a deployment
// rolls out isolate by isolate, and the other side may be of another version.
import type { RateQuota } from "@headgate/core";
import type { CircuitChange, CircuitReport, CircuitView } from "./circuit-records.ts";
import type { LimitReport, LimitView } from "./limit-records.ts";

const version = 1;

/** Circuits, and keys of limits, in one message at most. */
export const maxEntries = 100;
/** Characters of a name or key. */
export const maxNameLength = 512;

export interface Exchange {
  readonly circuits: readonly CircuitReport[];
  readonly limits: readonly LimitReport[];
}

export interface ExchangeAnswer {
  readonly circuits: readonly CircuitView[];
  readonly limits: readonly LimitView[];
}

export function writeMessage(message: Exchange | ExchangeAnswer): string {
  return JSON.stringify({ version, ...message });
}

/** @throws {TypeError} for anything but an exchange of this version. */
export function readExchange(text: string): Exchange {
  const { circuits, limits } = readMessage(text);
  return {
    circuits: listOf(
      circuits,
      (item): CircuitReport => ({
        name: nameOf(item["name"]),
        epoch: numberOf(item["epoch"]),
        change: item["change"] === undefined ? undefined : changeOf(record(item["change"])),
      }),
    ),
    limits: listOf(
      limits,
      (item): LimitReport => ({
        key: nameOf(item["key"]),
        used: numberOf(item["used"]),
        quota: quotaOf(record(item["quota"])),
      }),
    ),
  };
}

/** @throws {TypeError} for anything but an answer of this version. */
export function readAnswer(text: string): ExchangeAnswer {
  const { circuits, limits } = readMessage(text);
  return {
    circuits: listOf(
      circuits,
      (item): CircuitView => ({
        name: nameOf(item["name"]),
        epoch: numberOf(item["epoch"]),
        state: stateOf(item["state"]),
        forMs: numberOf(item["forMs"]),
        openings: numberOf(item["openings"]),
      }),
    ),
    limits: listOf(
      limits,
      (item): LimitView => ({
        key: nameOf(item["key"]),
        aheadMs: numberOf(item["aheadMs"]),
      }),
    ),
  };
}

type Unknowns = Readonly<Record<string, unknown>>;

function readMessage(text: string): Unknowns {
  const message = record(JSON.parse(text));
  if (message["version"] !== version)
    throw new TypeError(`A message of version ${version} was expected, not ${String(message["version"])}`);
  return message;
}

function changeOf(item: Unknowns): CircuitChange {
  return {
    state: stateOf(item["state"]),
    forMs: numberOf(item["forMs"]),
    openings: numberOf(item["openings"]),
    ageMs: numberOf(item["ageMs"]),
  };
}

function quotaOf(item: Unknowns): RateQuota {
  return {
    limit: numberOf(item["limit"], Number.MIN_VALUE),
    windowMs: numberOf(item["windowMs"], Number.MIN_VALUE),
    burst: numberOf(item["burst"], Number.MIN_VALUE),
  };
}

function record(value: unknown): Unknowns {
  if (typeof value !== "object" || value === null) throw new TypeError(`An object was expected, not ${typeof value}`);
  return value as Unknowns;
}

function listOf<T>(value: unknown, read: (item: Unknowns) => T): readonly T[] {
  if (!Array.isArray(value) || value.length > maxEntries)
    throw new TypeError(`A list of at most ${maxEntries} entries was expected`);
  return value.map((item: unknown) => read(record(item)));
}

function nameOf(value: unknown): string {
  if (typeof value !== "string" || value.length > maxNameLength)
    throw new TypeError(`A name of at most ${maxNameLength} characters was expected`);
  return value;
}

function numberOf(value: unknown, min = 0): number {
  if (typeof value !== "number" || !(value >= min && value <= Number.MAX_SAFE_INTEGER))
    throw new TypeError(`A number of at least ${min} was expected, not ${String(value)}`);
  return value;
}

function stateOf(value: unknown): "open" | "closed" {
  if (value !== "open" && value !== "closed") throw new TypeError(`A state was expected, not ${String(value)}`);
  return value;
}
