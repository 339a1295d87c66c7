// Checks of options beside those of core.
import { maxDelayMs, rejectOption } from "@headgate/core/options";

/** An integer in bounds, or `Infinity` where the caller writes out that there is no limit. */
export function checkLimit(place: string, value: number, min: number, max: number): void {
  if (value === Number.POSITIVE_INFINITY) return;
  if (Number.isInteger(value) && value >= min && value <= max) return;
  rejectOption(place, `an integer from ${min} to ${max}, or Infinity`, value);
}

export function checkRange(place: string, value: number, min: number, max: number): void {
  if (typeof value === "number" && value >= min && value <= max) return;
  rejectOption(place, `a number from ${min} to ${max}`, value);
}

export function checkDuration(place: string, value: number, min = 0): void {
  checkRange(place, value, min, maxDelayMs);
}

/** A function, or nothing. */
export function checkCallback(place: string, value: unknown): void {
  if (value !== undefined && typeof value !== "function") rejectOption(place, "a function", value);
}
