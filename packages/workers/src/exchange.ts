// The one message between isolates and their Durable Object, and its answer. Both sides check what they are given: a deployment
// rolls out isolate by isolate, and the other side may be of another version.
import type { RateQuota } from "@headgate/core";
import type { CircuitChange, CircuitReport, CircuitView } from "./circuit-records.ts";
import { numberOf, readVersion, record, recordsOf, textOf, type Unknowns } from "./message-fields.ts";
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
  const { circuits, limits } = readVersion(text, version);
  return {
    circuits: recordsOf(
      circuits,
      maxEntries,
      (item): CircuitReport => ({
        name: textOf(item["name"], maxNameLength),
        epoch: numberOf(item["epoch"]),
        change: item["change"] === undefined ? undefined : changeOf(record(item["change"])),
      }),
    ),
    limits: recordsOf(
      limits,
      maxEntries,
      (item): LimitReport => ({
        key: textOf(item["key"], maxNameLength),
        used: numberOf(item["used"]),
        quota: quotaOf(record(item["quota"])),
      }),
    ),
  };
}

/** @throws {TypeError} for anything but an answer of this version. */
export function readAnswer(text: string): ExchangeAnswer {
  const { circuits, limits } = readVersion(text, version);
  return {
    circuits: recordsOf(
      circuits,
      maxEntries,
      (item): CircuitView => ({
        name: textOf(item["name"], maxNameLength),
        epoch: numberOf(item["epoch"]),
        state: stateOf(item["state"]),
        forMs: numberOf(item["forMs"]),
        openings: numberOf(item["openings"]),
      }),
    ),
    limits: recordsOf(
      limits,
      maxEntries,
      (item): LimitView => ({
        key: textOf(item["key"], maxNameLength),
        aheadMs: numberOf(item["aheadMs"]),
      }),
    ),
  };
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

function stateOf(value: unknown): "open" | "closed" {
  if (value !== "open" && value !== "closed") throw new TypeError(`A state was expected, not ${String(value)}`);
  return value;
}
