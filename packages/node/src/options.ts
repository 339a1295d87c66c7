// Checks of options: made when something is made, and the error says the place, what is allowed and what came.
import { InvalidOptionError } from "@headgate/core";

/** The longest delay a host timer takes: 2^31 - 1 ms. */
export const maxDelayMs = 2_147_483_647;

function show(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "function") return "a function";
  if (typeof value === "object" && value !== null) return Array.isArray(value) ? "an array" : "an object";
  return String(value);
}

export function rejectOption(place: string, allowed: string, got: unknown): never {
  throw new InvalidOptionError(place, allowed, show(got));
}

export function checkInteger(place: string, value: number, min: number, max: number): void {
  if (Number.isInteger(value) && value >= min && value <= max) return;
  rejectOption(place, `an integer from ${min} to ${max}`, value);
}

/** Like `checkInteger`, but the caller may also write out that there is no limit. */
export function checkLimit(place: string, value: number, min: number, max: number): void {
  if (value === Number.POSITIVE_INFINITY) return;
  if (Number.isInteger(value) && value >= min && value <= max) return;
  rejectOption(place, `an integer from ${min} to ${max}, or Infinity`, value);
}

export function checkNumber(place: string, value: number, min: number, max: number): void {
  if (typeof value === "number" && value >= min && value <= max) return;
  rejectOption(place, `a number from ${min} to ${max}`, value);
}

export function checkDuration(place: string, value: number, min = 0): void {
  checkNumber(place, value, min, maxDelayMs);
}

export function checkFunction(place: string, value: unknown): void {
  if (value !== undefined && typeof value !== "function") rejectOption(place, "a function", value);
}
