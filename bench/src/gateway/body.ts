// Bodies whose every byte is known: the byte at index i is i modulo 251, a prime, so that no chunk begins like the
// one before it and a lost, doubled or moved piece shows.

const period = 251;
/** Long enough to find any chunk of up to 1 MiB in it, wherever in the pattern it starts. */
const pattern = Buffer.from(Uint8Array.from({ length: period + (1 << 20) }, (_, i) => i % period));

/** Bytes of the pattern from this index on. At most 1 MiB. */
export function patternFrom(index: number, length: number): Buffer {
  const start = index % period;
  return pattern.subarray(start, start + length);
}
