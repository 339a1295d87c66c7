// Checks of options beside those of core.
import { maxDelayMs, rejectOption } from "@headgate/core/options";

/** Milliseconds for a timer, above 0. */
export function checkDelay(place: string, value: unknown): void {
  if (typeof value === "number" && value > 0 && value <= maxDelayMs) return;
  rejectOption(place, `a number above 0 and at most ${maxDelayMs}`, value);
}

/** A binding that is missing from the configuration is undefined: the error says so where it is used, not in a request. */
export function checkBinding(place: string, allowed: string, value: unknown, functions: readonly string[]): void {
  const given = value as Readonly<Record<string, unknown>> | null | undefined;
  if (given && functions.every((name) => typeof given[name] === "function")) return;
  rejectOption(place, `${allowed}, with ${functions.map((name) => `\`${name}\``).join(" and ")}`, value);
}
