// Checks of options: made when a policy is made, and the error says the place, what is allowed and what came. For our own
// policies, for the packages around them, and for policies that users write: `@headgate/core/options`.
import { InvalidOptionError } from "./errors.ts";

export { maxDelayMs } from "./clock.ts";

function show(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "function") return "a function";
  if (typeof value === "object" && value !== null) return Array.isArray(value) ? "an array" : "an object";
  return String(value);
}

/** @throws {InvalidOptionError} always. `place` is `feature.option`, `allowed` completes "must be". */
export function rejectOption(place: string, allowed: string, got: unknown): never {
  throw new InvalidOptionError(place, allowed, show(got));
}

export function checkInteger(place: string, value: unknown, min: number, max: number = Number.MAX_SAFE_INTEGER): void {
  if (Number.isInteger(value) && (value as number) >= min && (value as number) <= max) return;
  rejectOption(
    place,
    max === Number.MAX_SAFE_INTEGER ? `an integer of at least ${min}` : `an integer from ${min} to ${max}`,
    value,
  );
}

/** `min` itself is allowed; `above` excludes it. */
export function checkNumber(place: string, value: unknown, min: number, max: number, above = false): void {
  if (typeof value === "number" && (above ? value > min : value >= min) && value <= max) return;
  rejectOption(place, `a number ${above ? `above ${min}` : `of at least ${min}`} and at most ${max}`, value);
}

export function checkOneOf(place: string, value: unknown, allowed: readonly string[]): void {
  if (allowed.includes(value as string)) return;
  const quoted = allowed.map(show);
  rejectOption(place, `${quoted.slice(0, -1).join(", ")} or ${quoted.at(-1)}`, value);
}

export function checkName(place: string, value: unknown): void {
  if (typeof value === "string" && value.length > 0) return;
  rejectOption(place, "a string that is not empty", value);
}

export function checkFunction(place: string, value: unknown): void {
  if (typeof value !== "function") rejectOption(place, "a function", value);
}
