// Checks of options beside those of core.
import { rejectOption } from "@headgate/core/options";

/** The name of a header field, as RFC 9110 spells tokens. */
export function checkFieldName(place: string, value: unknown): void {
  if (typeof value === "string" && /^[\w!#$%&'*+.^`|~-]+$/.test(value)) return;
  rejectOption(place, "the name of a header field", value);
}
