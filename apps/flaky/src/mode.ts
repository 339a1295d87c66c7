// How the whole upstream misbehaves: the mode, its state in one instance, and the check of what a request sets.
import { InvalidInputError } from "./input.ts";
import { MAX_WAIT_MS } from "./limits.ts";
import { Room, type RoomCounts } from "./room.ts";
import type { Waiters } from "./wait.ts";

export interface Mode {
  /** Time every request waits before it is answered, in milliseconds. @default 0 */
  readonly latencyMs: number;
  /** Share of requests answered with 503, from 0 to 1. @default 0 */
  readonly errorRatio: number;
  /** Requests are not answered while this mode lasts. @default false */
  readonly hang: boolean;
  /** Requests served at the same time; the others wait in order. `null` is no limit. @default null */
  readonly capacity: number | null;
}

const MAX_CAPACITY = 10_000;

const defaultMode: Mode = { latencyMs: 0, errorRatio: 0, hang: false, capacity: null };

interface Field {
  readonly allowed: string;
  accepts(value: unknown): boolean;
}

const fields: Readonly<Record<keyof Mode, Field>> = {
  latencyMs: { allowed: `an integer from 0 to ${MAX_WAIT_MS}`, accepts: (value) => isInteger(value, 0, MAX_WAIT_MS) },
  errorRatio: {
    allowed: "a number from 0 to 1",
    accepts: (value) => typeof value === "number" && value >= 0 && value <= 1,
  },
  hang: { allowed: "true or false", accepts: (value) => typeof value === "boolean" },
  capacity: {
    allowed: `an integer from 1 to ${MAX_CAPACITY}, or null for no limit`,
    accepts: (value) => value === null || isInteger(value, 1, MAX_CAPACITY),
  },
};

/** Checks the JSON text of a mode and fills in what it leaves out. Throws {@link InvalidInputError}. */
export function parseMode(text: string): Mode {
  const value = parseJson(text);
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new InvalidInputError("the mode", "a JSON object", value);
  }
  for (const [key, got] of Object.entries(value)) {
    const place = `\`mode.${key}\``;
    if (!Object.hasOwn(fields, key)) {
      throw new InvalidInputError(place, `left out: the known keys are ${Object.keys(fields).join(", ")}`, got);
    }
    const field = fields[key as keyof Mode];
    if (!field.accepts(got)) throw new InvalidInputError(place, field.allowed, got);
  }
  return { ...defaultMode, ...value };
}

/** The mode of one instance, and what it holds back. */
export class ModeState {
  #mode: Mode = defaultMode;
  #room = new Room();
  /** Requests held back by the mode, to be let go when it changes. */
  readonly held: Waiters = new Set();

  get mode(): Mode {
    return this.#mode;
  }

  get room(): Room {
    return this.#room;
  }

  /** Replaces the mode; what the old one held back goes on as if there had been none. */
  replace(mode: Mode): void {
    this.#mode = mode;
    this.#room.resize(mode.capacity ?? Number.POSITIVE_INFINITY);
    for (const release of this.held) release();
  }

  /**
   * Back to the start, counts included. Requests still being served finish uncounted: a new room also gives back
   * the places of requests that Workers cancelled, whose `finally` never ran.
   */
  reset(): void {
    this.replace(defaultMode);
    this.#room = new Room();
  }

  report(): { readonly mode: Mode; readonly counts: RoomCounts } {
    return { mode: this.#mode, counts: this.#room.counts() };
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new InvalidInputError("the mode", "a JSON object", text);
  }
}

function isInteger(value: unknown, min: number, max: number): boolean {
  return Number.isInteger(value) && (value as number) >= min && (value as number) <= max;
}
