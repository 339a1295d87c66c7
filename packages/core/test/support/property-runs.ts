// How much the property tests play: by default ten thousand schedules in all, always the same, so that a change answers for
// what it breaks and for nothing else; a million in the long lane (`HEADGATE_LONG=1`), new ones each time; and a few for each
// mutant of the mutation tests (`HEADGATE_MUTATION=1`).

const { process } = globalThis as { process?: { readonly env: Readonly<Record<string, string | undefined>> } };
const long = process?.env["HEADGATE_LONG"] === "1";
const mutation = process?.env["HEADGATE_MUTATION"] === "1";

/** How often to run a property that takes this share, above 0 and at most 1, of all schedules. */
export function propertyRuns(share: number): { readonly numRuns: number; readonly seed?: number } {
  if (long) return { numRuns: Math.ceil(share * 1_000_000) };
  return { numRuns: Math.ceil(share * (mutation ? 300 : 10_000)), seed: 20_260 };
}

/** The longest a property may take. */
export const propertyTimeoutMs = long ? 1_800_000 : mutation ? 3000 : 60_000;
