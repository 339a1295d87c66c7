/** What `look` gives as soon as that is something; fails when it has given nothing for `limitMs`. */
export async function eventually<T>(look: () => T | undefined | Promise<T | undefined>, limitMs = 30_000): Promise<T> {
  const untilMs = performance.now() + limitMs;
  for (;;) {
    const seen = await look();
    if (seen !== undefined) return seen;
    if (performance.now() > untilMs) throw new Error(`Nothing within ${limitMs} ms: ${look.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Waits until `look` is true. */
export function until(look: () => boolean | Promise<boolean>, limitMs?: number): Promise<true> {
  return eventually(async () => ((await look()) ? true : undefined), limitMs);
}
