// What callers may send, and what they are told when it is something else: always the place, what is allowed
// and what came.

/** The request asks for something that this server does not offer. Answered with 400. */
export class InvalidInputError extends Error {
  override readonly name = "InvalidInputError";
  readonly code = "ERR_INVALID_INPUT";
  readonly place: string;
  readonly allowed: string;
  readonly got: unknown;

  constructor(place: string, allowed: string, got: unknown) {
    super(`${place} must be ${allowed}, got ${shown(got)}`);
    this.place = place;
    this.allowed = allowed;
    this.got = got;
  }
}

export interface IntegerBounds {
  readonly min: number;
  readonly max: number;
}

/** Reads a decimal integer from a path or a query. */
export function toInteger(place: string, text: string, { min, max }: IntegerBounds): number {
  const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  throw new InvalidInputError(place, `an integer from ${min} to ${max}`, text);
}

/** Reads a decimal number from 0 to 1 from a path or a query. */
export function toRatio(place: string, text: string): number {
  const value = /^\d{0,15}(\.\d{0,15})?$/.test(text) && /\d/.test(text) ? Number(text) : Number.NaN;
  if (value >= 0 && value <= 1) return value;
  throw new InvalidInputError(place, "a number from 0 to 1", text);
}

/** Checks an option in milliseconds that the code, not a request, gives. */
export function checkMs(place: string, value: number): void {
  // 2^31 - 1 is the longest delay that Node's timers keep; a longer one fires at once.
  if (Number.isInteger(value) && value >= 1 && value <= 2_147_483_647) return;
  throw new TypeError(`${place} must be an integer from 1 to 2147483647, got ${shown(value)}`);
}

function shown(value: unknown): string {
  if (typeof value === "number") return String(value);
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}
