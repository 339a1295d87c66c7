import { InvalidOptionError } from "@headgate/core";
import { expect, it } from "vitest";

/** One row: what makes the thing, and the whole message that must come. */
export type InvalidOption = readonly [make: () => unknown, message: string];

/** Tests that each of these is refused when the thing is made, with a message that names place, bounds and value. */
export function itRefuses(...rows: readonly InvalidOption[]): void {
  it.each(rows.map(([make, message]) => ({ make, message })))("refuses options: $message", ({ make, message }) => {
    let error: unknown;
    try {
      make();
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(InvalidOptionError);
    expect(error).toMatchObject({ message, code: "ERR_INVALID_OPTION" });
  });
}

/** A binding that the Worker's configuration does not have. */
export const missing = undefined as never;
