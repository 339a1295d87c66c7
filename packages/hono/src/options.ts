// Checks of options: made when a middleware is made, and the error says the place, what is allowed and what came.
import { InvalidOptionError } from "@headgate/core";

/** The longest delay a host timer takes: 2^31 - 1 ms. */
export const maxDelayMs = 2_147_483_647;

export function rejectOption(place: string, allowed: string, got: unknown): never {
  const shown =
    typeof got === "string" ? JSON.stringify(got) : typeof got === "object" && got !== null ? "an object" : String(got);
  throw new InvalidOptionError(place, allowed, typeof got === "function" ? "a function" : shown);
}

export function checkInteger(place: string, value: unknown, min: number): void {
  if (Number.isInteger(value) && (value as number) >= min) return;
  rejectOption(place, `an integer of at least ${min}`, value);
}

/** `min` itself is not allowed. */
export function checkAbove(place: string, value: unknown, min: number, max: number): void {
  if (typeof value === "number" && value > min && value <= max) return;
  rejectOption(place, `a number above ${min} and at most ${max}`, value);
}

export function checkFunction(place: string, value: unknown): void {
  if (typeof value !== "function") rejectOption(place, "a function", value);
}

/** The name of a header field, as RFC 9110 spells tokens. */
export function checkFieldName(place: string, value: unknown): void {
  if (typeof value === "string" && /^[\w!#$%&'*+.^`|~-]+$/.test(value)) return;
  rejectOption(place, "the name of a header field", value);
}
