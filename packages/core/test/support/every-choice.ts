/** Takes one of the options; which, changes from run to run. There must be at least one. */
export type Choose = <T>(options: readonly T[]) => T;

/**
 * Runs `body` once for every sequence of choices that it can make. The body must offer the same options again when it
 * was given the same choices before.
 *
 * @returns how often the body ran.
 */
export async function everyChoice(body: (choose: Choose) => Promise<void>): Promise<number> {
  const path: { taken: number; readonly of: number }[] = [];
  for (let runs = 1; ; runs++) {
    let depth = 0;
    await body(<T>(options: readonly T[]) => {
      const choice = path[depth] ?? { taken: 0, of: options.length };
      path[depth++] = choice;
      return options.at(choice.taken) as T;
    });
    // On to the next sequence, as an odometer does.
    for (let last = path.at(-1); last !== undefined && ++last.taken === last.of; last = path.at(-1)) path.pop();
    if (path.length === 0) return runs;
  }
}
