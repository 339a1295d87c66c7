// Header fields tell times in whole seconds.

/** Rounded up. A sum of floating-point times may have a hair too much, which is no second. */
export function wholeSeconds(ms: number): number {
  return Math.ceil((ms - 1e-3) / 1000);
}
