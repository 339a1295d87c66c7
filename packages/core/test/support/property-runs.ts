// How much the property tests play: ten thousand schedules in all by default, a million in the long lane
// (`HEADGATE_LONG=1`).

const { process } = globalThis as { process?: { readonly env: Readonly<Record<string, string | undefined>> } };
const long = process?.env["HEADGATE_LONG"] === "1";

/** How often to run a property that takes this share, above 0 and at most 1, of all schedules. */
export function propertyRuns(share: number): { readonly numRuns: number } {
  return { numRuns: Math.ceil(share * (long ? 1_000_000 : 10_000)) };
}

/** The longest a property may take. */
export const propertyTimeoutMs = long ? 1_800_000 : 30_000;
