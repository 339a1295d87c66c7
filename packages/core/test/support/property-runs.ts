// How much the property tests play: ten thousand schedules in all by default, a million in the long lane
// (`HEADGATE_LONG=1`), and a few, always the same, for each mutant of the mutation tests (`HEADGATE_MUTATION=1`).

const { process } = globalThis as { process?: { readonly env: Readonly<Record<string, string | undefined>> } };
const long = process?.env["HEADGATE_LONG"] === "1";
const mutation = process?.env["HEADGATE_MUTATION"] === "1";

/** How often to run a property that takes this share, above 0 and at most 1, of all schedules. */
export function propertyRuns(share: number): { readonly numRuns: number; readonly seed?: number } {
  if (mutation) return { numRuns: Math.ceil(share * 300), seed: 20_260 };
  return { numRuns: Math.ceil(share * (long ? 1_000_000 : 10_000)) };
}

/** The longest a property may take. */
export const propertyTimeoutMs = long ? 1_800_000 : mutation ? 3000 : 30_000;
