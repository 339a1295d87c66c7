// Checks of options: made when a thing is made, and the error says the place, what is allowed and what came.
import { InvalidOptionError } from "@headgate/core";

/** The longest delay a host timer takes: 2^31 - 1 ms. */
export const maxDelayMs = 2_147_483_647;

export function rejectOption(place: string, allowed: string, got: unknown): never {
  throw new InvalidOptionError(place, allowed, show(got));
}

export function checkInteger(place: string, value: unknown, min: number): void {
  if (Number.isInteger(value) && (value as number) >= min) return;
  rejectOption(place, `an integer of at least ${min}`, value);
}

/** Milliseconds for a timer, above 0. */
export function checkDelay(place: string, value: unknown): void {
  if (typeof value === "number" && value > 0 && value <= maxDelayMs) return;
  rejectOption(place, `a number above 0 and at most ${maxDelayMs}`, value);
}

export function checkName(place: string, value: unknown): void {
  if (typeof value === "string" && value.length > 0) return;
  rejectOption(place, "a string that is not empty", value);
}

export function checkFunction(place: string, value: unknown): void {
  if (typeof value !== "function") rejectOption(place, "a function", value);
}

/** A binding that is missing from the configuration is undefined: the error says so where it is used, not in a request. */
export function checkBinding(place: string, allowed: string, value: unknown, functions: readonly string[]): void {
  const given = value as Readonly<Record<string, unknown>> | null | undefined;
  if (given && functions.every((name) => typeof given[name] === "function")) return;
  rejectOption(place, `${allowed}, with ${functions.map((name) => `\`${name}\``).join(" and ")}`, value);
}

function show(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "function") return "a function";
  if (typeof value === "object" && value !== null) return Array.isArray(value) ? "an array" : "an object";
  return String(value);
}
